# The three hosts that "clusterup lab up" starts on one Linux machine, and that "make demo" uses. Nothing outside that
# machine can be reached by them. "clusterup lab run" says where the lab's keys are; CLUSTERUP_MIRROR is a folder, or a
# URL, laid out like the releases of etcd: "make release" fills the one that stands here.

variable "version" { default = "3.6.16" }

cluster "demo" {
  version = var.version

  ssh {
    user          = "root"
    identity_file = env("CLUSTERUP_LAB_KEY", "/var/lib/clusterup-lab/lab/id_ed25519")
    known_hosts   = env("CLUSTERUP_LAB_KNOWN_HOSTS", "/var/lib/clusterup-lab/lab/known_hosts")
    agent         = false
  }

  release {
    mirror = env("CLUSTERUP_MIRROR", "/var/cache/clusterup/mirror")
  }

  client "app" {}

  member "etcd-1" { address = "198.18.0.11" }
  member "etcd-2" { address = "198.18.0.12" }
  member "etcd-3" { address = "198.18.0.13" }
}
