cluster "prod" {
  version = "3.6.16"

  auth {
    user "follow-front" {}
    role "follow-back" {}
  }

  member "etcd-1" { address = "10.0.0.11" }

  balancer "front" {
    server "pg 1" {
      address = "pg-1.example.com"
      port    = 6432
    }
    server "pg-2" {
      address = "127.0.0.1"
      port    = 0
    }
    server "pg-3" {
      address = "10.0.0.23"
      port    = 6432
      weight  = 257
    }
    server "pg-4" {
      address    = "10.0.0.23"
      port       = 6432
      check_port = 8008
      checks     = "tcp"
    }
    server "pg-3" {}
  }
  balancer "back" {}
  balancer "back" {}
  balancer "Front" {
    frontend "write" {}
  }
}
