package etcd

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// restoration is what is wanted of a restore from a snapshot of 3.6.16, by a run that has drawn a token.
func restoration(w Want, token string) Want {
	w.Token = token
	w.Restore = &Restoration{
		Snapshot: facts.SavedSnapshot{
			SHA256: "5a5a", Version: "3.6.16", Revision: 1000, Taken: noon.Add(-time.Hour), ClusterID: 7,
		},
		Size: 1 << 20, Verb: "snapshot restore", By: "root@control",
	}
	return w
}

// restores walks all states that restores may be found in when they die, and are gone on with by another run.
type restores struct {
	t    *testing.T
	w    Want
	next func(Want, facts.Snapshot) (*plan.Stage, error)
	as   func(w Want, token string) Want // what a run that has drawn a token wants
	runs int
	seen map[string]bool
	ends int
}

// another is a run that comes upon a state that one has left.
func (k *restores) another(s facts.Snapshot, way string) {
	k.t.Helper()
	k.runs++
	k.walk(k.as(k.w, fmt.Sprint("run-", k.runs)), s, way)
}

// walk goes on from a state in every way: the run dies after any of the first steps of each host, in every combination,
// or does the whole stage.
func (k *restores) walk(w Want, s facts.Snapshot, way string) {
	k.t.Helper()
	w = RestoreWant(w, s)
	raw, _ := json.Marshal(s)
	id := string(raw) + w.Token
	if k.seen[id] {
		return
	}
	k.seen[id] = true
	k.guarded(s, way)
	stage, err := k.next(w, s)
	if err != nil && k.marks(s) == 0 { // it is over, and another run would begin anew
		k.over(w, s, way)
		return
	}
	if err != nil {
		k.t.Fatalf("%v\nafter: %s", err, way)
	}
	if stage == nil {
		k.ends++
		k.over(w, s, way)
		return
	}
	cuts := []facts.Snapshot{s}
	for _, steps := range byHost(*stage) {
		var next []facts.Snapshot
		for _, s := range cuts {
			next = append(next, s)
			for _, step := range steps {
				if err := lawRestore(w, s, step); err != nil {
					k.t.Fatalf("%v\nafter: %s", err, way)
				}
				s = SimulateStep(w, s, step)
				next = append(next, s)
			}
		}
		cuts = next
	}
	last := len(cuts) - 1
	for i, s := range cuts[1:] {
		if i < last-1 {
			k.another(s, fmt.Sprintf("%s → %s, in part (%d)", way, stage.Name, i))
		}
	}
	k.walk(w, cuts[last], way+" → "+stage.Name)
}

// lawRestore: every host is marked before anything else changes; data is put aside and made where no member runs, and
// never where it is of the cluster to come; and none starts before all have theirs, with a marker that says so.
func lawRestore(w Want, s facts.Snapshot, step plan.Step) error {
	r := newRestore(w, s)
	running, marked, has := 0, 0, 0
	for _, m := range w.Cluster.Present() {
		host := s.Hosts[m.Name]
		if host.Process != nil {
			running++
		}
		if mark, err := units.ParseRestoring(host.Files[r.markPath()].Content); err == nil && mark.Token == w.Token {
			marked++
		}
		if _, born := r.comes.births[m.Name]; born && r.has(host) {
			has++
		}
	}
	n := len(w.Cluster.Present())
	host := s.Hosts[step.Host]
	switch {
	case r.over():
	case step.Kind != plan.MarkRestore && step.Kind != plan.UnmarkRestore && marked < n:
		return fmt.Errorf("%s while %d of %d hosts are marked", step.ID(), marked, n)
	case step.Kind == plan.StopMember && r.has(host):
		return fmt.Errorf("%s stops a restored member", step.ID())
	case step.Kind == plan.MoveAside && (running > 0 || r.has(host)):
		return fmt.Errorf("law 3: %s while %d run", step.ID(), running)
	case step.Kind == plan.SalvageMember && running > 0:
		return fmt.Errorf("%s while %d run", step.ID(), running)
	case step.Kind == plan.RestoreData && (running > 0 || host.Data.WAL):
		return fmt.Errorf("%s while %d run, onto %+v", step.ID(), running, host.Data)
	case step.Kind == plan.RetireCA && running > 0:
		return fmt.Errorf("law 5: %s while %d run", step.ID(), running)
	case step.Kind == plan.StartMember && has < n:
		return fmt.Errorf("law 4: %s while %d of %d have their data", step.ID(), has, n)
	case step.Kind == plan.WriteUnit &&
		units.Flag(units.Command(step.Changes[0].Data), "initial-cluster-state") != "existing":
		return fmt.Errorf("law 4: %s", step.ID())
	case step.Kind == plan.UnmarkRestore && running < n:
		return fmt.Errorf("%s while %d of %d run", step.ID(), running, n)
	}
	return nil
}

