cluster "prod" {
  version     = "3.6.16"
  client_port = 2378
  tls { http_client_port = 2379 }
  auth {
    user "old" { password_env = "OLD" }
  }
  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" { address = "10.0.0.13" }
}
