# An etcd outside of Kubernetes, for a control plane that kubeadm makes.
#
# After "clusterup apply", issue a pair for the API server and copy the three
# files to /etc/kubernetes/pki/ of every control plane node, the key with mode
# 0600:
#
#   clusterup cert issue --out ./apiserver kube-apiserver kubernetes-external.hcl
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
