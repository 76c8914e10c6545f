cluster "prod" {
  version = "3.6.16"
  release {
    sha256 = {
      x86_64 = "0000000000000000000000000000000000000000000000000000000000000000"
      arm64  = "deadbeef"
    }
  }
  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" { address = "10.0.0.13" }
}