// marks are the hosts that have a mark.
func (k *restores) marks(s facts.Snapshot) int {
	n := 0
	for _, host := range s.Hosts {
		if _, is := host.Files[units.RestoringPath(ConfigDir(k.w.Cluster))]; is {
			n++
		}
	}
	return n
}

// guarded: while a host is marked, nothing else is done.
func (k *restores) guarded(s facts.Snapshot, way string) {
	k.t.Helper()
	if k.marks(s) == 0 {
		return
	}
	stage, err := Next(k.w, s)
	refused := new(plan.Refused)
	if !errors.As(err, &refused) || !slices.ContainsFunc(refused.Refusals, func(r plan.Refusal) bool {
		return r.Kind == plan.Restoring
	}) {
		k.t.Fatalf("%s, %v beside a restore\nafter: %s", said(stage), err, way)
	}
}

// over checks what a restore has come to: one cluster, with nothing left to do but to tidy up.
func (k *restores) over(w Want, s facts.Snapshot, way string) {
	k.t.Helper()
	one := facts.ID(0)
	for _, m := range w.Cluster.Present() {
		host := s.Hosts[m.Name]
		born, err := units.ParseBirth(host.Files[ConfigDir(w.Cluster)+"/born.json"].Content)
		one = cmp.Or(one, host.Data.ClusterID)
		if host.Data.ClusterID != one || host.Process == nil || err != nil || born.ClusterID != one.String() ||
			born.Snapshot == "" {
			k.t.Fatalf("%s: %+v, %+v\nafter: %s", m.Name, host.Data, born, way)
		}
	}
	wanted := k.w
	wanted.Cluster = w.Cluster
	p, err := Build(wanted, s)
	for _, stage := range p.Stages {
		for _, step := range stage.Steps {
			if step.Kind != plan.PruneTrust && step.Kind != plan.PruneReleases && step.Kind != plan.PinRelease {
				k.t.Fatalf("then %s\nafter: %s", step.ID(), way)
			}
		}
	}
	if err != nil {
		k.t.Fatalf("%v\nafter: %s", err, way)
	}
}

// From whatever there is, a restore that dies anywhere is gone on with, and comes to one cluster. So does a recovery
// from what a lost quorum has left.
func TestRestoreWalk(t *testing.T) {
	t.Parallel()
	w := wanted(t, 3)
	whole := settled(t, w)
	each := func(s facts.Snapshot, do func(*facts.Host), names ...string) facts.Snapshot {
		for _, name := range names {
			s = change(s, name, do)
		}
		return s
	}
	twoLost := quorumless(each(whole, wipe, "etcd-2", "etcd-3"))
	allLost := quorumless(each(whole, wipe, "etcd-1", "etcd-2", "etcd-3"))
	allLost.Operator.Snapshots = []facts.SavedSnapshot{{
		SHA256: "5a5a", Version: "3.6.16", Revision: 1000, Taken: noon.Add(-time.Hour),
		ClusterID: whole.Hosts["etcd-1"].Data.ClusterID,
	}}
	for name, test := range map[string]struct {
		seen facts.Snapshot
		next func(Want, facts.Snapshot) (*plan.Stage, error)
		as   func(Want, string) Want
	}{
		"a cluster that serves":  {whole, NextRestore, restoration},
		"one wiped":              {each(whole, wipe, "etcd-2"), NextRestore, restoration},
		"two wiped":              {twoLost, NextRestore, restoration},
		"all wiped":              {allLost, NextRestore, restoration},
		"all stopped":            {each(whole, stop, "etcd-1", "etcd-2", "etcd-3"), NextRestore, restoration},
		"bare hosts":             {bare(w), NextRestore, restoration},
		"two wiped, recovered":   {twoLost, NextRecover, recovering},
		"all wiped, recovered":   {allLost, NextRecover, recovering},
		"one stopped, recovered": {each(twoLost, stop, "etcd-1"), NextRecover, recovering},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := w
			if name == "bare hosts" { // every cut of what prepares three of them is too many
				w = wanted(t, 2)
				test.seen = bare(w)
			}
			k := &restores{t: t, w: w, next: test.next, as: test.as, seen: map[string]bool{}}
			k.another(test.seen, name)
			t.Logf("%d states, %d ends", len(k.seen), k.ends)
			if len(k.seen) < 50 || k.ends == 0 {
				t.Error("too few")
			}
		})
	}
}

