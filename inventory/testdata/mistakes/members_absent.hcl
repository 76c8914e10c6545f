cluster "prod" {
  version = "3.6.16"
  member "etcd-1" {
    address = "10.0.0.11"
    state   = "absent"
  }
  member "etcd" {
    for_each = { a = "10.0.0.12", b = "10.0.0.13" }
    address  = each.value
    state    = "absent"
  }
}
