cluster "one" {
  version = "3.6.16"
  balancer "front" {
    listen "a" { port = 12379 }
    node "lb-1" { address = "10.0.0.31" }
    node "lb-2" { address = "10.0.0.21" }
  }
  member "etcd-1" { address = "10.0.0.11" }
}
cluster "two" {
  version      = "3.6.16"
  peer_port    = 12380
  client_port  = 12379
  metrics_port = 0

  balancer "front" {
    listen "a" { port = 2379 }
    node "lb-1" { address = "10.0.0.41" }
    node "lb-2" {
      address = "10.0.0.31"
      state   = "absent"
    }
    node "lb-3" { address = "10.0.0.11" }
  }
  member "etcd-1" { address = "10.0.0.21" }
}
