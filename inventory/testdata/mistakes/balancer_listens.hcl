cluster "prod" {
  version = "3.6.16"

  balancer "front" {
    listen "write to" { port = 5000 }
    listen "write" {
      port = 5001
      user = "check"
    }
    listen "write" {
      port  = 5002
      check = "tcp"
      user  = "check"
    }
    listen "abcdefghijabcdefghijabcdefghijabcdefghijk" { port = 5003 }
    listen "none" {}
    listen "zero" { port = 0 }
    listen "metrics" { port = 8404 }
    listen "read" {
      port  = 5002
      check = "postgres"
      user  = "1st"
    }
    listen "role" {
      port  = 5004
      check = "patroni"
      user  = "check"
    }
    listen "many" {
      ports = [5005]
      check = "postgres"
      user  = "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcd"
    }
  }

  member "etcd-1" { address = "10.0.0.11" }
}
