package etcd

import (
	"errors"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// A host that cannot be looked at keeps a cluster from being destroyed, until the operator leaves it out by name; then
// nothing is done there.
func TestDestroyDark(t *testing.T) {
	w := wanted(t, 3)
	s := change(settled(t, w), "etcd-3",
		func(h *facts.Host) { *h = facts.Host{Machine: facts.Machine{Name: "etcd-3", Unreachable: "no route"}} })
	for name, accepted := range map[string][]plan.Risk{"nothing": nil, "another host": {plan.Gone("etcd-2")}} {
		w.Accept = accepted
		p, err := BuildWith(NextDestroy(false), w, s)
		var refused *plan.Refused
		if !errors.As(err, &refused) || !refused.Only(plan.Unreachable) || refused.Refusals[0].Host != "etcd-3" ||
			!p.Empty() {
			t.Errorf("accepted %s: %d stages, %v", name, len(p.Stages), err)
		}
	}
	w.Accept = []plan.Risk{plan.Gone("etcd-3")}
	p, err := BuildWith(NextDestroy(false), w, s)
	if err != nil || len(p.Stages) != 3 {
		t.Fatalf("accepted: %d stages, %v", len(p.Stages), err)
	}
	for _, stage := range p.Stages {
		for _, step := range stage.Steps {
			if step.Host == "etcd-3" {
				t.Errorf("%s on the dark host", step.ID())
			}
		}
	}
}

// A member that could not be asked is destroyed all the same: its host answers.
func TestDestroyUnasked(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	for _, name := range s.Names() {
		s = change(s, name, func(h *facts.Host) { h.Unasked, h.Etcd, h.Reads = "no forwarding", nil, false })
	}
	s.Members = nil
	p, err := BuildWith(NextDestroy(true), w, s)
	if err != nil || len(p.Stages) != 3 || len(p.Stages[2].Steps) != 3 {
		t.Errorf("%d stages, %v", len(p.Stages), err)
	}
}
