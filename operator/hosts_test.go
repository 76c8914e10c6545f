package operator

import (
	"errors"
	"slices"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// Nodes that could not be looked at are named beside members, and a host that is both is named once. A node that nobody
// was to look at is none of them.
func TestUnreachedNodes(t *testing.T) {
	dark := func(name string) facts.Machine {
		return facts.Machine{Name: name, Unreachable: name + ": connect: no route"}
	}
	s := &Session{Cluster: &inventory.Cluster{
		Members: []inventory.Member{{Name: "etcd-1"}, {Name: "etcd-2"}},
		Balancers: []inventory.Balancer{
			{Name: "front", Nodes: []inventory.Node{{Name: "etcd-1"}, {Name: "lb-1"}, {Name: "lb-2"}, {Name: "lb-3"}}},
		},
	}}
	seen := facts.Snapshot{
		Hosts: map[string]facts.Host{
			"etcd-1": {Machine: dark("etcd-1")}, "etcd-2": {Machine: facts.Machine{Name: "etcd-2"}},
		},
		Nodes: map[string]facts.Node{
			"etcd-1": {Machine: dark("etcd-1")}, "lb-1": {Machine: dark("lb-1")}, "lb-2": {Machine: facts.Machine{Name: "lb-2"}},
		},
	}
	var refused *plan.Refused
	if err := s.Unreached(seen); !errors.As(err, &refused) || !refused.Only(plan.Unreachable) {
		t.Fatalf("%v", err)
	}
	var names []string
	for _, r := range refused.Refusals {
		names = append(names, r.Host+": "+r.Reason)
	}
	if want := []string{"etcd-1: connect: no route", "lb-1: connect: no route"}; !slices.Equal(names, want) {
		t.Errorf("named %q, want %q", names, want)
	}
	if err := s.Unreached(facts.Snapshot{}); err != nil {
		t.Errorf("nobody has looked, and it says %v", err)
	}
}
