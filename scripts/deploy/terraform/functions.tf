locals {
  # Sizes and caps are those of s.yaml, which has the reason for each.
  functions = {
    callback = {
      program = "callback", about = "Receives the upload callback of OSS, confirms the object and notifies"
      cpu     = 0.1, memory = 128, timeout = 4, reserved = 80
    }
    complete = {
      program = "complete", about = "Runs multipart uploads, verifies and completes them"
      cpu     = 0.15, memory = 256, timeout = 60, reserved = 40
    }
    repair = {
      program = "complete", about = "Delivers what waits, and announces what neither callback nor client reached"
      cpu     = 0.15, memory = 256, timeout = 300, reserved = 10
    }
    presign = {
      program = "presign", about = "Decides who may upload what; issues URLs, forms and credentials"
      cpu     = 0.1, memory = 128, timeout = 30, reserved = 40
    }
  }

  # Those behind the domain, with the methods of each. OPTIONS is among them, so
  # that the functions answer it and not the platform, which lets every origin in.
  public = {
    callback = ["POST"]
    complete = ["GET", "POST", "DELETE", "OPTIONS"]
    presign  = ["GET", "POST", "OPTIONS"]
  }
}

# What scripts/build.sh made. The runtime starts the executable main, which needs
# its bit.
data "archive_file" "package" {
  for_each = local.reads

  type             = "zip"
  source_file      = "${path.module}/../../../dist/${each.key}/main"
  output_file_mode = "0755"
  output_path      = "${path.module}/packages/${each.key}.zip"
}

# Not in the state, which would hold the packages whole.
resource "alicloud_oss_bucket" "code" {
  bucket = "${var.bucket}-code"
}

resource "alicloud_oss_bucket_public_access_block" "code" {
  bucket              = alicloud_oss_bucket.code.bucket
  block_public_access = true
}

resource "alicloud_oss_bucket_object" "package" {
  for_each = data.archive_file.package

  bucket = alicloud_oss_bucket.code.bucket
  key    = "${each.key}-${each.value.output_sha256}.zip"
  source = each.value.output_path

  lifecycle {
    create_before_destroy = true
  }
}

resource "alicloud_fcv3_function" "all" {
  for_each = local.functions

  function_name         = "ossupload-${each.key}"
  description           = each.value.about
  runtime               = "go1"
  handler               = "main"
  cpu                   = each.value.cpu
  memory_size           = each.value.memory
  disk_size             = 512
  timeout               = each.value.timeout
  role                  = alicloud_ram_role.function[each.key].arn
  environment_variables = local.environment[each.value.program]

  code {
    oss_bucket_name = alicloud_oss_bucket_object.package[each.value.program].bucket
    oss_object_name = alicloud_oss_bucket_object.package[each.value.program].key
  }

  log_config {
    project                = alicloud_log_project.functions.project_name
    logstore               = alicloud_log_store.functions.logstore_name
    enable_request_metrics = true
    log_begin_rule         = "None"
  }

  # It may write its log, and read what it is given, from its first call on.
  depends_on = [alicloud_ram_role_policy_attachment.function, alicloud_ram_role_policy_attachment.upload]

  lifecycle {
    precondition {
      condition     = length(local.unread) == 0
      error_message = "No function reads ${join(", ", local.unread)}."
    }
  }
}

resource "alicloud_fcv3_concurrency_config" "cap" {
  for_each = local.functions

  function_name        = alicloud_fcv3_function.all[each.key].function_name
  reserved_concurrency = each.value.reserved
}

# For the events of OSS, which wait while the cap holds them back.
resource "alicloud_fcv3_async_invoke_config" "repair" {
  function_name                  = alicloud_fcv3_function.all["repair"].function_name
  qualifier                      = "LATEST"
  max_async_retry_attempts       = 3
  max_async_event_age_in_seconds = 86400
}

# A version holds code and settings, and a change of either makes another. The one
# before is deleted when traffic has moved.
resource "alicloud_fcv3_function_version" "current" {
  for_each = local.public

  function_name = alicloud_fcv3_function.all[each.key].function_name
  description = substr(nonsensitive(sha256(jsonencode([
    data.archive_file.package[each.key].output_sha256, local.environment[each.key], local.functions[each.key],
  ]))), 0, 16)

  lifecycle {
    create_before_destroy = true
  }
}

resource "alicloud_fcv3_alias" "live" {
  for_each = local.public

  function_name = alicloud_fcv3_function.all[each.key].function_name
  alias_name    = "live"
  version_id    = alicloud_fcv3_function_version.current[each.key].version_id
}
