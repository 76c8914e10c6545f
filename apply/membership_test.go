package apply

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
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

// The consent to replace a member is for the one that was lost: its successor is not removed by the same word, when its
// host goes dark.
func TestConsentIsUsedUp(t *testing.T) {
	inBubble(t, "replace", func(t *testing.T) {
		o := grown(t, 3)
		r := o.run("first")
		r.Want.Accept = []plan.Risk{
			plan.Downtime, plan.Replace("etcd-4"), plan.Bound(plan.Replace("etcd-4"), "a4"),
			plan.Replace("etcd-2"),
		}
		if _, err := r.Converge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := []plan.Risk{plan.Downtime, plan.Replace("etcd-2")}; !slices.Equal(r.Want.Accept, want) {
			t.Errorf("accepted is %q, want %q", r.Want.Accept, want)
		}
	})
}

// A member that was sent a snapshot is ready at the next entry: where nobody writes, another member is written to.
func TestStartIsStirred(t *testing.T) {
	inBubble(t, "idle", func(t *testing.T) {
		e := &told{status: func(string, time.Duration) (facts.Status, error) {
			return facts.Status{MemberID: 0xa4, Learner: true, Leader: 0xa1}, nil
		}}
		r := learning(t, e, "etcd-1")
		written := func() bool {
			e.mu.Lock()
			defer e.mu.Unlock()
			return len(e.wrote) > 0
		}
		r.Hosts["etcd-4"] = spoken(func(ctx context.Context, _ string) (string, error) {
			for !written() {
				select {
				case <-ctx.Done():
					return "", ctx.Err()
				case <-time.After(time.Second):
				}
			}
			return "", nil
		})
		err := r.do(t.Context(), plan.Step{Kind: plan.StartMember, Host: "etcd-4", Unit: "etcd-prod"})
		if took := time.Since(e.began); err != nil || took > 2*stirEvery || !slices.Equal(e.wrote, []string{"etcd-2"}) {
			t.Errorf("after %s: %v; written through %q", took, err, e.wrote)
		}
	})
}
