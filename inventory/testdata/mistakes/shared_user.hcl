cluster "one" {
  version = "3.6.16"
  member "a" { address = "10.0.0.11" }
}

cluster "two" {
  version = "3.6.16"
  user         = "etcd-one"
  peer_port    = 12380
  client_port  = 12379
  metrics_port = 12381
  member "b" { address = "10.0.0.11" }
}
