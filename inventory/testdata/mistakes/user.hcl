cluster "prod" {
  version = "3.6.16"
  user    = "Etcd Prod"
  member "etcd-1" { address = "10.0.0.11" }
}

cluster "a-name-that-leaves-no-room" {
  version = "3.6.16"
  member "etcd-1" { address = "10.0.0.12" }
}

cluster "a-name-that-leaves-too-little" {
  version = "3.6.16"
  member "etcd-1" { address = "10.0.0.14" }
}

cluster "super" {
  version = "3.6.16"
  user    = "root"
  member "etcd-1" { address = "10.0.0.13" }
}
