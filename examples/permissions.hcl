# Three members whose clients may do what a role of their user allows, and nothing else. A user is the common name of a
# client's certificate: `clusterup cert issue web permissions.hcl --out web` makes that of the user "web".
# docs/permissions.md explains what apply does with the block auth, and what it leaves alone.

cluster "permissions" {
  version = "3.6.16"

  ssh {
    user = "ops"
    sudo = true
  }

  client "web" {}
  client "reports" {}
  client "ana" {}

  auth {
    user "web" { roles = ["web"] }
    user "reports" { roles = ["reader"] }
    user "ana" { roles = ["root"] } # may do everything, and change users and roles

    role "web" {
      permission {
        prefix = "/web/"
        access = "readwrite"
      }
      permission {
        prefix = "/config/"
        access = "read"
      }
    }

    role "reader" {
      permission {
        prefix = "" # all keys
        access = "read"
      }
    }
  }

  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" { address = "10.0.0.13" }
}
