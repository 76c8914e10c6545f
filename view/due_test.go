package view

import (
	"slices"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/plan/trust"
)

// A client that a rotation has left behind is told of with the one certificate to revoke where nobody uses it.
func TestClientLeftBehind(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	cert := func(serial string, generation int) facts.Client {
		return facts.Client{Name: "app", Serial: serial, Generation: generation, NotAfter: now.AddDate(0, 1, 0)}
	}
	for want, clients := range map[string][]facts.Client{
		"app": {cert("b", 2)},
		"b":   {cert("a", 1), cert("b", 2)},
	} {
		s := trust.State{Seen: facts.Snapshot{Taken: now, Operator: facts.Operator{
			CAs: []facts.CA{
				{Role: "client", Generation: 1, PEM: []byte("one")},
				{Role: "client", Generation: 2, PEM: []byte("two"), Retired: true},
			},
			Clients: clients,
		}}}
		look := Look{Want: etcd.Want{Cluster: &inventory.Cluster{}}, File: "prod.hcl"}
		if found := look.refusedClients(s); !slices.Equal(found, []Finding{{
			Kind: "client", Text: "client app: its newest certificate is of client CA 2, which is retired",
			Do: "clusterup cert issue app prod.hcl --out DIR --renew; or, where nobody uses it, clusterup cert revoke " + want +
				" prod.hcl",
		}}) {
			t.Errorf("%s: %+v", want, found)
		}
	}
}
