cluster {
  version = "3.6.16"
}
