resource "alicloud_log_project" "functions" {
  project_name = var.log_project
  description  = "of the functions of ossupload"
}

resource "alicloud_log_store" "functions" {
  project_name     = alicloud_log_project.functions.project_name
  logstore_name    = "functions"
  retention_period = 30
}

# Without it nothing of the log can be searched.
resource "alicloud_log_store_index" "functions" {
  project  = alicloud_log_project.functions.project_name
  logstore = alicloud_log_store.functions.logstore_name

  full_text {
    case_sensitive = false
    token          = " #$^*\r\n\t,;=()[]{}?@&<>/:'\""
  }
}
