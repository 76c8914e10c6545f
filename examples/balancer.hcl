# Three members, and a balancer with two nodes. The servers are keys in etcd: apply writes a key for each, and places
# HAProxy on the nodes with a program that follows the keys, whoever changes them. docs/follow.md says what lies there, and
# how pg_hba.conf lets the checks in. clusterup-node-linux-ARCH has to lie beside clusterup: make node builds it.
#
#   $ clusterup backend list front balancer.hcl
#   $ clusterup backend drain front pg-1 balancer.hcl      # apply leaves it so
#   $ clusterup backend ready front pg-1 balancer.hcl

cluster "balancer" {
  version = "3.6.16"

  ssh {
    user = "ops"
    sudo = true
  }

  client "app" {}

  auth {
    user "app" { roles = ["app"] }

    role "app" {
      permission {
        prefix = "/app/"
        access = "readwrite"
      }
    }
  }

  balancer "front" {
    listen "write" {
      port  = 5000
      check = "postgres"
    }

    server "pg-1" {
      address    = "10.0.0.21"
      port       = 6432
      check_port = 8008
    }
    server "pg-2" {
      address    = "10.0.0.22"
      port       = 6432
      check_port = 8008
    }

    node "lb-1" { address = "10.0.0.31" }
    node "lb-2" { address = "10.0.0.32" }
  }

  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" { address = "10.0.0.13" }
}
