cluster "prod" {
  version = "3.6.16"
  member "etcd" {
    for_each = {}
    address  = each.value
  }
}
