package etcd

import (
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// switched is a cluster that was made with http between peers and has gone over to https: its ID no longer follows from
// its inventory.
func switched(t *testing.T, w Want) facts.Snapshot {
	t.Helper()
	plain, cluster := w, *w.Cluster
	cluster.TLS.Peers = false
	plain.Cluster = &cluster
	return converged(t, w, settled(t, plain))
}

// converged is what is seen when there is nothing left to do.
func converged(t *testing.T, w Want, s facts.Snapshot) facts.Snapshot {
	t.Helper()
	for range 40 {
		stage, err := Next(w, s)
		if err != nil {
			t.Fatal(err)
		}
		if stage == nil {
			return s
		}
		if err := lawful(w, s, *stage); err != nil {
			t.Fatal(err)
		}
		s = Simulate(w, s, *stage)
	}
	t.Fatal("no end")
	return s
}

// A cluster whose birth markers are gone is known by the logs of its members, whether they run or not, and gets its
// markers back. That holds even if its ID does not follow from the inventory.
func TestMarkersLost(t *testing.T) {
	w := wanted(t, 3)
	w.Accept = []plan.Risk{plan.Downtime}
	whole := switched(t, w)
	if id := whole.Hosts["etcd-1"].Data.ClusterID; id == clusterID(w.Cluster, w.Token) {
		t.Fatal("a cluster ID that follows from the inventory")
	}
	unborn := func(s facts.Snapshot, do func(name string, h *facts.Host)) facts.Snapshot {
		for _, name := range s.Names() {
			s = change(s, name, func(h *facts.Host) {
				marker("")(w, h)
				do(name, h)
			})
		}
		return s
	}
	for name, do := range map[string]func(name string, h *facts.Host){
		"all run":         func(string, *facts.Host) {},
		"all are stopped": func(_ string, h *facts.Host) { stop(h) },
		"one is stopped": func(name string, h *facts.Host) {
			if name == "etcd-1" {
				stop(h)
			}
		},
		"one has no unit": func(name string, h *facts.Host) {
			if name == "etcd-1" {
				stop(h)
				delete(h.Files, UnitPath(w.Cluster))
			}
		},
	} {
		s := unborn(whole, do)
		again := w
		again.Token = "token-of-another-run"
		end := converged(t, again, s)
		for host, seen := range end.Hosts {
			is, was := string(seen.Files[ConfigDir(w.Cluster)+"/born.json"].Content),
				string(whole.Hosts[host].Files[ConfigDir(w.Cluster)+"/born.json"].Content)
			if is != was {
				t.Errorf("%s: the marker of %s is %s, and was %s", name, host, is, was)
			}
		}
	}
}

// Hosts of members that are yet to come count for no other cluster than the one that is, which tells who its members
// are. Where one of them has the log of another cluster, or nobody tells, a majority of all hosts is asked for.
func TestMarkersLostBeforeGrowth(t *testing.T) {
	w, s := grown(t, 3, 7)
	whole := switched(t, wanted(t, 3))
	for name, host := range whole.Hosts {
		s.Hosts[name] = host
		s = change(s, name, func(h *facts.Host) { marker("")(w, h) })
	}
	s.Members, s.Operator, s.Cluster = whole.Members, whole.Operator, whole.Hosts["etcd-1"].Data.ClusterID
	foreign := change(s, "etcd-7", func(h *facts.Host) {
		*h = copyHost(settled(t, w).Hosts["etcd-7"])
		stop(h)
		marker("")(w, h)
		h.Data.ClusterID, h.Data.MemberID = 7, 8
	})
	silent := s
	silent.Members, silent.Cluster = nil, 0
	for name, test := range map[string]struct {
		seen facts.Snapshot
		is   bool
	}{"told": {s, true}, "one has another's log": {foreign, false}, "nobody tells": {silent, false}} {
		if got := identify(w, test.seen); got.formed != test.is || test.is && got.clusterID != s.Cluster {
			t.Errorf("%s: formed %v, cluster %s", name, got.formed, got.clusterID)
		}
	}
	if end := converged(t, w, s); len(end.Members) != 7 {
		t.Errorf("%d members in the end", len(end.Members))
	}
}

// Where markers are gone, refusals say whose data lies where, and nobody is told to move data that a member runs with.
func TestIdentityRefusals(t *testing.T) {
	w := wanted(t, 3)
	whole := switched(t, w)
	on := func(s facts.Snapshot, name string, do ...func(Want, *facts.Host)) facts.Snapshot {
		return change(s, name, func(h *facts.Host) {
			for _, do := range do {
				do(w, h)
			}
		})
	}
	unborn, stopped, lost, none := marker(""), as(stop), as(wipe),
		as(func(h *facts.Host) { h.Files = map[string]facts.File{} })
	of := func(cluster, member facts.ID) func(Want, *facts.Host) {
		return as(func(h *facts.Host) {
			h.Data.ClusterID, h.Data.MemberID = cluster, member
			if h.Etcd != nil {
				status := *h.Etcd
				status.ClusterID, status.MemberID = cluster, member
				h.Etcd = &status
			}
		})
	}
	all := on(on(on(whole, "etcd-1", unborn), "etcd-2", unborn), "etcd-3", unborn)
	idle := on(on(on(all, "etcd-1", stopped), "etcd-2", stopped), "etcd-3", stopped)
	second := whole.Hosts["etcd-2"].Data
	for name, test := range map[string]struct {
		s      facts.Snapshot
		kind   plan.RefusalKind
		host   string
		says   string // reason and remedy
		hushes string
	}{
		"runs with foreign data": {
			on(all, "etcd-3", of(7, 8)), plan.ForeignData, "etcd-3", "leave it where it is",
			"move it aside",
		},
		"foreign, stopped": {
			on(idle, "etcd-3", of(7, 8)), plan.ForeignData, "etcd-3",
			"there is " + second.ClusterID.String() + " on etcd-1, etcd-2; 7 on etcd-3", "move it aside",
		},
		"no majority": {
			on(on(idle, "etcd-3", of(7, 8)), "etcd-2", of(5, 6)), plan.ForeignData, "etcd-2",
			"5 on etcd-2; 7 on etcd-3", "move it aside",
		},
		"no unit anywhere": {
			on(on(on(idle, "etcd-1", none), "etcd-2", none), "etcd-3", none), plan.ForeignData,
			"etcd-1", "no etcd runs on it", "",
		},
		"the data of another": {
			on(idle, "etcd-3", of(second.ClusterID, second.MemberID)), plan.ForeignData, "etcd-3",
			"host is that of another member", "",
		},
		"a marker of a few": {
			on(all, "etcd-3", marker(`{"cluster_id":"7","member_id":"8","token":"t"}`)),
			plan.ForeignData, "etcd-3", "its birth marker is of cluster 7", "",
		},
		"lost, stopped, no markers": {on(idle, "etcd-3", lost), plan.DataLost, "etcd-3", "replace:etcd-3", "begin again"},
	} {
		found := refusals(t, w, test.s)
		text := ""
		for _, r := range found {
			if r.Kind == test.kind && r.Host == test.host {
				text = r.Reason + " → " + r.Remedy
			}
			if strings.Contains(r.Remedy, "aside") && test.s.Hosts[r.Host].Process != nil {
				t.Errorf("%s: %s is told to move what it runs with", name, r.Host)
			}
		}
		if !strings.Contains(text, test.says) || test.hushes != "" && strings.Contains(text, test.hushes) {
			t.Errorf("%s: refused with %v (%s), want one that says %q, and not %q", name, found, text, test.says, test.hushes)
		}
	}
}

// The member list and the alarms of another cluster decide nothing.
func TestForeignList(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	s.Cluster = 7
	s.Members, s.Alarms = []facts.Listed{{ID: 8, Name: "evil"}}, []facts.Alarm{{Member: 8, Type: "CORRUPT"}}
	flagged(&w)
	if stage, err := Next(w, s); err != nil || stage == nil {
		t.Errorf("%s, %v", said(stage), err)
	}
}
