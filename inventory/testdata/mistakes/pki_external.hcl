cluster "c1" {
  version = "3.6.16"
  pki {
    external {
      url          = "http://ca.example.com:8888"
      auth_key_env = "0123456789ABCDEF"
    }
  }
  member "etcd-1" { address = "10.0.0.1" }
}
cluster "c2" {
  version = "3.6.16"
  pki {
    external {
      url           = "https://ops:secret@ca.example.com"
      auth_key_env  = "KEY"
      auth_key_file = "key"
    }
  }
  member "etcd-2" { address = "10.0.0.2" }
}
cluster "c3" {
  version = "3.6.16"
  pki {
    external {
      url = "ca.example.com:8888"
    }
  }
  member "etcd-3" { address = "10.0.0.3" }
}
cluster "c4" {
  version = "3.6.16"
  pki {
    external {
      auth_key_file = "key"
    }
  }
  member "etcd-4" { address = "10.0.0.4" }
}
cluster "c5" {
  version = "3.6.16"
  pki {
    external {
      url          = "https://ca.example.com/api/v1/cfssl/authsign"
      auth_key_env = "KEY"
    }
  }
  member "etcd-5" { address = "10.0.0.5" }
}
