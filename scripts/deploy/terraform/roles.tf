# The policies are what scripts/ram wrote into the folder roles, for this account,
# bucket, prefix and log project, so that they are nowhere a second time.

locals {
  assumed = toset(["callback", "complete", "presign", "repair", "trigger"]) # by services
}

resource "alicloud_ram_role" "function" {
  for_each = local.assumed

  role_name                   = "ossupload-${each.key}"
  assume_role_policy_document = file("${path.module}/roles/ossupload-${each.key}.trust.json")
}

# Signs what clients get. presign and complete assume it, and have to be there
# before its trust policy names them.
resource "alicloud_ram_role" "upload" {
  role_name                   = "ossupload-upload"
  assume_role_policy_document = file("${path.module}/roles/ossupload-upload.trust.json")

  depends_on = [alicloud_ram_role.function]
}

resource "alicloud_ram_policy" "all" {
  for_each = setunion(local.assumed, ["upload"])

  policy_name     = "ossupload-${each.key}"
  policy_document = file("${path.module}/roles/ossupload-${each.key}.policy.json")
  rotate_strategy = "DeleteOldestNonDefaultVersionWhenLimitExceeded"
}

resource "alicloud_ram_role_policy_attachment" "function" {
  for_each = local.assumed

  role_name   = alicloud_ram_role.function[each.key].role_name
  policy_name = alicloud_ram_policy.all[each.key].policy_name
  policy_type = alicloud_ram_policy.all[each.key].type
}

resource "alicloud_ram_role_policy_attachment" "upload" {
  role_name   = alicloud_ram_role.upload.role_name
  policy_name = alicloud_ram_policy.all["upload"].policy_name
  policy_type = alicloud_ram_policy.all["upload"].type
}
