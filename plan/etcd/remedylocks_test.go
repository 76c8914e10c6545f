package etcd

import (
	"errors"
	"slices"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// ofLocks are runs that hold the lock on too few hosts: the same command, run again, holds it on the others too; and an
// inventory that has all members finds their hosts.
func ofLocks(t *testing.T, w Want) []dead {
	t.Helper()
	base := settled(t, w)
	held := []string{"etcd-1"}
	quorate := func(w Want, s facts.Snapshot) (*plan.Stage, error) {
		short := new(plan.NoMajority)
		if err := Quorate(w, s, held); errors.As(err, &short) {
			return nil, &plan.Refused{Refusals: short.Missing}
		}
		return nil, nil
	}
	again := func(w Want, s facts.Snapshot) (Want, facts.Snapshot) {
		held = s.Names()
		return w, s
	}
	five := wanted(t, 5)
	alone := w
	cluster := *w.Cluster
	cluster.Members = cluster.Members[:1]
	alone.Cluster = &cluster
	all := func(_ Want, s facts.Snapshot) (Want, facts.Snapshot) {
		w, _ := again(five, settled(t, five))
		return w, settled(t, five)
	}
	listed := base
	listed.Members = slices.Clone(settled(t, five).Members)
	return []dead{
		{name: "one of three hosts is locked", want: w, seen: base, next: quorate, follow: again},
		{name: "an inventory that lacks members", want: alone, seen: listed, next: quorate, follow: all},
	}
}