// recovering is what is wanted of a recovery.
func recovering(w Want, token string) Want {
	w.Token = token
	w.Restore = &Restoration{Verb: VerbRecover, By: "root@control"}
	return w
}

// quorumless is a cluster without a quorum: nobody leads, and nothing is read.
func quorumless(s facts.Snapshot) facts.Snapshot {
	for _, name := range s.Names() {
		s = change(s, name, func(h *facts.Host) {
			h.Reads = false
			if h.Etcd != nil {
				status := *h.Etcd
				status.Leader, h.Etcd = 0, &status
			}
		})
	}
	return s
}

// Two hosts that were given up come back with their old disks, and are a quorum of the cluster before: it is the
// restored one that is gone by, they are refused, and by consent they are made anew.
func TestRestoredAndBack(t *testing.T) {
	t.Parallel()
	w := wanted(t, 3)
	old := settled(t, w)
	lost := quorumless(change(change(old, "etcd-2", darkly), "etcd-3", darkly))
	given := recovering(w, "recovered")
	given.Accept = []plan.Risk{plan.Gone("etcd-2"), plan.Gone("etcd-3")}
	if p, err := BuildWith(NextRecover, RestoreWant(recovering(w, "recovered"), lost), lost); err == nil || !p.Empty() {
		t.Fatalf("dark hosts were not given up: %v, %d stages", err, len(p.Stages))
	}
	one := recovering(w, "recovered")
	one.Accept = []plan.Risk{plan.Gone("etcd-2")}
	refused := new(plan.Refused)
	_, err := BuildWith(NextRecover, RestoreWant(one, lost), lost)
	if !errors.As(err, &refused) || len(refused.Refusals) != 1 || refused.Refusals[0].Host != "etcd-3" {
		t.Fatalf("one of two dark hosts was not given up: %v", err)
	}
	s := recoveredUpTo(t, given, lost, "")
	own := s.Hosts["etcd-1"].Data.ClusterID
	if own == old.Hosts["etcd-1"].Data.ClusterID || !s.Hosts["etcd-1"].Reads {
		t.Fatalf("not recovered: %+v", s.Hosts["etcd-1"].Member)
	}
	back := s
	back.Hosts = map[string]facts.Host{
		"etcd-1": s.Hosts["etcd-1"], "etcd-2": old.Hosts["etcd-2"], "etcd-3": old.Hosts["etcd-3"],
	}
	if _, err := Build(w, back); !errors.As(err, &refused) {
		t.Fatalf("not refused: %v", err)
	}
	for _, r := range refused.Refusals {
		if r.Host == "etcd-1" || r.Host == "" {
			t.Errorf("%s → %s", r, r.Remedy)
		}
		t.Logf("%s → %s", r, r.Remedy)
	}
	back.Members, back.Cluster = old.Members, old.Hosts["etcd-2"].Data.ClusterID // they are more
	alarms := []facts.Alarm{{Member: s.Hosts["etcd-1"].Data.MemberID, Type: "NOSPACE"}}
	back = change(back, "etcd-1", func(h *facts.Host) {
		h.Listed, h.Alarms = []facts.Listed{alone(s.Hosts["etcd-1"].Data.MemberID)}, alarms
	})
	if seen := Own(w, back); seen.Cluster != own || len(seen.Members) != 1 || !slices.Equal(seen.Alarms, alarms) {
		t.Errorf("it is %s, of %+v, with %v; want %s", seen.Cluster, seen.Members, seen.Alarms, own)
	}
	back.Members = []facts.Listed{alone(s.Hosts["etcd-1"].Data.MemberID)}
	back.Cluster = own
	w.Accept = []plan.Risk{plan.Replace("etcd-2"), plan.Replace("etcd-3")}
	p, err := Build(w, back)
	if err != nil {
		t.Fatal(err)
	}
	for _, stage := range p.Stages {
		t.Log(said(&stage))
		for _, step := range stage.Steps {
			if step.Host == "etcd-1" && step.Kind == plan.WriteTrust {
				t.Errorf("%s: of the CA of before", step.ID())
			}
		}
		back = Simulate(w, back, stage)
	}
	for name, host := range back.Hosts {
		if host.Data.ClusterID != own || !host.Reads {
			t.Errorf("%s: %+v", name, host.Data)
		}
	}
}

