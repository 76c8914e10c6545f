package etcd

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// alarmedBy raises an alarm of members.
func alarmedBy(s facts.Snapshot, kind string, names ...string) facts.Snapshot {
	s.Alarms = slices.Clone(s.Alarms)
	for _, name := range names {
		s.Alarms = append(s.Alarms, facts.Alarm{Member: s.Hosts[name].Etcd.MemberID, Type: kind})
	}
	return s
}

func TestNextDisarmNoSpace(t *testing.T) {
	w := wanted(t, 3)
	base := ledBy(settled(t, w), "etcd-2")
	full := func(size, used int64) facts.Snapshot {
		return alarmedBy(allSized(base, size, used), "NOSPACE", "etcd-1", "etcd-3")
	}
	compacted := w
	compacted.Compacted = true
	all := []string{"defragment/etcd-1", "defragment/etcd-3", "move-leader/etcd-2", "defragment/etcd-2"}
	id := func(name string) string { return base.Hosts[name].Etcd.MemberID.String() }
	ended := []string{
		"disarm-alarm/NOSPACE/" + id("etcd-1") + "/etcd-1", "disarm-alarm/NOSPACE/" + id("etcd-3") + "/etcd-1",
	}
	still := "disarmed, NOSPACE would be raised again"
	for name, c := range map[string]struct {
		want  Want
		seen  facts.Snapshot
		steps []string
	}{
		"no alarm":      {w, allSized(base, 1000, 1000), nil},
		"all in use":    {w, full(1000, 1000), slices.Concat([]string{"compact/etcd-2"}, all, ended)},
		"little in use": {w, full(1000, 100), slices.Concat(all, ended)},
		"room again":    {w, full(850, 100), ended},
		"one is full": {
			w, sized(full(850, 100), "etcd-3", 1000, 100),
			append([]string{"defragment/etcd-3"}, ended...),
		},
		"compacting did not help":         {compacted, full(1000, 950), []string{all[0], still}},
		"compacting helped":               {compacted, full(1000, 850), slices.Concat(all, ended)},
		"others wrote after defragment":   {defragged(compacted, "etcd-1"), full(1000, 850), []string{still}},
		"a member is down":                {w, change(full(1000, 100), "etcd-1", stop), []string{"2 of 3 voters are known to serve, and a member defragments while all do"}},
		"an alarm that nobody knows":      {w, alarmedBy(base, "OTHER", "etcd-1"), []string{"etcd-1 has raised the alarm OTHER; clusterup knows no remedy for its cause"}},
		"there is no cluster":             {w, bare(w), []string{"there is no cluster prod yet"}},
		"compacted, and the quota raised": {compacted, full(850, 850), ended},
	} {
		t.Run(name, func(t *testing.T) {
			got := decided(t, NextDisarm, c.want, c.seen)
			same := len(got) == len(c.steps)
			for i := range min(len(got), len(c.steps)) {
				same = same && (got[i] == c.steps[i] || strings.HasSuffix(got[i], c.steps[i]))
			}
			if !same {
				t.Errorf("got %q, want %q", got, c.steps)
			}
		})
	}
}

func TestNextDisarmCorrupt(t *testing.T) {
	w := wanted(t, 3)
	base := settled(t, w)
	raised := alarmedBy(base, "CORRUPT", "etcd-3")
	hashed := func(sums ...uint32) facts.Snapshot {
		s := raised
		s.Hashes = map[string]facts.Hash{}
		for i, name := range s.Names() {
			if s.Hashes[name] = (facts.Hash{Sum: sums[i], Revision: 7, Compacted: 3}); sums[i] == 0 {
				s.Hashes[name] = facts.Hash{Error: "no answer"}
			}
		}
		return s
	}
	ended := "disarm-alarm/CORRUPT/" + base.Hosts["etcd-3"].Etcd.MemberID.String() + "/etcd-1"
	odd := hashed(1, 1, 1)
	odd.Hashes["etcd-2"] = facts.Hash{Sum: 1, Revision: 7, Compacted: 4}
	for name, c := range map[string]struct {
		seen         facts.Snapshot
		says, remedy string
	}{
		"all alike":      {hashed(1, 1, 1), ended, ""},
		"one differs":    {hashed(1, 1, 2), "etcd-3: its data differ from those of etcd-1 and etcd-2 at revision 7, and CORRUPT is raised", "clusterup member remove etcd-3 INVENTORY"},
		"another does":   {hashed(2, 1, 1), "etcd-1: its data differ", "clusterup member remove etcd-1 INVENTORY"},
		"all differ":     {hashed(1, 2, 3), "CORRUPT is raised by etcd-3; the data of the members differ, and no majority agrees", "clusterup member remove NAME INVENTORY"},
		"one is silent":  {hashed(1, 0, 1), "etcd-2: CORRUPT is raised, and its data could not be compared: no answer", "bring it back"},
		"nobody asked":   {raised, "etcd-1: CORRUPT is raised, and its data could not be compared: it was not asked", "bring it back"},
		"not to compare": {odd, "etcd-2: CORRUPT is raised, and its data could not be compared: a compaction was on its way", "in a moment"},
		"a learner":      {novice(hashed(1, 1, 1)), "etcd-3: CORRUPT is raised, and its data could not be compared: it is a learner", "clusterup member remove etcd-3 INVENTORY"},
	} {
		t.Run(name, func(t *testing.T) {
			got := decided(t, NextDisarm, w, c.seen)
			if len(got) == 0 || !strings.Contains(got[0], c.says) {
				t.Errorf("got %q, want %q", got, c.says)
			}
			_, err := BuildWith(NextDisarm, w, c.seen)
			for _, r := range plan.RefusalsOf(err) {
				if !strings.Contains(r.Remedy, c.remedy) || !strings.Contains(r.Remedy, disarmAgain) {
					t.Errorf("remedy %q", r.Remedy)
				}
			}
		})
	}
}

