# Three members that become five, and three again. The cluster serves all the time: each new member catches up before it
# votes, and they join one after the other. docs/members.md explains each step, and has the other situations.
#
# The file begins with etcd-1, etcd-2 and etcd-3, without the two blocks at its end, and `clusterup apply growing.hcl`.
# Then etcd-4 and etcd-5 are added, as below. … stands for lines that are left out.
#
#   $ clusterup plan growing.hcl
#   Cluster growing, etcd 3.6.16:
#   …
#   2. add etcd-4 as a learner
#      one host; 3 of 3 voters serve; a learner has no vote
#   …
#   … promote etcd-4
#      one host; it has caught up; with it 4 of 4 voters serve, and a quorum is 3
#   …
#   … add etcd-5 as a learner
#      one host; 4 of 4 voters serve; a learner has no vote
#   …
#   … promote etcd-5
#      one host; it has caught up; with it 5 of 5 voters serve, and a quorum is 3
#   …
#   Plan: …
#   $ clusterup apply growing.hcl --yes
#   …
#   ── promote etcd-4 (1 step)
#      promote-member/etcd-4                  0.01s
#   …
#   ── add etcd-5 as a learner (1 step)
#      add-learner/etcd-5                     0.71s
#   …
#   ── promote etcd-5 (1 step)
#      promote-member/etcd-5                  0.01s
#   …
#      cluster growing (422b58313306ab22): 5 of 5 members serve, leader …
#   Endpoints for clients: https://10.0.0.11:2379,https://10.0.0.12:2379,…,https://10.0.0.15:2379
#   Done: …
#   $ clusterup member list growing.hcl
#   MEMBER  ID                CLASS    ROLE      PEER URLS
#   etcd-1  cac66358efb8a909  running  …         https://10.0.0.11:2380
#   etcd-2  78a4635be571688e  running  …         https://10.0.0.12:2380
#   etcd-3  808a6afea1b56596  running  …         https://10.0.0.13:2380
#   etcd-4  ee11cd79960930c4  running  …         https://10.0.0.14:2380
#   etcd-5  879bbf9aef74db3d  running  …         https://10.0.0.15:2380
#
# Clients are told of the two new addresses. On the way back, the command writes state = "absent" into a block:
#
#   $ clusterup member remove etcd-5 growing.hcl --yes
#   …
#   2. remove etcd-5 from the cluster
#   …
#   … clean the hosts of members that have left
#   …
#   With it, growing.hcl is changed: state of etcd-5 becomes "absent".
#   …
#   ── remove etcd-5 from the cluster (1 step)
#      remove-member/etcd-5                   0.03s
#   ── operator directory (4 steps)
#      revoke-leaf/peer/etcd-5/46022c1453de754dd6ec9b748e97c138   0.01s
#      revoke-leaf/server/etcd-5/749e7cbadc5a3af2982760e53eddb44c   0.01s
#      list-revoked/peer                      0.01s
#      list-revoked/client                    0.01s
#   …
#   ── clean the hosts of members that have left (3 steps)
#      stop-member/etcd-5                     0.17s
#      move-aside/etcd-5                      0.01s
#      remove-files/etcd-5                    0.26s
#   ── verify
#      cluster growing (422b58313306ab22): 4 of 4 members serve, leader …
#   …
#
# One more, since four members are no safer than three:
#
#   $ clusterup member remove etcd-4 growing.hcl --yes
#   …
#      cluster growing (422b58313306ab22): 3 of 3 members serve, leader …
#   Endpoints for clients: https://10.0.0.11:2379,https://10.0.0.12:2379,https://10.0.0.13:2379
#   …
#   $ clusterup plan growing.hcl
#   note: etcd-4 has left the cluster, and its host is clean: its block can be taken out of the inventory
#   note: etcd-5 has left the cluster, and its host is clean: its block can be taken out of the inventory
#   Cluster growing: nothing to do now.
#
# Now the two blocks can go.

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
