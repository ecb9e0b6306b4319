# The deployment of scripts/deploy/domain.yaml with Terraform, and beside it what
# that one asks you to make first: roles, the bucket's rules, the place of the
# logs. TERRAFORM.md has the steps.
#
# The state holds every secret of the functions: keep it where only you read it.

terraform {
  required_version = ">= 1.9"

  required_providers {
    alicloud = {
      source  = "aliyun/alicloud"
      version = "~> 1.289"
    }
    archive = {
      source  = "hashicorp/archive"
      version = "~> 2.7"
    }
  }
}

provider "alicloud" {
  region = var.region
}

data "alicloud_account" "current" {}

output "endpoint" {
  description = "where clients call, and what CALLBACK_URL and PUBLIC_URL begin with"
  value       = "https://${alicloud_fcv3_custom_domain.api.custom_domain_name}"
}
