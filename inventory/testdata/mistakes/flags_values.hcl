cluster "prod" {
  version = "3.6.16"
  etcd {
    flags = {
      "pre-vote"                = "yes"
      "max-txn-ops"             = "many"
      "max-request-bytes"       = -1
      "grpc-keepalive-interval" = "2"
    }
  }
  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" { address = "10.0.0.13" }
}
