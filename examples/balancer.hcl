# Three members, and the servers of a balancer as keys in them: apply writes a key for each server, and a program beside
# HAProxy follows the keys, whoever changes them. docs/follow.md says how that program is set up.
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

  client "follow-front" {} # for who follows the keys; its user and role are there by themselves
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
  }

  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" { address = "10.0.0.13" }
}
