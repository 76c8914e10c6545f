cluster "prod" {
  version = "3.6.16"
  auth {
    user "root" { password_env = "ROOT" }
    user "a" { password = "correct horse" }
    user "b" {
      password_file = "b.password"
      password_env  = "B"
    }
    user "c" { password_env = "not a name" }
    user "d" { password_command = [] }
    user "e" { password_comand = ["pass", "e"] }
  }
  etcd {
    flags = { "auth-token" = "simple", "auth-token-ttl" = 60 }
  }
  member "etcd-1" { address = "10.0.0.11" }
}
