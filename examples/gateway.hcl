# Three members for a Patroni cluster, which speaks to etcd's JSON gateway, beside a client that speaks gRPC. The
# gateway takes no common names, so Patroni's certificate has none, and its user logs in with a password. Make that
# first, where nobody else can read it:
#
#     (umask 077 && head -c 24 /dev/urandom | base64 > patroni.password)
#
# `clusterup cert issue patroni gateway.hcl --out patroni` makes the certificate. docs/permissions.md says what a
# password costs: the members sign tokens with a key that clusterup makes.

cluster "gateway" {
  version = "3.6.16"

  ssh {
    user = "ops"
    sudo = true
  }

  client "patroni" { common_name = false }
  client "app" {}

  auth {
    user "patroni" {
      roles         = ["patroni"]
      password_file = "patroni.password"
    }
    user "app" { roles = ["app"] } # by its certificate alone

    role "patroni" {
      permission {
        prefix = "/service/"
        access = "readwrite"
      }
    }

    role "app" {
      permission {
        prefix = "/app/"
        access = "readwrite"
      }
    }
  }

  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" { address = "10.0.0.13" }
}
