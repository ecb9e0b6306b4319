# The addresses that Function Compute gives are closed: the domain is the way in.
# Anonymous to the platform only: callback verifies the signature of OSS, and the
# others authenticate every caller themselves.
resource "alicloud_fcv3_trigger" "http" {
  for_each = local.public

  function_name = alicloud_fcv3_function.all[each.key].function_name
  qualifier     = "LATEST"
  trigger_name  = "http"
  trigger_type  = "http"
  trigger_config = jsonencode({
    authType           = "anonymous"
    methods            = each.value
    disableURLInternet = true
  })
}

resource "alicloud_fcv3_trigger" "timer" {
  for_each = { deliver = "@every 1m", sweep = "@every 15m" }

  function_name = alicloud_fcv3_function.all["repair"].function_name
  qualifier     = "LATEST"
  trigger_name  = each.key
  trigger_type  = "timer"
  trigger_config = jsonencode({
    cronExpression = each.value
    enable         = true
    payload        = jsonencode({ do = each.key })
  })
}

# Tells of every upload, through the asynchronous queue.
resource "alicloud_fcv3_trigger" "stored" {
  function_name   = alicloud_fcv3_function.all["repair"].function_name
  qualifier       = "LATEST"
  trigger_name    = "stored"
  trigger_type    = "oss"
  source_arn      = "acs:oss:${var.region}:${data.alicloud_account.current.id}:${alicloud_oss_bucket.uploads.bucket}"
  invocation_role = alicloud_ram_role.function["trigger"].arn
  trigger_config = jsonencode({
    events = [
      "oss:ObjectCreated:PutObject",
      "oss:ObjectCreated:PostObject",
      "oss:ObjectCreated:CompleteMultipartUpload",
    ]
    filter = { key = { prefix = var.prefix, suffix = "" } }
  })

  depends_on = [alicloud_ram_role_policy_attachment.function]
}
