cluster "prod" {
  version = "3.6.16"
  member "etcd" {
    for_each = ["10.0.0.11", "10.0.0.12", "10.0.0.13"]
    address  = each.value
  }
}
