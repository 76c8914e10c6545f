cluster "c1" {
  version = "3.6.16"
  snapshot {
    seal_to = "AGE-SECRET-KEY-1NOTAREALONE"
    max_age = "10s"
  }
  member "etcd-1" { address = "10.0.0.1" }
}
