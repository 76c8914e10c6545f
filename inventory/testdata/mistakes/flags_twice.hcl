cluster "prod" {
  version = "3.6.16"
  etcd {
    flags = {
      "corrupt-check-time"                      = "4h"
      "experimental-corrupt-check-time"         = "5h"
      "experimental-initial-corrupt-check"      = "false"
      "experimental-compact-hash-check-enabled" = "true"
      "feature-gates"                           = "InitialCorruptCheck=true, CompactHashCheck=true"
    }
  }
  member "etcd-1" { address = "10.0.0.11" }
}
