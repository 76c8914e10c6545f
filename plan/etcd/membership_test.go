package etcd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// grown is a settled cluster of so many members, and what was wanted then; the inventory has more by now, whose hosts are
// bare.
func grown(t *testing.T, from, to int) (Want, facts.Snapshot) {
	t.Helper()
	s := settled(t, wanted(t, from))
	w := wanted(t, to)
	for name, host := range bare(w).Hosts {
		if _, ok := s.Hosts[name]; !ok {
			s.Hosts[name] = host
		}
	}
	return w, s
}

// absent has members leave.
func absent(w Want, names ...string) Want {
	cluster := *w.Cluster
	cluster.Members = slices.Clone(cluster.Members)
	for i, m := range cluster.Members {
		cluster.Members[i].Absent = slices.Contains(names, m.Name)
	}
	w.Cluster = &cluster
	return w
}

// stepIDs are those of a plan.
func stepIDs(p plan.Plan) []string {
	var ids []string
	for _, stage := range p.Stages {
		ids = append(ids, "— "+stage.Name)
		for _, step := range stage.Steps {
			ids = append(ids, step.ID())
		}
	}
	return ids
}

func TestGrow(t *testing.T) {
	for _, c := range [][2]int{{1, 3}, {3, 5}, {5, 7}, {1, 7}} {
		w, s := grown(t, c[0], c[1])
		p := build(t, w, s)
		t.Log(strings.Join(stepIDs(p), "\n"))
	}
	w, s := grown(t, 3, 3)
	w = absent(w, "etcd-1")
	t.Log(strings.Join(stepIDs(build(t, w, s)), "\n"))
	w, s = grown(t, 3, 3)
	s = change(s, "etcd-1", wipe)
	w.Accept = []plan.Risk{plan.Replace("etcd-1")}
	t.Log(strings.Join(stepIDs(build(t, w, s)), "\n"))
	w, s = grown(t, 3, 4)
	w = absent(w, "etcd-1")
	t.Log(strings.Join(stepIDs(build(t, w, s)), "\n"))
}

// lawSettledMembers: in the end the list is the inventory, all of it voters; and hosts of members that have left are clean.
func lawSettledMembers(w Want, s facts.Snapshot) error {
	if len(s.Members) > 0 && len(s.Members) != len(w.Cluster.Present()) {
		return fmt.Errorf("settled: %d members are listed, %d are wanted", len(s.Members), len(w.Cluster.Present()))
	}
	for _, entry := range s.Members {
		if entry.Learner || entry.Name == "" {
			return fmt.Errorf("settled: member %s (%s) is a learner, or was never published", entry.ID, entry.Name)
		}
	}
	for _, m := range w.Cluster.Members {
		host := s.Hosts[m.Name]
		if m.Absent && (host.Process != nil || host.Data.WAL || len(host.Files[UnitPath(w.Cluster)].Content) > 0) {
			return fmt.Errorf("settled: the host of %s, which has left, is not clean", m.Name)
		}
	}
	return nil
}

// Every way from a change of who is a member: with a crash and another run at every point, and a member that dies, hangs,
// leads or loses its disk at any time.
func TestEveryWayOfMembers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from, to int
		absent   []string
		do       func(*facts.Snapshot)
		accept   []plan.Risk
	}{
		"one grows":          {from: 1, to: 3},
		"three grow":         {from: 3, to: 4},
		"one leaves":         {from: 3, to: 3, absent: []string{"etcd-1"}},
		"one for another":    {from: 3, to: 4, absent: []string{"etcd-2"}},
		"one of two leaves":  {from: 2, to: 2, absent: []string{"etcd-2"}},
		"one is wiped":       {from: 3, to: 3, do: func(s *facts.Snapshot) { *s = change(*s, "etcd-1", wipe) }, accept: []plan.Risk{plan.Replace("etcd-1")}},
		"a wiped one leaves": {from: 3, to: 3, do: func(s *facts.Snapshot) { *s = change(*s, "etcd-1", wipe) }, absent: []string{"etcd-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, s := grown(t, c.from, c.to)
			w = absent(w, c.absent...)
			w.Accept = append(c.accept, plan.Downtime)
			if c.do != nil {
				c.do(&s)
			}
			k := newWalker(t, w)
			k.everyWay(state{seen: s, token: "run-1", way: &way{what: name}}, 1)
			t.Logf("%d refused, at most %d stages to the end", k.refused, k.most.stages)
			var all walked
			all.add(0, k)
			var kinds []plan.Kind
			if len(c.absent) == 0 || c.from < c.to {
				kinds = append(kinds, plan.AddLearner, plan.PromoteMember)
			}
			if len(c.absent) > 0 {
				kinds = append(kinds, plan.RemoveMember, plan.RemoveFiles)
			}
			all.holds(t, 50, kinds...)
		})
	}
}
