cluster "c1" {
  version = "3.6.16"
  pki {
    ca_cert = "ca.pem"
  }
  member "etcd-1" { address = "10.0.0.1" }
}
cluster "c2" {
  version = "3.6.16"
  pki {
    ca_key = "ca.key"
  }
  member "etcd-2" { address = "10.0.0.2" }
}
cluster "c3" {
  version = "3.6.16"
  pki {
    ca_cert = "ca.pem"
    ca_key  = "ca.key"
    peer_ca {
      cert = "peer.pem"
      key  = "peer.key"
    }
  }
  member "etcd-3" { address = "10.0.0.3" }
}
cluster "c4" {
  version = "3.6.16"
  pki {
    peer_ca {}
    client_ca {
      cert = 5
      kye  = "client.key"
    }
  }
  member "etcd-4" { address = "10.0.0.4" }
}
cluster "c5" {
  version = "3.6.16"
  pki {
    client_ca {
      key = "client.key"
      external {
        url          = "https://ca.example.com"
        auth_key_env = "KEY"
      }
    }
  }
  member "etcd-5" { address = "10.0.0.5" }
}
cluster "c6" {
  version = "3.6.16"
  pki {
    seal = "ops"
    cert = "ca.pem"
    peer_ca = "ca.pem"
  }
  member "etcd-6" { address = "10.0.0.6" }
}
