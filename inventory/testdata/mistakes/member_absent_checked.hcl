cluster "prod" {
  version = "3.6.16"
  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" {
    address = "10.0.0.12"
    state   = "absent"
  }
  member "etcd-3" { address = "10.0.0.12" }
  member "etcd-2" {
    address = "127.0.0.1"
    state   = "absent"
  }
  member "etcd-4" {
    data_dir = "srv"
    state    = "absent"
  }
}
