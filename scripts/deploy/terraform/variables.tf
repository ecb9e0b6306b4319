variable "region" {
  description = "OSS_REGION, and where everything else is"
  type        = string
}

variable "bucket" {
  description = "OSS_BUCKET. One that is there already has to be imported"
  type        = string
}

variable "prefix" {
  description = "UPLOAD_PREFIX, as scripts/ram was told it"
  type        = string
  default     = "uploads/"

  validation {
    condition     = can(regex("^[^/*?].*/$", var.prefix))
    error_message = "The prefix has to end in a slash, and to begin with none."
  }
}

variable "domain" {
  description = "host name of the API, whose CNAME record points to <account>.<region>.fc.aliyuncs.com"
  type        = string
}

variable "certificate" {
  description = "certificate of the domain and its chain, in PEM"
  type        = string
}

variable "private_key" {
  description = "private key of the certificate, in PEM"
  type        = string
  sensitive   = true
}

variable "origins" {
  description = "origins of the pages that upload, for the bucket; CORS_ORIGINS among the settings is for the functions"
  type        = list(string)
}

variable "log_project" {
  description = "project of the log service to make, as scripts/ram was told it; names are unique in a region"
  type        = string
}

variable "settings" {
  description = "settings of the functions that are no secret, by the names that the README lists. Each function gets those that it reads"
  type        = map(string)

  validation {
    condition     = length(setsubtract(["UPLOAD_MAX_SIZE", "UPLOAD_CONTENT_TYPES", "AUTH_MODE"], keys(var.settings))) == 0
    error_message = "The settings have to have UPLOAD_MAX_SIZE, UPLOAD_CONTENT_TYPES and AUTH_MODE."
  }
}

variable "secrets" {
  description = "settings that are secret, as scripts/secrets makes them: UPLOAD_TOKEN_SECRETS, WEBHOOK_SECRETS and others"
  type        = map(string)
  sensitive   = true

  validation {
    condition     = contains(keys(var.secrets), "UPLOAD_TOKEN_SECRETS")
    error_message = "The secrets have to have UPLOAD_TOKEN_SECRETS."
  }
}
