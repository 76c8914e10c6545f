# Hosts that only a jump host reaches. Several jump blocks are passed in order.

cluster "inner" {
  version = "3.6.16"

  ssh {
    user          = "ops"
    sudo          = true
    identity_file = "~/.ssh/id_ed25519"

    jump {
      address = "bastion.example.com"
      user    = "jump" # default: the user above, as for identity_file
    }
  }

  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }

  # This host has another address for administration, and another user.
  member "etcd-3" {
    address     = "10.0.0.13"
    ssh_address = "192.0.2.13"
    ssh_port    = 2222

    ssh {
      user = "root"
      sudo = false
    }
  }
}
