cluster "prod" {
  version = "3.6.16"
  etcd {
    quota_backend_bytes = "8GB"
    auto_compaction     = "1month"
    heartbeat_interval  = "100"
    election_timeout    = "1.5s"
  }
  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" { address = "10.0.0.13" }
}
