cluster "one" {
  version = "3.6.16"
  member "a" { address = "10.0.0.11" }
}

cluster "two" {
  version = "3.6.16"
  peer_port    = 12380
  client_port  = 12379
  metrics_port = 12381
  unit_name    = "etcd-one"
  data_dir     = "/var/lib/etcd-one/two"
  member "b" { address = "10.0.0.11" }
}
