# clusterup: the releases this cluster was given; keep it in version control

release "3.5.35" {
  arm64 = "2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6"
}

release "3.6.16" {
  amd64   = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
  ppc64le = "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"
}

release "3.7.0-rc.1" {
  amd64 = "18ac3e7343f016890c510e93f935261169d9e3f565436429830faf0934f4f8e4"
}
