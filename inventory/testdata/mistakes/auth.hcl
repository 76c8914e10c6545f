cluster "prod" {
  version = "3.6.16"
  auth {
    enabled = "perhaps"
    user "root" { roles = ["reader"] }
    user "app" { roles = ["app", "ap", "app", "root"] }
    user "app" {}
    user "server:etcd-1" {}
    user "etcd-2" {}
    user "clusterup-observer" { roles = ["root"] }
    user "my app" { roles = "app" }
    user "ops" { role = "app" }
    role "app" {
      permission {
        prefix = "/app/"
        access = "rw"
      }
      permission {
        access = "read"
      }
      permission {
        prefix = "/app/"
        key    = "/app"
        access = "read"
      }
      permission {
        key    = ""
        access = "read"
      }
      permission {
        from   = "b"
        to     = "a"
        access = "read"
      }
      permission {
        to     = "a"
        access = "read"
      }
      permission {
        prefix = "/app/"
        to     = "a"
        access = "all"
      }
      permission { key = "/app" }
      permission {
        prefix = "/twice/"
        access = "read"
      }
      permission {
        from   = "/twice/"
        to     = "/twice0"
        access = "write"
      }
    }
    role "app" {}
    role "" {}
    role "root" {
      permission {
        prefix = ""
        access = "readwrite"
      }
    }
    permission {}
  }
  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" { address = "10.0.0.13" }
}
