cluster "prod" {
  version = "3.6.16"
  tls { http_client_port = 5004 }

  balancer "front" {
    listen "peer" { port = 2380 }
    listen "client" { port = 2379 }
    listen "metrics" { port = 2381 }
    listen "http" { port = 5004 }
    listen "write" { port = 5000 }
    node "etcd-1" { address = "10.0.0.41" }
    node "etcd-2" {
      address  = "10.0.0.12"
      ssh_port = 2222
    }
    node "lb-1" { address = "10.0.0.13" }
    node "lb-2" {
      address     = "10.0.0.42"
      ssh_address = "192.0.2.14"
    }
    node "etcd-5" {
      address = "10.0.0.15"
      ssh {
        jump { address = "bastion.example.com" }
      }
    }
    node "etcd-6" {
      address = "10.0.0.16"
      ssh { user = "root" }
    }
  }
  balancer "apart" {
    listen "client" { port = 2379 }
    node "lb-3" { address = "10.0.0.33" }
  }

  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" { address = "10.0.0.13" }
  member "etcd-4" {
    address     = "10.0.0.14"
    ssh_address = "192.0.2.14"
  }
  member "etcd-5" { address = "10.0.0.15" }
  member "etcd-6" {
    address = "10.0.0.16"
    state   = "absent"
  }
}
