package etcd

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// memberList is a member list of the first n hosts.
func memberList(w Want, n int) []facts.Listed {
	var list []facts.Listed
	for i, m := range w.Cluster.Members[:n] {
		list = append(list, facts.Listed{
			ID: facts.ID(i + 1), Name: m.Name,
			PeerURLs: []string{urlOf(true, m.PeerAddress, 2380)},
		})
	}
	return list
}

// operator is one of those who may change the cluster: the inventory, and a member list as it was seen, nil where none
// runs.
type operator struct {
	want Want
	list []facts.Listed
	unit string // --initial-cluster of every unit; empty: there is no cluster yet
}

// sees is a look that reaches some of the inventory's hosts, by bits. Units lie on the first n.
func (o operator) sees(reached uint, n int) (facts.Snapshot, []string) {
	s, held := bare(o.want), []string{}
	for i, m := range o.want.Cluster.Members {
		if reached&(1<<i) == 0 {
			s.Hosts[m.Name] = facts.Host{Machine: facts.Machine{Name: m.Name, Unreachable: "no answer"}}
			continue
		}
		held = append(held, m.Name)
		if o.unit == "" || i >= n {
			continue
		}
		born := units.Birth(ConfigDir(o.want.Cluster),
			units.Born{Cluster: "prod", ClusterID: "abc", MemberID: "1", Member: m.Name, Token: "token"})
		unit := fmt.Sprintf("[Service]\nExecStart=/opt/etcd --name=%s --data-dir=%s --initial-cluster=%s\n", m.Name,
			m.DataDir, o.unit)
		s.Hosts[m.Name].Files[born.Path] = facts.File{Kind: facts.Regular, Content: born.Data}
		s.Hosts[m.Name].Files[UnitPath(o.want.Cluster)] = facts.File{Kind: facts.Regular, Content: []byte(unit)}
	}
	if len(held) > 0 {
		s.Members = o.list
	}
	return s, held
}

// gets are the sets of hosts with which an operator gets in.
func (o operator) gets(t *testing.T, n int) [][]string {
	t.Helper()
	var in [][]string
	for reached := range uint(1) << len(o.want.Cluster.Members) {
		s, held := o.sees(reached, n)
		err := Quorate(o.want, s, held)
		if err == nil {
			in = append(in, held)
		} else if short := new(plan.NoMajority); !errors.As(err, &short) || short.Held >= short.Need ||
			len(short.Missing) == 0 {
			t.Fatalf("held %v: %v", held, err)
		}
	}
	if len(in) == 0 {
		t.Error("nobody ever gets in")
	}
	return in
}

// Two operators of one cluster never both get in, whichever hosts each reaches, and whatever their inventories say (law
// 14): one inventory has two more members, and the lists that they see may differ by a member that comes or goes.
func TestNeverBoth(t *testing.T) {
	small, large := wanted(t, 3), wanted(t, 5)
	flags := func(n int) string {
		var peers []string
		for _, m := range memberList(large, n) {
			peers = append(peers, m.Name+"="+m.PeerURLs[0])
		}
		return strings.Join(peers, ",")
	}
	type pair struct{ a, b operator }
	pairs := map[string]pair{"no cluster": {operator{want: small}, operator{want: large}}}
	for n := 3; n <= 5; n++ {
		for seen := max(3, n-1); seen <= min(5, n+1); seen++ {
			pairs[fmt.Sprintf("a list of %d, and one of %d", n, seen)] = pair{
				operator{small, memberList(large, n), flags(3)}, operator{large, memberList(large, seen), flags(3)},
			}
		}
		pairs[fmt.Sprintf("nothing runs, the units name %d", n)] = pair{
			operator{small, nil, flags(n)},
			operator{large, nil, flags(n)},
		}
		pairs[fmt.Sprintf("one sees a list of %d", n)] = pair{
			operator{small, memberList(large, n), flags(n)},
			operator{large, nil, flags(n)},
		}
	}
	for name, two := range pairs {
		t.Run(name, func(t *testing.T) {
			n := 3
			if len(two.a.list) == 5 || strings.Count(two.a.unit, "=") == 5 {
				n = 5
			}
			for _, one := range two.a.gets(t, n) {
				for _, other := range two.b.gets(t, n) {
					if !slices.ContainsFunc(one, func(host string) bool { return slices.Contains(other, host) }) {
						t.Errorf("one gets in with %v, the other with %v", one, other)
					}
				}
			}
		})
	}
}

