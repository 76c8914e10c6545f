package etcd

import (
	"errors"
	"slices"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// Before another minor version begins nobody joins, be it in the place of a lost member, and that is said before
// anything is removed. On the way only a lost member is replaced.
func TestMembersHalfway(t *testing.T) {
	w := at(wanted(t, 3), "3.7.3")
	before := settled(t, at(w, "3.6.16"))
	half := advance(t, w, before, "etcd 3.6.16 → 3.7.3: restart")
	anew := func(s facts.Snapshot) facts.Snapshot {
		s = change(s, "etcd-3", func(h *facts.Host) { *h = bare(w).Hosts["etcd-3"] })
		s.Members = slices.DeleteFunc(slices.Clone(s.Members), func(l facts.Listed) bool { return l.Name == "etcd-3" })
		return s
	}
	learner := func(s facts.Snapshot) facts.Snapshot {
		entry := s.Members[2]
		s = anew(s)
		s.Members = append(s.Members, facts.Listed{ID: entry.ID + 1, PeerURLs: entry.PeerURLs, Learner: true})
		return s
	}
	removed := func(s facts.Snapshot) facts.Snapshot {
		list := anew(s).Members
		s = change(s, "etcd-3", stop)
		s.Members = list
		return s
	}
	wiped := func(s facts.Snapshot) facts.Snapshot { return change(s, "etcd-3", wipe) }
	dark := func(s facts.Snapshot) facts.Snapshot { return change(s, "etcd-3", darkly) }
	for name, test := range map[string]struct {
		seen    facts.Snapshot
		accept  []plan.Risk
		refused bool
	}{
		"nothing changes":                   {before, nil, false},
		"one joins":                         {anew(before), nil, true},
		"one joins, by consent":             {anew(before), []plan.Risk{plan.Replace("etcd-3")}, true},
		"one is wiped, by consent":          {wiped(before), []plan.Risk{plan.Replace("etcd-3")}, true},
		"one was removed, by consent":       {removed(before), []plan.Risk{plan.Replace("etcd-3")}, true},
		"one is dark, by consent":           {dark(before), []plan.Risk{plan.Replace("etcd-3")}, true},
		"one is dark":                       {dark(before), nil, false},
		"a learner has not started":         {learner(before), nil, true},
		"half-way":                          {half, nil, false},
		"half-way, one joins":               {anew(half), nil, true},
		"half-way, one joins by consent":    {anew(half), []plan.Risk{plan.Replace("etcd-3")}, false},
		"half-way, one is wiped by consent": {wiped(half), []plan.Risk{plan.Replace("etcd-3")}, false},
		"half-way, one was removed":         {removed(half), []plan.Risk{plan.Replace("etcd-3")}, false},
		"half-way, one is dark by consent":  {dark(half), []plan.Risk{plan.Replace("etcd-3")}, false},
		"half-way, a learner":               {learner(half), nil, false},
	} {
		w := w
		w.Accept = test.accept
		_, err := Next(w, test.seen)
		refused := new(plan.Refused)
		is := errors.As(err, &refused) && slices.ContainsFunc(refused.Refusals,
			func(r plan.Refusal) bool { return r.Kind == plan.Membership })
		if is != test.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The host of a member that has left is not cleaned if what lies there is of a member that the cluster lists, of
// another one, or of another cluster.
func TestDepartedHosts(t *testing.T) {
	w, s := grown(t, 3, 4)
	w = absent(w, "etcd-4")
	unmarked := func(h *facts.Host) { delete(h.Files, ConfigDir(w.Cluster)+"/born.json") }
	of := func(name string, does ...func(*facts.Host)) facts.Snapshot {
		return change(s, "etcd-4", func(h *facts.Host) {
			*h = copyHost(s.Hosts[name])
			h.Name = "etcd-4"
			for _, do := range does {
				do(h)
			}
		})
	}
	unlisted := func(h *facts.Host) { h.Data.MemberID = 8 }
	elsewhere := func(h *facts.Host) { h.Data.ClusterID = 7 }
	marked := func(id facts.ID) func(*facts.Host) {
		return func(h *facts.Host) { mark(w, h, "etcd-4", id) }
	}
	for name, test := range map[string]struct {
		seen    facts.Snapshot
		refused bool
	}{
		"clean":                           {s, false},
		"data of one that is listed":      {of("etcd-2", stop, unmarked), true},
		"a marker of another":             {of("etcd-2", wipe), true},
		"data of one that is not listed":  {of("etcd-2", stop, unmarked, unlisted), false},
		"data of another cluster":         {of("etcd-2", stop, unmarked, unlisted, elsewhere), true},
		"a marker of one that is listed":  {of("etcd-4", marked(s.Members[1].ID)), true},
		"its own marker, and it has left": {of("etcd-4", marked(8)), false},
	} {
		stage, err := Next(w, test.seen)
		if (err != nil) != test.refused {
			t.Errorf("%s: stage %s, %v", name, said(stage), err)
		}
	}
}

// mark writes a birth marker of this cluster.
func mark(w Want, h *facts.Host, member string, id facts.ID) {
	born := units.Born{
		Cluster: w.Cluster.Name, Member: member, Token: w.Token, ClusterID: clusterID(wantedOf(w, 3), w.Token).String(),
		MemberID: id.String(), Form: units.Form,
	}
	file := units.Birth(ConfigDir(w.Cluster), born)
	h.Files[file.Path] = facts.File{Kind: facts.Regular, Mode: 0o644, Owner: "root", Group: "root", Content: file.Data}
}

// wantedOf is a cluster of the first members alone.
func wantedOf(w Want, n int) *inventory.Cluster {
	cluster := *w.Cluster
	cluster.Members = cluster.Members[:n]
	return &cluster
}