// Of what is left, and of what was saved before, the one is taken that has come furthest.
func TestRecoverySource(t *testing.T) {
	t.Parallel()
	w := wanted(t, 5)
	base := settled(t, w)
	id := base.Hosts["etcd-1"].Data.ClusterID
	s := quorumless(change(change(change(base, "etcd-3", wipe), "etcd-4", wipe), "etcd-5", wipe))
	saved := func(name, member string, revision int64) facts.SavedSnapshot {
		one := facts.SavedSnapshot{SHA256: name, ClusterID: id, Version: "3.6.16", Member: member, Revision: revision, Taken: noon}
		if member != "" {
			one.Salvage = "first"
		}
		return one
	}
	for name, test := range map[string]struct {
		saved []facts.SavedSnapshot
		want  string
	}{
		"one is yet to be salvaged": {[]facts.SavedSnapshot{saved("a", "etcd-1", 9)}, ""},
		"the second is further":     {[]facts.SavedSnapshot{saved("a", "etcd-1", 9), saved("b", "etcd-2", 11)}, "b"},
		"the first is further":      {[]facts.SavedSnapshot{saved("a", "etcd-1", 12), saved("b", "etcd-2", 11)}, "a"},
		"a snapshot is further": {
			[]facts.SavedSnapshot{saved("a", "etcd-1", 9), saved("b", "etcd-2", 11), saved("c", "", 20)}, "c",
		},
		"a snapshot is older": {
			[]facts.SavedSnapshot{saved("c", "", 10), saved("a", "etcd-1", 9), saved("b", "etcd-2", 11)}, "b",
		},
	} {
		s.Operator.Snapshots = test.saved
		got, _ := newRecovery(recovering(w, "first"), s).source()
		if got.SHA256 != test.want {
			t.Errorf("%s: %q, want %q", name, got.SHA256, test.want)
		}
	}
}

// A host that dies in the middle of a restore is given up, and the others end it: no second restore is needed.
func TestRestoreLosesAHost(t *testing.T) {
	t.Parallel()
	w := wanted(t, 3)
	for _, last := range []string{"stop all members", "restore data", "start all members side by side"} {
		s := change(restoringUpTo(t, restoration(w, "first"), settled(t, w), last), "etcd-3", darkly)
		given := restoration(w, "second")
		if _, err := restoredFrom(given, s); err == nil {
			t.Errorf("after %s: the dark host was not given up", last)
		}
		given.Accept = []plan.Risk{plan.Gone("etcd-3")}
		s = restoringUpTo(t, given, s, "end the restore")
		for _, name := range []string{"etcd-1", "etcd-2"} {
			if host := s.Hosts[name]; !host.Reads || host.Files[units.RestoringPath(ConfigDir(w.Cluster))].Kind != "" {
				t.Errorf("after %s: %s reads %v, and has its mark, or not", last, name, host.Reads)
			}
		}
	}
}

// However restores follow each other, from old snapshots or new ones, finished or given up for others, no revision
// comes twice, and there are always some left.
func TestRevisionsOfRestores(t *testing.T) {
	t.Parallel()
	const writes = 1_000_000 // between restores
	w := wanted(t, 3)
	s := settled(t, w)
	highest, newest := int64(7), int64(7)
	for i := range 60 {
		from := restoration(w, fmt.Sprint("restore-", i))
		from.Accept = []plan.Risk{plan.Again, plan.OtherSnapshot}
		snap := &from.Restore.Snapshot
		if snap.SHA256 = fmt.Sprintf("%064x", i+1); i%3 == 0 { // else the newest
			snap.Revision = 5
		} else {
			snap.Revision = newest
		}
		last := ""
		if i%4 == 3 {
			last = "start all members side by side"
		}
		begins := map[int64]bool{}
		s = restoringBy(t, from, s, last, func(step plan.Step) {
			if step.Restore != nil {
				begins[snap.Revision+int64(step.Restore.BumpRevision)] = true
			}
		})
		if len(begins) != 1 {
			t.Fatalf("restore %d: members begin at %v", i, begins)
		}
		for at := range begins {
			if at <= highest || at > 1<<62 {
				t.Fatalf("restore %d begins at %d, and clients have seen %d", i, at, highest)
			}
			newest = at + writes
			highest = newest
		}
	}
	if highest > 1e12 {
		t.Errorf("60 restores take %d revisions", highest)
	}
}

