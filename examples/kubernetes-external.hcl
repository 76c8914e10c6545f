# An etcd outside of Kubernetes, for a control plane that kubeadm makes.
#
# After "clusterup apply", make a pair for the API server with the client CA,
# whose key lies in the operator directory beside this file:
#
#   umask 077
#   ca=.clusterup/kubernetes/ca/client-1
#   openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
#     -subj /CN=kube-apiserver -keyout client.key -out client.csr
#   printf 'extendedKeyUsage=clientAuth\n' > client.ext
#   openssl x509 -req -in client.csr -CA $ca.pem -CAkey $ca.key -days 365 \
#     -set_serial 0x$(openssl rand -hex 16) -extfile client.ext -out client.crt
#
# Copy three files to every control plane node, the key with mode 0600:
#
#   $ca.pem     /etc/kubernetes/pki/etcd/ca.crt
#   client.crt  /etc/kubernetes/pki/apiserver-etcd-client.crt
#   client.key  /etc/kubernetes/pki/apiserver-etcd-client.key
#
# Then give kubeadm this file, "kubeadm init --config kubeadm.yaml":
#
#   apiVersion: kubeadm.k8s.io/v1beta4
#   kind: ClusterConfiguration
#   etcd:
#     external:
#       endpoints:
#         - https://10.0.0.11:2379
#         - https://10.0.0.12:2379
#         - https://10.0.0.13:2379
#       caFile: /etc/kubernetes/pki/etcd/ca.crt
#       certFile: /etc/kubernetes/pki/apiserver-etcd-client.crt
#       keyFile: /etc/kubernetes/pki/apiserver-etcd-client.key

cluster "kubernetes" {
  version = "3.6.16"

  ssh {
    user = "ops"
    sudo = true
  }

  # The API server compacts every five minutes on its own.
  etcd {
    quota_backend_bytes = "8GiB"
    auto_compaction     = "1h"
  }

  client "kube-apiserver" {}

  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" { address = "10.0.0.13" }
}
