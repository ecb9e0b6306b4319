# Settings that are empty are left out: to the functions it is the same.

locals {
  settings = merge({
    GOMAXPROCS            = "1" # as in s.yaml
    OSS_REGION            = var.region
    OSS_BUCKET            = var.bucket
    OSS_INTERNAL_ENDPOINT = "oss-${var.region}-internal.aliyuncs.com"
    UPLOAD_PREFIX         = var.prefix
    UPLOAD_ROLE_ARN       = "acs:ram::${data.alicloud_account.current.id}:role/${alicloud_ram_role.upload.role_name}"
    CALLBACK_URL          = "https://${var.domain}/callback"
    PUBLIC_URL            = "https://${var.domain}"
  }, var.settings, var.secrets)

  environment = {
    for name, names in local.reads : name => {
      for setting in names : setting => local.settings[setting] if lookup(local.settings, setting, "") != ""
    }
  }

  # What each program reads.
  reads = {
    callback = [
      "GOMAXPROCS", "OSS_REGION", "OSS_BUCKET", "OSS_ENDPOINT", "OSS_CNAME", "OSS_INTERNAL_ENDPOINT", "UPLOAD_PREFIX", "FORMER_PLACES",
      "UPLOAD_TOKEN_SECRETS", "RECEIPT_SECRET", "CALLBACK_URL", "CALLBACK_KEY_URLS",
      "WEBHOOK_URL", "WEBHOOK_SECRETS", "WEBHOOK_EVENTS", "WEBHOOK_RETRY_FOR", "LOG_EVENTS",
    ]
    complete = [
      "GOMAXPROCS", "OSS_REGION", "OSS_BUCKET", "OSS_ENDPOINT", "OSS_CNAME", "OSS_INTERNAL_ENDPOINT", "UPLOAD_PREFIX", "FORMER_PLACES",
      "UPLOAD_MAX_SIZE", "UPLOAD_CONTENT_TYPES", "UPLOAD_METHODS", "UPLOAD_MAX_EXPIRES", "UPLOAD_TOKEN_TTL",
      "UPLOAD_STORAGE_CLASSES", "UPLOAD_TAG_KEYS", "UPLOAD_MAX_OPEN",
      "UPLOAD_TOKEN_SECRETS", "RECEIPT_SECRET", "UPLOAD_ROLE_ARN", "UPLOAD_ROLE_DURATION", "STS_ENDPOINT", "CALLBACK_URL",
      "AUTH_MODE", "AUTH_JWT_SECRET", "AUTH_JWKS_URL", "AUTH_JWT_ALGS", "AUTH_ISSUER", "AUTH_AUDIENCE",
      "AUTH_SUBJECT_CLAIM", "AUTH_TOKEN_HEADER", "AUTH_HEADER", "AUTH_HEADER_SECRET", "CORS_ORIGINS",
      "WEBHOOK_URL", "WEBHOOK_SECRETS", "WEBHOOK_EVENTS", "WEBHOOK_RETRY_FOR", "LOG_EVENTS",
    ]
    presign = [
      "GOMAXPROCS", "OSS_REGION", "OSS_BUCKET", "OSS_ENDPOINT", "OSS_CNAME", "OSS_DOWNLOAD_ENDPOINT", "OSS_INTERNAL_ENDPOINT",
      "UPLOAD_PREFIX", "FORMER_PLACES",
      "UPLOAD_MAX_SIZE", "UPLOAD_CONTENT_TYPES", "UPLOAD_METHODS", "UPLOAD_MAX_EXPIRES", "UPLOAD_TOKEN_TTL",
      "UPLOAD_STORAGE_CLASSES", "UPLOAD_TAG_KEYS", "UPLOAD_URL_UNSIZED",
      "UPLOAD_TOKEN_SECRETS", "UPLOAD_ROLE_ARN", "UPLOAD_ROLE_DURATION", "STS_ENDPOINT", "STS_ENABLED", "CALLBACK_URL",
      "AUTH_MODE", "AUTH_JWT_SECRET", "AUTH_JWKS_URL", "AUTH_JWT_ALGS", "AUTH_ISSUER", "AUTH_AUDIENCE",
      "AUTH_SUBJECT_CLAIM", "AUTH_TOKEN_HEADER", "AUTH_HEADER", "AUTH_HEADER_SECRET", "PUBLIC_URL", "CORS_ORIGINS",
      "LOG_EVENTS",
    ]
  }

  unread = setsubtract(
    concat(keys(var.settings), nonsensitive(keys(var.secrets))),
    flatten(values(local.reads)),
  )
}
