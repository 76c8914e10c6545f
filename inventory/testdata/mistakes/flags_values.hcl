cluster "prod" {
  version = "3.6.16"
  etcd {
    flags = {
      "auth-token"              = "jwt"
      "cipher-suites"           = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256"
      "compact-hash-check-time" = "0s"
      "cors"                    = "https://app.example.com"
      "log-level"               = "verbose"
      "max-concurrent-streams"  = "4294967296"
      "metrics"                 = "more"
      "tls-max-version"         = "1.3"
      "tls-min-version"         = "TLS1.1"
      "v2-deprecation"          = "never"

      "backend-bbolt-freelist-type"                    = "list"
      "experimental-distributed-tracing-sampling-rate" = "-1"
    }
  }
  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" { address = "10.0.0.13" }
}