func TestQuorate(t *testing.T) {
	w := wanted(t, 3)
	there := operator{want: w, list: memberList(wanted(t, 5), 3), unit: "etcd-1=https://10.0.0.11:2380"}
	grown := there
	grown.list = memberList(wanted(t, 5), 5)
	renamed := there
	renamed.list = slices.Clone(there.list)
	renamed.list[0].Name = "" // it never published itself
	foreign := there
	foreign.list = slices.Clone(there.list)
	foreign.list[0].PeerURLs = []string{"https://10.9.9.9:2380"} // its host is none of these, whatever it is called
	for _, test := range []struct {
		name string
		by   operator
		held string
		says string // empty: it holds enough
	}{
		{"two of three", there, "etcd-1 etcd-3", ""},
		{
			"one of three", there, "etcd-1",
			"at least 2 of its 3 members, and 1 can be locked: etcd-2: no answer; etcd-3: no answer",
		},
		{"all three of five", grown, "etcd-1 etcd-2 etcd-3", ""},
		{
			"two of five", grown, "etcd-1 etcd-2",
			"at least 3 of its 5 members, and 2 can be locked: etcd-3: no answer; etcd-4: the member is not in this inventory, at https://10.0.0.14:2380",
		},
		{"a member without a name", renamed, "etcd-1 etcd-2", ""},
		{
			"a member elsewhere", foreign, "etcd-1 etcd-2",
			"1 can be locked: etcd-1: the member is not in this inventory, at https://10.9.9.9:2380",
		},
		{"nothing runs", operator{w, nil, there.unit}, "etcd-2 etcd-1", ""},
		{
			"nothing runs, a unit names more",
			operator{w, nil, "etcd-1=https://10.0.0.11:2380,etcd-8=https://10.0.0.18:2380"},
			"etcd-1 etcd-3",
			"etcd-8: the member is not in this inventory",
		},
		{"no cluster yet", operator{want: w}, "etcd-1 etcd-2", "held on every host: 2 of 3 can be locked: etcd-3: no answer"},
		{"no cluster yet, all held", operator{want: w}, "etcd-1 etcd-2 etcd-3", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			reached := uint(0)
			for i, m := range w.Cluster.Members {
				if strings.Contains(test.held, m.Name) {
					reached |= 1 << i
				}
			}
			s, held := test.by.sees(reached, 3)
			err := Quorate(w, s, held)
			if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("%v\nwant %s", err, test.says)
			}
		})
	}
}

// A learner has no vote, so the lock on its host counts for nothing, and is not needed.
func TestQuorateWithLearner(t *testing.T) {
	w := wanted(t, 2)
	s := settled(t, w)
	s.Members[1].Learner = true
	if err := Quorate(w, s, []string{"etcd-1"}); err != nil {
		t.Errorf("the only voter is locked: %v", err)
	}
	if err := Quorate(w, s, []string{"etcd-2"}); err == nil {
		t.Error("only the learner is locked, and that is enough")
	}
}

// A host that shows the data and the marker of another member does not count for that one, whose address changes
// meanwhile: a lock on two hosts would else pass for one on three. Nothing is changed either.
func TestForgedDataLocksNothing(t *testing.T) {
	w, s := grown(t, 3, 4)
	cluster := *w.Cluster
	cluster.Members = slices.Clone(cluster.Members)
	cluster.Members[1].Address, cluster.Members[1].PeerAddress = "10.0.0.22", "10.0.0.22"
	w.Cluster = &cluster
	s = change(s, "etcd-2", darkly)
	id := s.Members[slices.IndexFunc(s.Members, func(l facts.Listed) bool { return l.Name == "etcd-2" })].ID
	s = change(s, "etcd-4", func(h *facts.Host) {
		h.Data = facts.Data{Exists: true, WAL: true, ClusterID: s.Hosts["etcd-1"].Data.ClusterID, MemberID: id}
		born := units.Birth(ConfigDir(w.Cluster), units.Born{
			Cluster: "prod", ClusterID: h.Data.ClusterID.String(), MemberID: id.String(), Member: "etcd-4", Token: "token",
		})
		h.Files[born.Path] = facts.File{Kind: facts.Regular, Content: born.Data}
	})
	if err := Quorate(w, s, []string{"etcd-1", "etcd-4"}); err == nil {
		t.Error("the locks on one voter's host and on that of a stranger are enough")
	}
	if err := Quorate(w, s, []string{"etcd-1", "etcd-3"}); err != nil {
		t.Error(err)
	}
	if !slices.ContainsFunc(refusals(t, w, s), func(r plan.Refusal) bool {
		return r.Kind == plan.ForeignData && r.Host == "etcd-4"
	}) {
		t.Errorf("refused is %v", refusals(t, w, s))
	}
}
