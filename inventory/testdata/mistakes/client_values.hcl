cluster "c1" {
  version = "3.6.16"
  client "app" {
    user         = "my app"
    organization = ""
    lifetime     = "5s"
  }
  client "ci" {
    lifetime = "10y"
  }
  client "web" {
    names = ["web.example.com"]
  }
  client "patroni" {
    user        = "patroni"
    common_name = false
  }
  member "etcd-1" { address = "10.0.0.1" }
}
