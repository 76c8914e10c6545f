package etcd

import (
	"errors"
	"slices"
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
	if err != nil {
		t.Fatal(err)
	}
	destroys(t, p, plan.MoveAside, "etcd-1", "etcd-2")
}

// destroys checks that a plan stops the members on some hosts, does with their data what is wanted, and removes their
// files; and that it has no step on another host.
func destroys(t *testing.T, p plan.Plan, data plan.Kind, hosts ...string) {
	t.Helper()
	done := map[string]bool{}
	for _, stage := range p.Stages {
		for _, step := range stage.Steps {
			done[step.ID()] = true
			if !slices.Contains(hosts, step.Host) {
				t.Errorf("%s", step.ID())
			}
		}
	}
	for _, host := range hosts {
		for _, kind := range []plan.Kind{plan.StopMember, data, plan.RemoveFiles} {
			if step := (plan.Step{Kind: kind, Host: host}); !done[step.ID()] {
				t.Errorf("no %s", step.ID())
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
	if err != nil {
		t.Fatal(err)
	}
	destroys(t, p, plan.PurgeData, s.Names()...)
}
