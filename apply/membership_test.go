package apply

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/plan"
)

// grown is a cluster of n members whose inventory has come to have one more.
func grown(t *testing.T, n int) *world {
	t.Helper()
	o := newWorld(t, wanted(t, n+1))
	all := o.want.Cluster.Members
	added := all[n].Name
	bare := o.seen.Hosts[added]
	delete(o.seen.Hosts, added)
	o.want.Cluster.Members = all[:n]
	if _, err := o.run("zeroth").Converge(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.lead("etcd-1")
	o.want.Cluster.Members, o.seen.Hosts[added] = all, bare
	return o
}

// shrunk is a cluster of n+1 members of which the first, which leads, is to leave.
func shrunk(t *testing.T, n int) *world {
	t.Helper()
	o := newWorld(t, wanted(t, n+1))
	if _, err := o.run("zeroth").Converge(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.lead("etcd-1")
	o.want.Cluster.Members[0].Absent = true
	return o
}

// Members come and go in the order that keeps a quorum: one that comes has a vote last, and one that goes, first.
func TestGrowAndShrink(t *testing.T) {
	for name, test := range map[string]struct {
		scene func(t *testing.T, n int) *world
		order []string // of the kinds of steps that change the member list or a process
	}{
		"grow":   {grown, []string{"add-learner/etcd-4", "start-member/etcd-4", "promote-member/etcd-4"}},
		"shrink": {shrunk, []string{"move-leader/etcd-1", "remove-member/etcd-1", "stop-member/etcd-1", "move-aside/etcd-1"}},
	} {
		inBubble(t, name, func(t *testing.T) {
			o := test.scene(t, 3)
			r, done := followed(o, "first")
			if _, err := r.Converge(t.Context()); err != nil {
				t.Fatal(err)
			}
			var order []string
			for _, step := range done() {
				switch kind, _, _ := strings.Cut(step, "/"); plan.Kind(kind) {
				case plan.AddLearner, plan.PromoteMember, plan.RemoveMember, plan.MoveLeader, plan.StartMember,
					plan.RestartMember, plan.StopMember, plan.MoveAside:
					order = append(order, step)
				}
			}
			if !slices.Equal(order, test.order) {
				t.Errorf("steps %q, want %q", order, test.order)
			}
			for _, l := range o.seen.Members {
				if l.Learner || len(l.ClientURLs) == 0 {
					t.Errorf("a member that does not vote: %+v", l)
				}
			}
			settled(t, o, "second")
		})
	}
}
