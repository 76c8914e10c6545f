cluster:
  name: prod
  version: 3.6.16
