cluster "c1" {
  version = "3.6.16"
  pki {
    seal_to = [
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII/jo9y8Jl411EogMd4fgrzd",
      "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQCllDviugt9icr20Lp3POv382hhcfls2L5lTBAdf8mRTPg/209mqjHPv7Vw+QnzBbGj+/jmD0Mtaa0oGcvW37zdgdbyNC/usi4Hqrqt4RXfgcVy4Kz5ATlW9NuIoaQgKyWrwgjOyQrn3M/b+LUmyA8QbfO+8LbHUfDCtprSdt5A22ec1PEE084v76CXtga43sdTe8NhKLUVXkbRLFjDpuzG/S8rZdKachU8xYFRYogJQ4eAOrBUqojsDp/Py/b2yVlqhaQMPw5NFgAuNagBB85wlqNXH1CB09BVqWSNvmhnIUViy/W3Qm2zVWcPrrt9jmvt08k0ie6kud8NuBtEiSdtFDLlUHCAAoJewzcO0GKpp6WEO0vajNavzKlZc4huV2YWqp9Sc1pLfknWBiPbWFTBCTKHN//v7OWyf5UbxNzZQ2+Wc37b8qn3Lat9o0YjooPVT3+RStp0X22ztrruQ203xuymwdHfdNI7OJoQOML9KS2mM",
      "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDumZTobDPIpzgq1vJbhBzuy5iCfyzLZ24/uGCMh8xkfQhKAnzMXNijtTx9BLQbBGtHhTUhPiT6l2VSLmp+N6Qwvd/dFRkihNBJ1I3T2xlcZ2l3LyADwy2T0ZaOytq56GizpUnePk8S2OIZr5Fmd0LHjZL7SxgFCNbPsglBXGKWvQ== old",
      "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBPRMjSN1A9wpHNOw2gJAE6UB8ZWAUW1tku5uZHUQzFIMTtL3jhXhTJdFyJZlZXIb/qj0cnTzdIs/skktINiUh2o= ops@laptop",
      "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t ops",
      "age1s946mw03snd5t2t76vkslxm80mlvf46y7nungpuk2pvjv24w6ajq9gykuq",
      "age1s946mw03snd5t2t76vkslxm80mlvf46y7nungpuk2pvjv24w6a",
      "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t",
      "ops@laptop",
      file("pki_recipients.hcl"),
      "",
      5,
    ]
  }
  member "etcd-1" { address = "10.0.0.1" }
}
