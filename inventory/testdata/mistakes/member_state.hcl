cluster "prod" {
  version = "3.6.16"
  member "etcd-1" {
    address = "10.0.0.11"
    state   = "gone"
  }
  member "etcd-2" {
    address = "10.0.0.12"
    state   = false
  }
  member "etcd" {
    for_each = { a = "absent", b = "Absent", c = "present" }
    address  = "etcd-${each.key}.example.com"
    state    = each.value
  }
  member "etcd-3" {
    address = "10.0.0.13"
  }
}
