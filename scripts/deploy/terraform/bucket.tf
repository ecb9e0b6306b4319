# The bucket of the uploads, without versions. Where there are versions, S needs a
# rule for noncurrent ones and expired delete markers too, and overwriting is not
# refused.

locals {
  own = "_ossupload/${var.prefix}" # S, the functions' own
}

resource "alicloud_oss_bucket" "uploads" {
  bucket = var.bucket

  # Uploads that nobody completed. The sweep aborts most of them before.
  lifecycle_rule {
    id      = "ossupload-abort"
    prefix  = var.prefix
    enabled = true

    abort_multipart_upload {
      days = 8
    }
  }

  # Notes of what was announced or aborted. None for what waits or was given up.
  lifecycle_rule {
    id      = "ossupload-announced"
    prefix  = "${local.own}_announced/"
    enabled = true

    expiration {
      days = 30
    }
  }

  lifecycle_rule {
    id      = "ossupload-aborted"
    prefix  = "${local.own}_aborted/"
    enabled = true

    expiration {
      days = 30
    }
  }

  lifecycle {
    prevent_destroy = true
    ignore_changes  = [cors_rule] # it is below
  }
}

resource "alicloud_oss_bucket_cors" "uploads" {
  bucket = alicloud_oss_bucket.uploads.bucket

  cors_rule {
    allowed_origins = var.origins
    allowed_methods = ["PUT", "POST"]
    allowed_headers = ["*"]
    expose_header   = ["ETag"]
    max_age_seconds = 7200
  }

  response_vary = true
}

resource "alicloud_oss_bucket_public_access_block" "uploads" {
  bucket              = alicloud_oss_bucket.uploads.bucket
  block_public_access = true
}

# A second lock beside x-oss-forbid-overwrite, which a URL without headers lacks.
resource "alicloud_oss_bucket_overwrite_config" "uploads" {
  bucket = alicloud_oss_bucket.uploads.bucket

  rule {
    id     = "ossupload"
    action = "forbid"
    prefix = var.prefix
  }
}
