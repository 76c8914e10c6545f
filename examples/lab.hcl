# The three hosts that "clusterup lab up" starts on one Linux machine, and that
# "make demo" uses. Nothing outside that machine can be reached by them.

variable "version" { default = "3.6.16" }

variable "lab" {
  default     = "../.lab"
  description = "Where the lab keeps its SSH key and host keys, relative to this file."
}

variable "mirror" {
  default     = "../.lab/mirror"
  description = "A folder laid out like the releases of etcd, or its URL."
}

cluster "demo" {
  version = var.version

  ssh {
    user          = "root"
    identity_file = "${var.lab}/id_ed25519"
    known_hosts   = "${var.lab}/known_hosts"
    agent         = false
  }

  release {
    mirror = var.mirror
  }

  client "app" {}

  member "etcd-1" { address = "198.18.0.11" }
  member "etcd-2" { address = "198.18.0.12" }
  member "etcd-3" { address = "198.18.0.13" }
}
