cluster "prod" {
  version = "3.6.16"
  member "etcd" {
    for_each = { for n in range(9) : format("%02d", n) => n }
    address  = cidrhost("10.0.0.0/24", each.value + 10)
  }
}
