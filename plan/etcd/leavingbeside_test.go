package etcd

import (
	"fmt"
	"testing"

	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/trust"
)

// without has a member leave with a change.
func without(name string, change func(*Want)) func(*Want) {
	return func(w *Want) {
		if change != nil {
			cluster := *w.Cluster
			w.Cluster = &cluster
			change(w)
		}
		*w = absent(*w, name)
	}
}

// Members leave while something else of the cluster changes: a flag, its CAs, TLS between peers. The run may be cut
// anywhere, and a fault happens at some of the points.
func TestLeavingBesideChanges(t *testing.T) {
	var all walked
	t.Run("walk", func(t *testing.T) {
		for _, o := range []operation{
			{name: "flags, a follower leaves", change: without("etcd-3", flagged)},
			{name: "flags, the leader leaves", change: without("etcd-1", flagged)},
			{name: "leaves, a follower leaves", change: without("etcd-2", nil), wish: RotateCerts},
			{name: "both CAs, a follower leaves", change: without("etcd-3", nil), wish: rotateCA("", trust.Roles...)},
			{name: "peer CA, the leader leaves", change: without("etcd-1", nil), wish: rotateCA("", "peer")},
			{
				name: "client CA held, a follower leaves", change: without("etcd-2", nil),
				wish: rotateCA(trust.HoldTrust, "client"),
			},
			{name: "TLS between peers, a follower leaves", was: plainly, change: without("etcd-3", securely)},
			{name: "TLS between peers, the leader leaves", was: plainly, change: without("etcd-1", securely)},
		} {
			o.from, o.to, o.begin = "3.6.16", "3.6.16", watched
			sizes := []int{3}
			if o.wish == nil { // which has fewer states
				sizes = []int{3, 4}
			}
			for _, n := range sizes {
				t.Run(fmt.Sprintf("%s/%d", o.name, n), func(t *testing.T) {
					t.Parallel()
					_, w, s := o.start(t, n)
					r := &roller{walker: newWalker(t, w), seen: map[string]bool{}, coarse: true, one: 16}
					faults := 1
					if raced {
						faults = 0
					}
					r.walk(rolled{state{seen: s, token: "run-1", way: &way{what: o.name}}, faults, false})
					t.Logf("%d states, %d refused", len(r.decided), r.refused)
					all.add(0, r.walker)
				})
			}
		}
	})
	all.holds(t, 100, plan.RemoveMember, plan.RemoveFiles, plan.MoveLeader, plan.RestartMember, plan.RetireCA,
		plan.UpdateMember)
}
