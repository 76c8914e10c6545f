# Three members that become five, and three again. The cluster serves all the time: each new member catches up before it
# votes, and they join one after the other.
#
# The file begins with etcd-1, etcd-2 and etcd-3, without the two blocks at its end:
#
#   clusterup apply growing.hcl
#
# Then etcd-4 and etcd-5 are added, as below:
#
#   clusterup plan growing.hcl
#   clusterup apply growing.hcl
#   clusterup member list growing.hcl
#
# Clients are told of the two new addresses. On the way back, the command writes state = "absent" into a block:
#
#   clusterup member remove etcd-5 growing.hcl
#   clusterup member remove etcd-4 growing.hcl
#
# The two blocks can go when the plan says so.

cluster "growing" {
  version = "3.6.16"

  ssh {
    user = "ops"
    sudo = true
  }

  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" { address = "10.0.0.13" }

  member "etcd-4" { address = "10.0.0.14" }
  member "etcd-5" { address = "10.0.0.15" }
}
