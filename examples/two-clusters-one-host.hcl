# Two clusters on the same three hosts. Units, directories and certificates bear
# the name of the cluster; only the ports have to be told apart.
# "clusterup apply --cluster apps" picks one.

variable "version" { default = "3.6.16" }

locals {
  hosts = {
    "1" = "10.0.0.11"
    "2" = "10.0.0.12"
    "3" = "10.0.0.13"
  }
}

cluster "kubernetes" {
  version = var.version

  member "etcd" {
    for_each = local.hosts
    address  = each.value
  }
}

cluster "apps" {
  version      = var.version
  peer_port    = 12380
  client_port  = 12379
  metrics_port = 12381

  client "billing" {}

  member "etcd" {
    for_each = local.hosts
    address  = each.value
  }
}
