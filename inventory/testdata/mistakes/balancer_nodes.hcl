cluster "prod" {
  version = "3.6.16"

  balancer "front" {
    listen "write" { port = 5000 }
    node "LB" { address = "10.0.0.30" }
    node "lb-1" { address = "10.0.0.31" }
    node "lb-1" {
      address = "10.0.0.31"
      state   = "absent"
    }
    node "lb-2" {
      address = "10.0.0.31"
    }
    node "lb-3" {
      address     = "10.0.0.31"
      ssh_address = "192.0.2.33"
    }
    node "lb-4" {
      address     = "10.0.0.34"
      ssh_address = "192.0.2.33"
    }
    node "lb-5" {
      address     = "10.0.0.34:22"
      ssh_address = "ops@10.0.0.34"
      ssh_port    = 0
      state       = "gone"
      for_each    = toset(["a"])

      ssh { usr = "root" }
      ssh {}
    }
    node "lb-6" {}
  }
  balancer "back" {
    listen "write" { port = 5000 }
    node "lb-1" { address = "10.0.0.41" }
    node "lb-7" {
      address     = "10.0.0.47"
      ssh_address = "10.0.0.30"
    }
  }
  balancer "idle" {
    node "lb-8" {
      address = "10.0.0.48"
      state   = "absent"
    }
    node "lb-9" { address = "10.0.0.49" }
  }
  balancer "slip" {
    listens "write" { port = 5000 }
    node "lb-10" { address = "10.0.0.50" }
  }
  balancer "gone" {
    node "lb-11" {
      address = "10.0.0.51"
      state   = "absent"
    }
  }

  member "etcd-1" { address = "10.0.0.11" }
}
