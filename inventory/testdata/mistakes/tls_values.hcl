cluster "prod" {
  version = "3.6.16"
  tls {
    peers   = "off"
    clients = 0
    peer    = false
    http_client_port = "http"
  }
  tls {}
  clients = false
  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" { address = "10.0.0.13" }
}
