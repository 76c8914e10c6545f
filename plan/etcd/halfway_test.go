package etcd

import (
	"errors"
	"slices"
	"strings"
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
		"one is dark, by consent":           {dark(before), []plan.Risk{boundTo(before, "etcd-3")}, true},
		"one is dark":                       {dark(before), nil, false},
		"a learner has not started":         {learner(before), nil, true},
		"half-way":                          {half, nil, false},
		"half-way, one joins":               {anew(half), nil, true},
		"half-way, one joins by consent":    {anew(half), []plan.Risk{plan.Replace("etcd-3")}, false},
		"half-way, one is wiped by consent": {wiped(half), []plan.Risk{plan.Replace("etcd-3")}, false},
		"half-way, one was removed":         {removed(half), []plan.Risk{plan.Replace("etcd-3")}, false},
		"half-way, one is dark by consent":  {dark(half), []plan.Risk{boundTo(half, "etcd-3")}, false},
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

// Nobody is added while the host of a voter is dark: its member may not serve. Nor is anybody while a learner is there,
// which may be one that is dark.
func TestJoinBesideDark(t *testing.T) {
	w, s := grown(t, 5, 7)
	learner := change(s, "etcd-6", darkly)
	learner.Members = append(slices.Clone(s.Members), facts.Listed{
		ID: 6, PeerURLs: []string{"https://10.0.0.16:2380"}, Learner: true,
	})
	for name, seen := range map[string]facts.Snapshot{"a voter": change(s, "etcd-2", darkly), "a learner": learner} {
		p, err := Build(w, seen)
		refused := new(plan.Refused)
		if !errors.As(err, &refused) || !refused.Only(plan.Unreachable) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "a voter" && !slices.ContainsFunc(p.Waits,
			func(wait plan.Wait) bool {
				return wait.What == "adding etcd-6" && slices.Equal(wait.For, []string{"etcd-2"})
			}) {
			t.Errorf("waits %v", p.Waits)
		}
		if ids := stepIDs(p); strings.Contains(strings.Join(ids, " "), "add-learner/") {
			t.Errorf("%s: %v", name, ids)
		}
	}
}

// A member joins before others restart where none could be spared, or where it takes the place of a lost one.
func TestJoinBeforeRestart(t *testing.T) {
	flags, one := grown(t, 1, 3)
	cluster := *flags.Cluster
	flags.Cluster = &cluster
	flagged(&flags)
	five := at(wanted(t, 5), "3.7.3")
	five.Accept = []plan.Risk{plan.Replace("etcd-5")}
	half := advance(t, five, settled(t, at(five, "3.6.16")), "etcd 3.6.16 → 3.7.3: restart")
	for name, test := range map[string]struct {
		w    Want
		seen facts.Snapshot
		last string
	}{
		"one grows": {flags, one, "promote-member/etcd-3"},
		"half-way":  {five, change(half, "etcd-5", wipe), "promote-member/etcd-5"},
	} {
		p, err := Build(test.w, test.seen)
		ids := stepIDs(p)
		restart := slices.IndexFunc(ids, func(id string) bool { return strings.HasPrefix(id, "restart-member/") })
		if at := slices.Index(ids, test.last); err != nil || at < 0 || restart < at {
			t.Errorf("%s: %v, %v", name, err, ids)
		}
	}
}

// A learner that runs and knows no leader is waited for, and no member is removed while it is not clear who leads.
func TestAwaitBeforeMembersChange(t *testing.T) {
	by := map[string]standing{}
	for _, is := range standings {
		by[is.name] = is
	}
	stages := map[int]*stage{3: newStage(t, 3)}
	learns, _ := mix(stages, []standing{by["running"], by["running"], by["a learner, running"]}, false)
	leaves, _ := mix(stages, []standing{by["running"], by["running"], by["absent, running"]}, false)
	for name, test := range map[string]struct {
		w    Want
		seen facts.Snapshot
		kind plan.Kind
	}{
		"learns":   {learns.w, learns.seen, plan.RecordBirth},
		"mute":     {learns.w, change(learns.seen, "etcd-3", func(h *facts.Host) { h.Etcd = nil }), plan.AwaitMember},
		"leaves":   {leaves.w, leaves.seen, plan.RemoveMember},
		"election": {leaves.w, torn(leaves.w, leaves.seen)["nobody says that it leads"], plan.AwaitLeader},
	} {
		seen := test.seen
		for range 3 { // files come first
			stage, err := Next(test.w, seen)
			if err != nil || stage == nil {
				t.Fatalf("%s: stage %s, %v", name, said(stage), err)
			}
			if kind := stage.Steps[0].Kind; kind != plan.WriteUnit && kind != plan.WriteTrust {
				if kind != test.kind {
					t.Errorf("%s: %s, want %s", name, said(stage), test.kind)
				}
				break
			}
			for _, step := range stage.Steps { // these change nothing of members
				host := SimulateStep(test.w, seen, step).Hosts[step.Host]
				seen = change(seen, step.Host, func(h *facts.Host) { h.Files, h.Unit = host.Files, host.Unit })
			}
		}
	}
}

// stepIDs are those of a plan.
func stepIDs(p plan.Plan) []string {
	var ids []string
	for _, stage := range p.Stages {
		for _, step := range stage.Steps {
			ids = append(ids, step.ID())
		}
	}
	return ids
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
	garbled := func(h *facts.Host) {
		file := h.Files[ConfigDir(w.Cluster)+"/born.json"]
		file.Content = []byte("born")
		h.Files[ConfigDir(w.Cluster)+"/born.json"] = file
	}
	runs := func(args ...string) func(*facts.Host) {
		return func(h *facts.Host) { h.Process = &facts.Process{PID: 9, Args: args, User: "etcd-prod"} }
	}
	own := []string{"--name=etcd-4", "--data-dir=/var/lib/etcd-prod"}
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
		"a marker that cannot be read":    {of("etcd-4", marked(8), garbled), true},
		"its own process, still":          {of("etcd-4", marked(8), runs(own...)), false},
		"its own process, about to end":   {of("etcd-4", marked(8), runs()), false},
		"the process of another":          {of("etcd-4", runs("--name=etcd-9", "--data-dir=/var/lib/etcd-prod")), true},
		"a process with other data":       {of("etcd-4", runs("--name=etcd-4", "--data-dir=/srv/etcd")), true},
		"a unit of another installer": {of("etcd-4", func(h *facts.Host) {
			h.Files[UnitPath(w.Cluster)] = facts.File{Kind: facts.Regular, Mode: 0o644, Content: []byte("[Unit]")}
		}), true},
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