// ofUpkeep are what keeps members from being defragmented, and alarms from being ended.
func ofUpkeep(t *testing.T, w Want) []dead {
	t.Helper()
	base := settled(t, w)
	full := alarmedBy(allSized(base, 1000, 990), "NOSPACE", "etcd-2")
	compacted := w
	compacted.Compacted = true
	grows, learns := learning(t)
	grown := SimulateStep(grows, learns, plan.Step{
		Kind: plan.PromoteMember, Host: "etcd-4", Member: learns.Hosts["etcd-4"].Etcd.MemberID,
	})
	corrupt := alarmedBy(base, "CORRUPT", "etcd-3")
	hashes := func(sums ...uint32) facts.Snapshot {
		s := corrupt
		s.Hashes = map[string]facts.Hash{}
		for i, name := range s.Names() {
			s.Hashes[name] = facts.Hash{Sum: sums[i], Revision: 7}
		}
		return s
	}
	two := wanted(t, 2)
	silent := change(alarmedBy(hashes(1, 1, 1), "CORRUPT", "etcd-1"), "etcd-1", func(h *facts.Host) { h.Reads = false })
	for _, name := range []string{"etcd-2", "etcd-3"} {
		silent = change(silent, name, func(h *facts.Host) { h.Reads = false })
	}
	return []dead{
		{name: "a database that keys fill", want: compacted, seen: full, next: NextDisarm, follow: mended(allSized(full, 800, 700))},
		{name: "data that were not compared", want: w, seen: corrupt, next: NextDisarm, follow: mended(hashes(1, 1, 1))},
		{name: "data of one that differ", want: w, seen: hashes(1, 2, 1), next: NextDisarm, follow: mended(hashes(1, 1, 1))},
		{name: "data of all that differ", want: w, seen: hashes(1, 2, 3), next: NextDisarm, follow: mended(hashes(1, 1, 1))},
		{
			name: "an alarm that nobody knows", want: w, seen: alarmedBy(base, "OTHER", "etcd-1"), next: NextDisarm,
			follow: mended(base),
		},
		{name: "an alarm, and nobody serves", want: w, seen: silent, next: NextDisarm, follow: mended(hashes(1, 1, 1))},
		{name: "no defragmenting of what differs", want: w, seen: corrupt, next: NextDefrag(""), follow: mended(base)},
		{
			name: "no defragmenting beside one that is down", want: w, seen: change(base, "etcd-2", stop), next: NextDefrag(""),
			follow: mended(base),
		},
		{name: "no defragmenting beside a learner", want: grows, seen: learns, next: NextDefrag(""), follow: mended(grown)},
		{name: "one of two defragments", want: two, seen: allSized(settled(t, two), 200, 20), next: NextDefrag("")},
	}
}

// novice is a world in which etcd-3 has no vote yet.
func novice(s facts.Snapshot) facts.Snapshot {
	s.Members = slices.Clone(s.Members)
	for i := range s.Members {
		s.Members[i].Learner = s.Members[i].Name == "etcd-3"
	}
	return s
}

// While it is not known whose data is wrong, no learner gets a vote.
func TestNoVoteWhileCorrupt(t *testing.T) {
	w, s := learning(t)
	promotes := func(s facts.Snapshot) bool {
		p, _ := Build(w, s)
		return slices.ContainsFunc(p.Stages, func(stage plan.Stage) bool { return stage.Steps[0].Kind == plan.PromoteMember })
	}
	if !promotes(s) || promotes(alarmedBy(s, "CORRUPT", "etcd-1")) {
		t.Errorf("promoted: %v, and with CORRUPT: %v", promotes(s), promotes(alarmedBy(s, "CORRUPT", "etcd-1")))
	}
}