// A snapshot that is newer than the one to restore tells what clients have seen, where no marker does.
func TestRevisionsOfSnapshots(t *testing.T) {
	t.Parallel()
	w := wanted(t, 3)
	s := settled(t, w)
	s.Operator.Snapshots = []facts.SavedSnapshot{{Revision: 20e9}, {Revision: 5}}
	restoringBy(t, restoration(w, "first"), s, "", func(step plan.Step) {
		if step.Restore != nil && step.Restore.BumpRevision < 20e9 {
			t.Errorf("it is bumped by %d", step.Restore.BumpRevision)
		}
	})
}

// A host that lies about the revision before leaves enough for the restored cluster.
func TestRevisionsOfALiar(t *testing.T) {
	t.Parallel()
	w := wanted(t, 3)
	s := change(settled(t, w), "etcd-2", func(h *facts.Host) {
		born, err := units.ParseBirth(h.Files["/etc/etcd/prod/born.json"].Content)
		if err != nil {
			t.Fatal(err)
		}
		born.Begins = 1<<63 - 1
		h.Files["/etc/etcd/prod/born.json"] = facts.File{
			Kind: facts.Regular, Content: units.Birth("/etc/etcd/prod", born).Data,
		}
	})
	restoringBy(t, restoration(w, "first"), s, "", func(step plan.Step) {
		if step.Restore != nil && (step.Restore.BumpRevision > 1<<61 || step.Restore.BumpRevision < revisionGap) {
			t.Errorf("it is bumped by %d", step.Restore.BumpRevision)
		}
	})
}

// Where most hosts die in the middle of a restore, nothing is called done: they come back, or it begins anew.
func TestRestoreLosesMost(t *testing.T) {
	t.Parallel()
	w := wanted(t, 3)
	begun := restoringUpTo(t, restoration(w, "first"), settled(t, w), "start all members side by side")
	s := quorumless(change(change(begun, "etcd-2", darkly), "etcd-3", darkly))
	given := restoration(w, "second")
	given.Accept = []plan.Risk{plan.Gone("etcd-2"), plan.Gone("etcd-3")}
	refused := new(plan.Refused)
	if stage, err := restoredFrom(given, s); !errors.As(err, &refused) || !refused.Only(plan.QuorumAtRisk) {
		t.Fatalf("%s, %v", said(stage), err)
	}
	given.Accept = append(given.Accept, plan.Again)
	s = restoringUpTo(t, given, s, "")
	if host := s.Hosts["etcd-1"]; !host.Reads {
		t.Errorf("not restored: %+v", host.Member)
	}
}

// A survivor that does not run tells no list: those that were given up count as voters, so that one is no quorum.
func TestRecoverFromOneThatIsStopped(t *testing.T) {
	t.Parallel()
	w := wanted(t, 3)
	s := quorumless(change(change(change(settled(t, w), "etcd-1", stop), "etcd-2", darkly), "etcd-3", darkly))
	s.Members, s.Cluster = nil, 0
	given := recovering(w, "first")
	given.Accept = []plan.Risk{plan.Gone("etcd-2"), plan.Gone("etcd-3")}
	if s = recoveredUpTo(t, given, s, ""); !s.Hosts["etcd-1"].Reads {
		t.Errorf("not recovered: %+v", s.Hosts["etcd-1"].Member)
	}
}

// A disk of the cluster before in a host of the restored one is known for what it is, and the host for its own.
func TestRestoredAndAnOldDisk(t *testing.T) {
	t.Parallel()
	w := wanted(t, 3)
	old := settled(t, w)
	s := change(restoringUpTo(t, restoration(w, "first"), old, ""), "etcd-2", func(h *facts.Host) {
		stop(h)
		h.Data = old.Hosts["etcd-2"].Data
	})
	got := refusals(t, w, s)
	if len(got) != 1 || got[0].Host != "etcd-2" || got[0].Kind != plan.NeedsConsent ||
		!strings.Contains(got[0].Remedy, "its own disk") {
		t.Fatalf("refusals %+v", got)
	}
	w.Accept = []plan.Risk{plan.Replace("etcd-2")}
	if host := reached(t, w, s).Hosts["etcd-2"]; !host.Reads {
		t.Errorf("not made anew: %+v", host.Member)
	}
}
