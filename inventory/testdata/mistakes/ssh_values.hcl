cluster "prod" {
  version = "3.6.16"
  ssh {
    user            = "ops team"
    port            = 0
    sudo            = "maybe"
    known_hosts     = []
    identity_file   = "~root/.ssh/id_ed25519"
    connect_timeout = "10"
  }
  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" { address = "10.0.0.13" }
}
