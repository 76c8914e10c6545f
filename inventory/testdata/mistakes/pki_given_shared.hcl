cluster "c1" {
  version = "3.6.16"
  pki {
    ca_cert = "ca.pem"
    ca_key  = "ca.key"
  }
  member "etcd-1" { address = "10.0.0.1" }
}
cluster "c2" {
  version = "3.6.16"
  pki {
    external {
      url          = "https://ca.example.com"
      auth_key_env = "KEY"
    }
  }
  member "etcd-2" { address = "10.0.0.2" }
}
cluster "c3" {
  version = "3.6.16"
  pki {
    peer_ca {
      cert = "ca.pem"
      key  = "ca.key"
    }
    client_ca {
      cert = "ca.pem"
      key  = "ca.key"
    }
  }
  member "etcd-3" { address = "10.0.0.3" }
}
