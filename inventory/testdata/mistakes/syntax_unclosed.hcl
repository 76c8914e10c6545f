cluster "prod" {
  version = "3.6.16"
  member "etcd-1" { address = "10.0.0.11"
