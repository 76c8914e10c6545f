cluster "prod" {
  version = "3.6.16"
  member "a" { address = "10.0.0.11" }
}

cluster "prod" {
  version = "3.6.16"
  member "b" { address = "10.0.1.11" }
}
