cluster "c1" {
  version = "3.6.16"
  tls { http_client_port = 2379 }
  member "etcd-1" { address = "10.0.0.1" }
}
cluster "c2" {
  version = "3.6.16"
  peer_port = 12380
  tls { http_client_port = 12380 }
  member "etcd-2" { address = "10.0.0.2" }
}
cluster "c3" {
  version = "3.6.16"
  tls { http_client_port = 2381 }
  member "etcd-3" { address = "10.0.0.3" }
}
cluster "c4" {
  version = "3.6.16"
  tls { http_client_port = 65536 }
  member "etcd-4" { address = "10.0.0.4" }
}
