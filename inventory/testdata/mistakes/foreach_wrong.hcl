cluster "prod" {
  version = "3.6.16"
  member "etcd" {
    for_each = 3
    address  = "10.0.0.1${each.key}"
  }
}
