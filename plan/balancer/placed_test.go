package balancer

import (
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// Where no program is at hand, nodes that run go on with the one that they have, and bare ones are refused.
func TestNoProgramAtHand(t *testing.T) {
	w := wanted(t, true, map[string]int{"front": 2})
	s := settled(t, w)
	w.Programs = nil
	if stage, err := Next(w, s); stage != nil || err != nil {
		t.Errorf("%v, %v, want nothing to do", stage, err)
	}
	_, err := Next(w, bare(t, w))
	for _, r := range plan.RefusalsOf(err) {
		if r.Kind != plan.Unsuitable {
			t.Errorf("%s", r)
		}
	}
	if len(plan.RefusalsOf(err)) != 2 {
		t.Errorf("%v, want a refusal for each", err)
	}
}

// Nodes stand as they were seen.
func TestStanding(t *testing.T) {
	w := wanted(t, true, map[string]int{"front": 1})
	for name, s := range map[string]facts.Snapshot{"settled": settled(t, w), "bare": bare(t, w)} {
		for _, n := range Nodes(w.Etcd.Cluster, s) {
			bare := name == "bare"
			if n.Bare != bare || n.Balancer != "front" || len(n.Units) != 2 || n.Units[0].Runs() == bare || n.Ends.IsZero() != bare {
				t.Errorf("%s: %+v", name, n)
			}
		}
	}
}
