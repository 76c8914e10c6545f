cluster "Prod" {
  version   = "3.6"
  peer_port = 2379

  etcd {
    election_timeout = "200ms"
    flags            = { "data-dir" = "/srv" }
  }

  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-3" { adress = "10.0.0.13" }
}
