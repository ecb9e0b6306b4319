# One base URL for all. OSS calls /callback here; a gateway before this domain must
# not stand in its way.
resource "alicloud_fcv3_custom_domain" "api" {
  custom_domain_name = var.domain
  protocol           = "HTTPS"

  cert_config {
    cert_name   = "ossupload"
    certificate = var.certificate
    private_key = var.private_key
  }

  tls_config {
    min_version = "TLSv1.2"
    max_version = "TLSv1.3"
    cipher_suites = [
      "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
      "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
      "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
      "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
      "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
      "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
    ]
  }

  route_config {
    routes {
      path          = "/callback"
      function_name = alicloud_fcv3_alias.live["callback"].function_name
      qualifier     = alicloud_fcv3_alias.live["callback"].alias_name
      methods       = ["POST"]
    }
    routes {
      path          = "/presign"
      function_name = alicloud_fcv3_alias.live["presign"].function_name
      qualifier     = alicloud_fcv3_alias.live["presign"].alias_name
      methods       = ["POST", "OPTIONS"]
    }
    routes {
      path          = "/download"
      function_name = alicloud_fcv3_alias.live["presign"].function_name
      qualifier     = alicloud_fcv3_alias.live["presign"].alias_name
      methods       = ["POST", "OPTIONS"]
    }
    routes {
      path          = "/sts"
      function_name = alicloud_fcv3_alias.live["presign"].function_name
      qualifier     = alicloud_fcv3_alias.live["presign"].alias_name
      methods       = ["POST", "OPTIONS"]
    }
    routes {
      path          = "/session"
      function_name = alicloud_fcv3_alias.live["presign"].function_name
      qualifier     = alicloud_fcv3_alias.live["presign"].alias_name
      methods       = ["POST", "OPTIONS"]
    }
    routes {
      path          = "/s3/*"
      function_name = alicloud_fcv3_alias.live["complete"].function_name
      qualifier     = alicloud_fcv3_alias.live["complete"].alias_name
      methods       = ["GET", "POST", "DELETE", "OPTIONS"]
    }
    routes {
      path          = "/c/*"
      function_name = alicloud_fcv3_alias.live["complete"].function_name
      qualifier     = alicloud_fcv3_alias.live["complete"].alias_name
      methods       = ["GET", "POST", "DELETE", "OPTIONS"]
    }
    routes {
      path          = "/confirm"
      function_name = alicloud_fcv3_alias.live["complete"].function_name
      qualifier     = alicloud_fcv3_alias.live["complete"].alias_name
      methods       = ["POST", "OPTIONS"]
    }
  }
}
