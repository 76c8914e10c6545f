package etcd

import (
	"errors"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// A certificate is revoked and the list signed, whichever hosts are dark, also when that was cut short before: no host
// is needed for it.
func TestRevokeInTheDark(t *testing.T) {
	w := wanted(t, 3)
	lit := settled(t, w)
	lit.Operator.Clients = []facts.Client{{Name: "app", Serial: "ab", Generation: 1}}
	for dark := range 4 {
		s := lit
		for _, name := range []string{"etcd-1", "etcd-2", "etcd-3"}[:dark] {
			s = change(s, name, func(h *facts.Host) {
				*h = facts.Host{Machine: facts.Machine{Name: name, Unreachable: "no route"}}
			})
		}
		if dark == 3 {
			s.Members, s.Cluster = nil, 0
		}
		revoked := Revoke(w, s.Operator.Clients)
		stage, err := Next(revoked, s)
		if err != nil || stage == nil || len(stage.Steps) != 2 || stage.Steps[0].Kind != plan.RevokeClient ||
			stage.Steps[1].Kind != plan.ListRevoked {
			t.Fatalf("%d dark: %+v, %v", dark, stage, err)
		}
		cut := *stage
		cut.Steps = cut.Steps[:1]
		if stage, err := Next(revoked, Simulate(w, s, cut)); err != nil || stage == nil ||
			stage.Steps[0].Kind != plan.ListRevoked {
			t.Errorf("%d dark, cut short: %+v, %v", dark, stage, err)
		}
		var refused *plan.Refused
		if _, err := Build(revoked, s); dark > 0 && (!errors.As(err, &refused) || !refused.Only(plan.Unreachable)) {
			t.Errorf("%d dark: ends with %v", dark, err)
		}
	}
}

// With a host dark, nothing is made for a cluster of which it is not known whether it is there.
func TestNothingIsMadeInTheDark(t *testing.T) {
	w := wanted(t, 3)
	s := change(bare(w), "etcd-2", func(h *facts.Host) {
		*h = facts.Host{Machine: facts.Machine{Name: "etcd-2", Unreachable: "no route"}}
	})
	if stage, err := Next(w, s); stage != nil || err == nil {
		t.Errorf("%+v, %v", stage, err)
	}
}
