package etcd

import (
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// Whatever depends on who leads waits while members that were asked during an election do not name the same leader: a
// snapshot before another minor version, the downgrade, the order of restarts.
func TestTornStatuses(t *testing.T) {
	w := at(wanted(t, 3), "3.6.16")
	s := settled(t, w)
	first := func(w Want, s facts.Snapshot) plan.Step {
		t.Helper()
		stage, err := Next(w, s)
		if err != nil || stage == nil {
			t.Fatalf("%s, %v", said(stage), err)
		}
		return stage.Steps[0]
	}
	flags := w
	cluster := *w.Cluster
	flags.Cluster = &cluster
	flagged(&flags)
	down := at(w, "3.5.35")
	down.Accept = plan.Risks()
	for what, seen := range torn(w, s) {
		for name, wants := range map[string]Want{"up": at(w, "3.7.3"), "down": down, "flags": flags} {
			seen := seen
			for _, m := range wants.Cluster.Members { // what a stage before would put there
				seen = change(seen, m.Name, func(h *facts.Host) {
					for _, r := range wants.Releases {
						simulateRelease(h, r)
					}
				})
			}
			seen.Operator.Pinned = map[string]string{}
			for pin, r := range wants.Releases {
				seen.Operator.Pinned[pin] = r.SHA256
			}
			// of one that knows no leader
			if step := first(wants, seen); step.Kind != plan.AwaitLeader && step.Kind != plan.AwaitMember {
				t.Errorf("%s, %s: first %s, want await-leader", name, what, step.ID())
			}
			whole := lead(seen, seen.Hosts["etcd-2"].Data.MemberID)
			if step := first(wants, whole); step.Kind == plan.AwaitLeader {
				t.Errorf("%s: waits for a leader that there is", name)
			}
		}
	}
}

// A member that claims to have applied far more than the others makes none of them lag, and hides none that does.
func TestLag(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	applied := func(s facts.Snapshot, name string, n uint64) facts.Snapshot {
		return change(s, name, func(h *facts.Host) { status := *h.Etcd; status.Applied = n; h.Etcd = &status })
	}
	liar := applied(s, "etcd-3", 1<<60)
	behind := applied(applied(s, "etcd-1", 90000), "etcd-2", 90000)
	foreign := change(applied(behind, "etcd-2", 0), "etcd-1",
		func(h *facts.Host) { status := *h.Etcd; status.ClusterID = 7; h.Etcd = &status })
	for name, test := range map[string]struct {
		s      facts.Snapshot
		serves []bool
	}{
		"liar": {liar, []bool{true, true, true}}, "one behind": {behind, []bool{true, true, false}},
		"foreign": {foreign, []bool{false, true, true}},
	} {
		v := newView(w, test.s)
		for i, m := range w.Cluster.Members {
			if got := v.serves(test.s.Hosts[m.Name]); got != test.serves[i] {
				t.Errorf("%s: %s serves: %v", name, m.Name, got)
			}
		}
	}
}
