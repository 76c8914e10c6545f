cluster "prod" {
  version = "3.6.16"
  etcd {
    flags = {
      data-dir           = "/srv/etcd"
      heartbeat-interval = 200
      trusted-ca-file    = "/etc/ca.pem"
      initial-cluster    = "a=https://10.0.0.1:2380"
      discovery-srv      = "example.com"
      force-new-cluster  = true
      config-file        = "/etc/etcd.yml"
    }
  }
  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" { address = "10.0.0.13" }
}
