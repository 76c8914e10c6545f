cluster "prod" {
  version = "3.6.16"
  etcd {
    flags = { "feature-gates" = "InitialCoruptCheck=true,FastLeaseKeepAlive=true,LeaseCheckpoint=true" }
  }
  member "etcd-1" { address = "10.0.0.11" }
}
cluster "other" {
  version = "3.7.3"
  etcd {
    flags = {
      "feature-gates"  = "LeaseCheckpoint"
      "v2-deprecation" = "not-yet"
    }
  }
  member "etcd-1" { address = "10.0.0.21" }
}
cluster "third" {
  version = "3.7.3"
  etcd {
    flags = { "feature-gates" = "LeaseCheckpoint=true,LeaseCheckpoint=false" }
  }
  member "etcd-1" { address = "10.0.0.31" }
}
cluster "old" {
  version = "3.5.35"
  etcd {
    flags = { "feature-gates" = "SetMemberLocalAddr=true" }
  }
  member "etcd-1" { address = "10.0.0.41" }
}
