# Five members from one block. With for_each, a member is named LABEL-KEY, here
# etcd-a to etcd-e, unless a name attribute says otherwise.

variable "network" {
  type        = string
  default     = "2001:db8:0:e7cd::/64"
  description = "The network that the members live in."
}

locals {
  zones = ["a", "b", "c", "d", "e"]
}

cluster "five" {
  version = "3.6.16"

  # The members are far apart: the heartbeat is about the longest round trip
  # between two of them, the election timeout ten times that.
  etcd {
    heartbeat_interval = "150ms"
    election_timeout   = "1500ms"
  }

  member "etcd" {
    for_each = { for n, zone in local.zones : zone => n + 11 }
    address  = cidrhost(var.network, each.value)
    names    = ["etcd-${each.key}.example.com"]
  }
}
