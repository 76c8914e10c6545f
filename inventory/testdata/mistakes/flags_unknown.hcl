cluster "prod" {
  version = "3.6.16"
  etcd {
    flags = {
      "max-request-byte"  = 1572864
      "--max-txn-ops"     = 256
      "no-such-thing"     = 1
    }
  }
  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" { address = "10.0.0.13" }
}
