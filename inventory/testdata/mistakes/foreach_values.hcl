cluster "prod" {
  version = "3.6.16"
  member "etcd" {
    for_each = { a = "10.0.0.11", b = "10.0.0.300", C = "10.0.0.13" }
    address  = each.value
  }
}
