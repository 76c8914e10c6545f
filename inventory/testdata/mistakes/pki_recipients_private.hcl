cluster "c1" {
  version = "3.6.16"
  pki {
    seal_to = "AGE-SECRET-KEY-1NOTAREALONE"
  }
  member "etcd-1" { address = "10.0.0.1" }
}
