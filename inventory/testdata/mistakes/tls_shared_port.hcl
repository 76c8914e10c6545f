cluster "one" {
  version = "3.6.16"
  tls { http_client_port = 12379 }
  member "a" { address = "10.0.0.11" }
}
cluster "two" {
  version      = "3.6.16"
  peer_port    = 12380
  client_port  = 12379
  metrics_port = 0

  tls { http_client_port = 2381 }
  member "b" { address = "10.0.0.11" }
}
