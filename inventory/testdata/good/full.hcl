variable "version" { default = "3.6.16" }

variable "hosts" {
  type        = map(string)
  description = "Zone to address."
  default     = { a = "10.0.0.21", b = "10.0.0.22" }
}

locals {
  domain = "example.com"
  suffix = "db.${local.domain}"
}

cluster "prod" {
  version      = var.version
  user         = "etcd"
  data_dir     = "/srv/etcd/data"
  wal_dir      = "/srv/wal"
  unit_name    = "etcd"
  peer_port    = 12380
  client_port  = "12379"
  metrics_port = 0

  ssh {
    user            = "ops"
    port            = 2222
    identity_file   = "~/.ssh/id_ed25519"
    known_hosts     = ["known_hosts", "/etc/ssh/ssh_known_hosts"]
    sudo            = true
    agent           = false
    connect_timeout = "5s"

    jump { address = "bastion.example.com" }
    jump {
      address       = "[2001:DB8::1]"
      port          = 2200
      user          = "hop"
      identity_file = ["hop_key", "/keys/hop"]
    }
  }

  release {
    archive = { amd64 = "etcd-amd64.tar.gz", arm64 = "/srv/etcd-arm64.tar.gz" }
    sha256  = { amd64 = "ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789" }
  }

  pki {
    ca_lifetime  = "20y"
    lifetime     = "90d"
    renew_before = "1w2d"
    algorithm    = "ed25519"
    seal_to      = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII/jo9y8Jl411EogMd4fgrzd+RwqmFzcAddpGQl6oBn8 ops@laptop", "age1s946mw03snd5t2t76vkslxm80mlvf46y7nungpuk2pvjv24w6ajq9gykuu\n"]

    peer_ca {
      cert = "pki/peer.pem"
      key  = "~/peer.key"
    }
    client_ca {
      cert = "pki/client.pem"
      external {
        url          = "https://ca.example.com:8888/"
        auth_key_env = "CFSSL_KEY"
        label        = "etcd"
        profile      = "short"
        ca_file      = "/etc/ssl/ca.pem"
      }
    }
  }

  tls {
    peers            = true
    clients          = true
    http_client_port = 2379
  }

  etcd {
    quota_backend_bytes = "2GiB"
    auto_compaction     = "0"
    heartbeat_interval  = "200ms"
    election_timeout    = "2s"
    snapshot_count      = 5000
    flags               = { "max-request-bytes" = 2097152, pre-vote = true }
  }

  snapshot {
    seal_to = "age1s946mw03snd5t2t76vkslxm80mlvf46y7nungpuk2pvjv24w6ajq9gykuu"
    max_age = "1d12h"
  }

  auth {
    enabled = false
    user "root" {}
    user "shop" { roles = ["app", "root"] }
    user "old@ops" {
      roles         = "app"
      password_file = "old.password"
    }
    user "env" { password_env = "ETCD_PASSWORD" }
    user "told" { password_command = ["pass", "show", "etcd/told"] }
    role "app" {
      permission {
        prefix = "/app/"
        access = "readwrite"
      }
      permission {
        prefix = ""
        access = "read"
      }
      permission {
        key    = "/lock"
        access = "write"
      }
      permission {
        from   = "/from/"
        access = "read"
      }
      permission {
        from   = "a"
        to     = "b"
        access = "read"
      }
    }
    role "none" {}
    role "root" {}
  }

  client "app" {
    user         = "shop"
    organization = "Example Ltd"
    lifetime     = "30d"
  }
  client "backup@ops" {}
  client "patroni" { common_name = false }

  balancer "front" {
    listen "write" {
      port  = "5000"
      check = "postgres"
      user  = "lb_check"
    }
    listen "plain" {
      port  = 5001
      check = "tcp"
    }
    server "pg-1" {
      address    = "10.0.0.21"
      port       = 6432
      check_port = 8008
    }
    server "pg-2" {
      address = "fd00::22"
      port    = 6432
      weight  = 0
    }
    node "lb-1" {
      address     = "LB1.Example.com"
      ssh_address = "192.0.2.31"
      ssh_port    = 22
      state       = "present"

      ssh {
        user = "root"
        sudo = false
        jump { address = "192.0.2.1" }
      }
    }
    node "etcd-2" { address = "10.0.0.21" }
    node "lb-3" {
      address = "[2001:db8:0::33]"
      state   = "absent"
    }
  }

  member "etcd-1" {
    address        = "DB1.Example.com"
    peer_address   = "[2001:db8:0::11]"
    client_address = "10.0.0.11"
    ssh_address    = "192.0.2.11"
    ssh_port       = 22
    names          = ["etcd-1.${local.suffix}", "*.db.example.com", "10.0.0.111"]
    data_dir       = "/var/lib/etcd"

    ssh {
      user = "root"
      sudo = false
      jump { address = "192.0.2.1" }
    }
  }

  member "etcd" {
    for_each = var.hosts
    name     = "etcd-${upper(each.key) == "A" ? 2 : 3}"
    address  = each.value
  }

  member "etcd-4" {
    address = "10.0.0.24"
    state   = "absent"
  }
}
