package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/pool"
	"github.com/clusterup/clusterup/view"
)

func nodesOfFront() inventory.Balancer {
	return inventory.Balancer{
		Name: "front", Listens: []inventory.Listen{{Name: "write", Port: 5000, Check: inventory.CheckTCP}},
		Nodes: []inventory.Node{{Name: "lb-1"}, {Name: "lb-2", Absent: true}, {Name: "lb-3"}},
	}
}

// Reports are missed of the nodes that are to be in use.
func TestFollows(t *testing.T) {
	told := []pool.Told{{Node: "lb-1"}}
	f := follows(nodesOfFront(), pool.Wanted{}, told)
	if want := []string{"lb-1", "lb-3"}; !slices.Equal(f.Nodes, want) || len(f.Told) != 1 {
		t.Errorf("%+v, want the nodes %q", f, want)
	}
}

// Alerts are about nodes where there are some.
func TestMonitoringOfNodes(t *testing.T) {
	s, _ := withCAs(t, 1)
	if s.watched().Balanced {
		t.Error("nodes are watched that there are not")
	}
	b := nodesOfFront()
	s.Cluster.Balancers = []inventory.Balancer{b}
	if !s.watched().Balanced {
		t.Error("nodes are not watched")
	}
	b.Nodes = b.Nodes[1:2]
	s.Cluster.Balancers = []inventory.Balancer{b}
	if s.watched().Balanced {
		t.Error("a node is watched that is to be absent")
	}
}

// What a session plans for a node that was seen is what status and check tell of it, and one that is dark ends them as
// a dark member does. Whoever only observes is told neither.
func TestStatusOfNodes(t *testing.T) {
	a := newAging(t, "")
	a.want.Cluster.Balancers = []inventory.Balancer{nodesOfFront()}
	s := a.session
	s.Cluster = a.want.Cluster
	seen := a.seen
	seen.Nodes = map[string]facts.Node{
		"lb-1": {
			Machine:  facts.Machine{Name: "lb-1", Arch: "no-such", Systemd: 252},
			Software: map[string]facts.Package{"haproxy": {Candidate: "2.6.12-1"}},
		},
		"lb-2": {Machine: facts.Machine{Name: "lb-2", Arch: "no-such", Systemd: 252}},
		"lb-3": {Machine: facts.Machine{Name: "lb-3", Unreachable: "lb-3: connect: no route"}},
	}
	p, err := s.build(a.want, seen)
	refused := new(plan.Refused)
	if !errors.As(err, &refused) || !plan.GoesOn(err) {
		t.Fatalf("the plan ends with %v", err)
	}
	var lines []string
	for _, f := range s.looked(p, seen, refused).Check().Findings {
		lines = append(lines, f.Host+" "+f.Kind+" "+f.Balancer)
	}
	same(t, lines, "lb-3 unreachable front", "lb-1 refused front")
	if code := view.Advice(operator.Advice).ExitCode(s.unreached(seen)); code != view.ExitUnreachable {
		t.Errorf("exit code %d", code)
	}
	s.Observe(&operator.Observer{}, false)
	seen.Nodes = nil
	p, err = s.build(a.want, seen)
	if err != nil || strings.Contains(a.status(p, nil), "refused") || s.unreached(seen) != nil {
		t.Errorf("an observer is told of nodes: %v, %v", err, s.unreached(seen))
	}
}
