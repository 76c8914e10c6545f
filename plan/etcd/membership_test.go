package etcd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// grown is a settled cluster of so many members, and what was wanted then; the inventory has more by now, whose hosts
// are bare.
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

// memberChanges are changes of who is a member, of which golden files show the plans.
var memberChanges = []struct {
	name     string
	from, to int
	absent   []string
	do       func(facts.Snapshot) facts.Snapshot
	accept   []plan.Risk
	bound    string // which is to be replaced by a consent that names its ID
}{
	{name: "one to three", from: 1, to: 3},
	{name: "three to five", from: 3, to: 5},
	{name: "the leader leaves", from: 3, to: 3, absent: []string{"etcd-1"}},
	{name: "one for another", from: 3, to: 4, absent: []string{"etcd-2"}},
	{
		name: "wiped and replaced", from: 3, to: 3, accept: []plan.Risk{plan.Replace("etcd-2")},
		do: func(s facts.Snapshot) facts.Snapshot { return change(s, "etcd-2", wipe) },
	},
	{
		name: "two of five dark, one of them replaced", from: 5, to: 5, bound: "etcd-2",
		do: func(s facts.Snapshot) facts.Snapshot { return change(change(s, "etcd-2", darkly), "etcd-4", darkly) },
	},
}

// changed is a cluster whose members are to change, with the inventory in its order or turned round.
func changed(t *testing.T, i int, turned bool) (Want, facts.Snapshot) {
	t.Helper()
	c := memberChanges[i]
	was, w := wanted(t, c.from), wanted(t, c.to)
	if turned {
		slices.Reverse(was.Cluster.Members)
		slices.Reverse(w.Cluster.Members)
	}
	s := settled(t, was)
	if turned {
		slices.Reverse(s.Members)
	}
	s = lead(s, s.Hosts["etcd-1"].Data.MemberID)
	for name, host := range bare(w).Hosts {
		if _, ok := s.Hosts[name]; !ok {
			s.Hosts[name] = host
		}
	}
	if c.do != nil {
		s = c.do(s)
	}
	w = absent(w, c.absent...)
	w.Accept = c.accept
	if c.bound != "" {
		w.Accept = []plan.Risk{boundTo(s, c.bound)}
	}
	return w, s
}

// Golden files show people how members come, go and are replaced.
func TestMembersGolden(t *testing.T) {
	for i, c := range memberChanges {
		t.Run(c.name, func(t *testing.T) {
			w, s := changed(t, i, false)
			p, err := Build(w, s)
			var b strings.Builder
			for i, stage := range p.Stages {
				fmt.Fprintf(&b, "%2d. %s: %s\n", i+1, stage.Name, stage.Gate)
				for _, step := range stage.Steps {
					fmt.Fprintf(&b, "    %s: %s\n", step.ID(), step.Why)
				}
			}
			for _, note := range p.Notes {
				fmt.Fprintf(&b, "note: %s\n", note)
			}
			for _, wait := range p.Waits {
				fmt.Fprintf(&b, "waits: %s\n", wait)
			}
			if err != nil {
				fmt.Fprintf(&b, "end: %v\n", err)
			}
			golden(t, "members-"+strings.NewReplacer(" ", "-", ",", "").Replace(c.name)+".txt", b.String())
		})
	}
}

// The order of members in the inventory, and in the list, changes the order of what is done, and not what is done.
func TestMembersInAnyOrder(t *testing.T) {
	does := func(i int, turned bool) (steps []string, end error) {
		w, s := changed(t, i, turned)
		p, err := Build(w, s)
		for _, stage := range p.Stages {
			for _, step := range stage.Steps {
				steps = append(steps, step.ID())
			}
		}
		slices.Sort(steps)
		return slices.Compact(steps), err // the unit of one that has joined is written again for each that comes later
	}
	for i, c := range memberChanges {
		one, err := does(i, false)
		other, errTurned := does(i, true)
		if !slices.Equal(one, other) || (err == nil) != (errTurned == nil) {
			t.Errorf("%s:\n%v, %v\nturned round:\n%v, %v", c.name, one, err, other, errTurned)
		}
	}
}

// lawSettledMembers: in the end the list is the inventory, all of it voters; and hosts of members that have left are
// clean.
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

// Every way from a change of who is a member: with a crash and another run at every point, and a member that dies,
// hangs, leads or loses its disk at any time.
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

// Every way from a change of where a member is.
func TestEveryWayOfMoves(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do    func(*inventory.Member)
		kinds []plan.Kind
	}{
		"another address": {
			do: func(m *inventory.Member) {
				m.Address, m.PeerAddress, m.ClientAddress = "10.0.0.99", "10.0.0.99", "10.0.0.99"
			},
			kinds: []plan.Kind{plan.UpdateMember, plan.RestartMember},
		},
		"another address of peers": {
			do:    func(m *inventory.Member) { m.PeerAddress = "10.0.0.99" },
			kinds: []plan.Kind{plan.UpdateMember, plan.RestartMember},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, s := grown(t, 3, 3)
			w.Cluster = withMembers(w.Cluster, func(m *inventory.Member) {
				if m.Name == "etcd-2" {
					c.do(m)
				}
			})
			w.Accept = []plan.Risk{plan.Downtime}
			k := newWalker(t, w)
			k.everyWay(state{seen: s, token: "run-1", way: &way{what: name}}, 1)
			var all walked
			all.add(0, k)
			all.holds(t, 20, c.kinds...)
		})
	}
}
