cluster "prod" {
  version = "3.6.16"
  tls { clients = false }
  auth {}
  auth {}
  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" { address = "10.0.0.13" }
}
