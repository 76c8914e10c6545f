# The least that is needed: one etcd on one host, reached as the current user
# with the keys of the SSH agent.

cluster "minimal" {
  version = "3.6.16"

  member "etcd-1" { address = "192.0.2.11" }
}
