package etcd

import (
	"testing"

	"github.com/clusterup/clusterup/facts"
)

// One process on one port is told once, however many addresses it listens on.
func TestAPortTakenOnTwoAddresses(t *testing.T) {
	w := wanted(t, 3)
	s := change(bare(w), "etcd-2", func(h *facts.Host) {
		for _, address := range []string{"127.0.0.1", "10.0.0.12"} {
			h.Sockets = append(h.Sockets, facts.Socket{Address: address, Port: 2379, PID: 7, Process: "etcd"})
		}
		h.Sockets = append(h.Sockets, facts.Socket{Address: "10.0.0.12", Port: 2380, PID: 7, Process: "etcd"})
	})
	v := newView(w, s)
	if found := v.ports(w.Cluster.Members[1], s.Hosts["etcd-2"]); len(found) != 2 || found[0] == found[1] {
		t.Errorf("refused as %v", found)
	}
}
