# A cluster that spoke http on port 2379, half way to TLS: peers speak https, clients may, on port 12379. Once all clients have moved,
# take http_client_port out. On a cluster that is made from this, both are there from the beginning.

cluster "prod" {
  version     = "3.6.16"
  client_port = 12379

  ssh { user = "root" }

  tls {
    http_client_port = 2379
  }

  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" { address = "10.0.0.13" }
}
