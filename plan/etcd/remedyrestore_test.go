package etcd

import (
	"slices"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// restoredFrom is NextRestore as a run asks it.
func restoredFrom(w Want, s facts.Snapshot) (*plan.Stage, error) {
	return NextRestore(RestoreWant(w, s), s)
}

// restoringUpTo is a restore up to a stage; "": to its end.
func restoringUpTo(t *testing.T, w Want, s facts.Snapshot, last string) facts.Snapshot {
	t.Helper()
	return restoringBy(t, w, s, last, func(plan.Step) {})
}

// restoringBy is the same, and shows its steps.
func restoringBy(t *testing.T, w Want, s facts.Snapshot, last string, show func(plan.Step)) facts.Snapshot {
	t.Helper()
	return remadeUpTo(t, func(w Want, s facts.Snapshot) (*plan.Stage, error) {
		stage, err := NextRestore(w, s)
		if stage != nil {
			for _, step := range stage.Steps {
				show(step)
			}
		}
		return stage, err
	}, w, s, last)
}

// recoveredUpTo is a recovery up to a stage; "": to its end.
func recoveredUpTo(t *testing.T, w Want, s facts.Snapshot, last string) facts.Snapshot {
	t.Helper()
	return remadeUpTo(t, NextRecover, w, s, last)
}

func remadeUpTo(
	t *testing.T, next func(Want, facts.Snapshot) (*plan.Stage, error), w Want, s facts.Snapshot, last string,
) facts.Snapshot {
	t.Helper()
	w = RestoreWant(w, s)
	for range 30 {
		stage, err := next(w, s)
		if err != nil {
			t.Fatal(err)
		}
		if stage == nil {
			return s
		}
		s = Simulate(w, s, *stage)
		if stage.Name == last {
			return s
		}
	}
	t.Fatalf("no stage %q on the way", last)
	return s
}

func ofRestores(t *testing.T, w Want) []dead {
	t.Helper()
	base := settled(t, w)
	from := restoration(w, "first")
	type then func(Want, facts.Snapshot) (Want, facts.Snapshot)
	with := func(name string, do func(*Want), s facts.Snapshot, follow then) dead {
		w, r := from, *from.Restore
		w.Restore = &r
		do(&w)
		return dead{name: name, want: w, seen: s, next: restoredFrom, follow: follow}
	}
	as := func(version string) func(Want, facts.Snapshot) (Want, facts.Snapshot) {
		return func(w Want, s facts.Snapshot) (Want, facts.Snapshot) {
			c := *w.Cluster
			c.Version, w.Cluster = version, &c
			r := w.Releases["3.6.16/amd64"]
			r.Version = version
			w.Releases = map[string]plan.Release{r.Pin(): r}
			return w, s
		}
	}
	nothing := func(*Want) {}
	started := restoringUpTo(t, from, base, "start all members side by side")
	over := restoringUpTo(t, from, base, "")
	moved := func(s facts.Snapshot) func(*facts.Host) {
		return func(h *facts.Host) { h.Data = s.Hosts[h.Name].Data }
	}
	foreign := change(bare(w), "etcd-2", func(h *facts.Host) { h.Data = facts.Data{Exists: true, WAL: true, ClusterID: 99, MemberID: 9} })
	precious := change(bare(w), "etcd-2", func(h *facts.Host) { h.Data = facts.Data{Exists: true, Entries: []string{"photos"}} })
	full := change(base, "etcd-2", func(h *facts.Host) {
		h.Rooms = map[string]facts.Room{"data": {Dir: "/var/lib", Size: 1 << 40, Free: 1 << 20}}
	})
	fullLog := change(base, "etcd-2", func(h *facts.Host) {
		h.Rooms = map[string]facts.Room{"wal": {Dir: "/wal", Size: 1 << 40, Free: 100 << 20}}
	})
	both := change(base, "etcd-2", func(h *facts.Host) {
		one := facts.Room{Dir: "/var/lib", Size: 1 << 40, Free: 1 << 20}
		h.Rooms = map[string]facts.Room{"data": one, "wal": one}
	})
	if found := (dead{want: from, seen: both, next: restoredFrom}).refused(t, from, both); len(found) != 1 {
		t.Errorf("one file system that is full: %v", found)
	}
	goOn := func(w Want, s facts.Snapshot) (Want, facts.Snapshot) { return w, restoringUpTo(t, from, s, "") }
	half := restoringUpTo(t, from, base, "stop all members")
	torn := change(half, "etcd-2", func(h *facts.Host) {
		mark, _ := units.ParseRestoring(h.Files[units.RestoringPath(ConfigDir(w.Cluster))].Content)
		mark.Members = mark.Members[:2]
		simulateFile(units.Mark(ConfigDir(w.Cluster), mark), h)
	})
	moved3 := func(w *Want) {
		c := *w.Cluster
		c.Members = slices.Clone(c.Members)
		c.Members[2].PeerAddress = "10.0.0.33"
		w.Token, w.Cluster = "second", &c
	}
	unread := change(base, "etcd-2", func(h *facts.Host) {
		h.Files[units.RestoringPath(ConfigDir(w.Cluster))] = facts.File{Kind: facts.Regular, Content: []byte("{")}
	})
	stranger := base
	stranger.Members = append(slices.Clone(base.Members), facts.Listed{
		ID: 99, Name: "etcd-9", PeerURLs: []string{"https://10.0.0.19:2380"}, ClientURLs: []string{"https://10.0.0.19:2379"},
	})
	begun := change(base, "etcd-3", darkly)
	two := from
	two.Accept = []plan.Risk{plan.Gone("etcd-3")}
	begun = restoringUpTo(t, two, begun, "stop all members")
	begun.Hosts["etcd-3"] = base.Hosts["etcd-3"]
	return []dead{
		{
			name: "back in the middle", want: RestoreWant(from, begun), seen: begun, next: NextRestore,
			follow: mended(change(begun, "etcd-3", stop)),
		},
		{name: "a restore is under way", want: w, seen: restoringUpTo(t, from, base, "stop all members"), follow: goOn},
		with("another snapshot", func(w *Want) { w.Token, w.Restore.Snapshot.SHA256 = "second", "6b6b" },
			restoringUpTo(t, from, base, "put data aside"), nil),
		with("of an older minor", func(w *Want) { w.Restore.Snapshot.Version = "3.5.35" }, base, as("3.5.35")),
		with("of an older minor, not described", func(w *Want) { w.Restore.Snapshot.Version = "3.5" }, base, as("3.5.35")),
		with("of a newer minor", func(w *Want) { w.Restore.Snapshot.Version = "3.7.3" }, base, as("3.7.3")),
		with("of a newer patch", func(w *Want) { w.Restore.Snapshot.Version = "3.6.99" }, base, as("3.6.99")),
		with("once more", func(w *Want) { w.Token = "second" }, over, nil),
		with("most are gone", func(w *Want) { w.Accept = []plan.Risk{plan.Gone("etcd-2"), plan.Gone("etcd-3")} },
			quorumless(change(change(started, "etcd-2", darkly), "etcd-3", darkly)), mended(started)),
		with("marks differ", func(w *Want) { w.Token = "second" }, torn, nil),
		with("another address in the middle", moved3, started, nil),
		{name: "an unreadable mark", want: w, seen: unread, follow: mended(base)},
		with("a member that the inventory has not", nothing, stranger, nil),
		with("other data", nothing, foreign, mended(bare(w))),
		with("no data of etcd", nothing, precious, mended(bare(w))),
		with("no room", nothing, full, mended(base)),
		with("no room for the log", nothing, fullLog, mended(base)),
		with("lost since", nothing, change(started, "etcd-2", wipe), mended(change(started, "etcd-2", moved(started)))),
		with("lost since, for good", nothing, change(started, "etcd-2", wipe), func(w Want, s facts.Snapshot) (Want, facts.Snapshot) {
			w.Token, w.Accept = "second", []plan.Risk{plan.Again}
			return w, s
		}),
	}
}

// alone is etcd-1 in a list that has no other.
func alone(id facts.ID) facts.Listed {
	return facts.Listed{
		ID: id, Name: "etcd-1", PeerURLs: []string{"https://10.0.0.11:2380"}, ClientURLs: []string{"https://10.0.0.11:2379"},
	}
}

// recoveredFrom is NextRecover as a run asks it.
func recoveredFrom(w Want, s facts.Snapshot) (*plan.Stage, error) {
	return NextRecover(RestoreWant(w, s), s)
}

func ofRecoveries(t *testing.T, w Want) []dead {
	t.Helper()
	base := settled(t, w)
	want := recovering(w, "first")
	wiped := quorumless(change(change(base, "etcd-2", wipe), "etcd-3", wipe))
	stopped := quorumless(change(change(base, "etcd-2", stop), "etcd-3", stop))
	none := change(wiped, "etcd-1", wipe)
	saved := none
	saved.Operator.Snapshots = []facts.SavedSnapshot{{
		SHA256: "5a5a", Version: "3.6.16", Revision: 1000, Taken: noon, ClusterID: base.Hosts["etcd-1"].Data.ClusterID,
	}}
	gone := func(s facts.Snapshot) facts.Snapshot { // the snapshot of a member's data was not brought along
		s.Operator.Snapshots = nil
		return s
	}
	restored := restoringUpTo(t, restoration(w, "first"), wiped, "stop all members")
	salvaged := recoveredUpTo(t, want, wiped, "put data aside")
	is := func(name string, s facts.Snapshot, follow func(Want, facts.Snapshot) (Want, facts.Snapshot)) dead {
		return dead{name: name, want: want, seen: s, next: recoveredFrom, follow: follow}
	}
	older := want
	cluster := *w.Cluster
	cluster.Version, older.Cluster = "3.7.3", &cluster
	r := w.Releases["3.6.16/amd64"]
	r.Version = "3.7.3"
	older.Releases = map[string]plan.Release{r.Pin(): r}
	unpacked := change(wiped, "etcd-1", func(h *facts.Host) { h.Binaries = nil })
	given := recovering(w, "recovered")
	given.Accept = []plan.Risk{plan.Gone("etcd-2"), plan.Gone("etcd-3")}
	dark := quorumless(change(change(base, "etcd-2", darkly), "etcd-3", darkly))
	back := recoveredUpTo(t, given, dark, "")
	own := back.Hosts["etcd-1"].Data
	back.Hosts = map[string]facts.Host{
		"etcd-1": back.Hosts["etcd-1"], "etcd-2": base.Hosts["etcd-2"], "etcd-3": base.Hosts["etcd-3"],
	}
	back.Cluster, back.Members = own.ClusterID, []facts.Listed{alone(own.MemberID)}
	return []dead{
		{name: "back with the disks of the cluster before", want: w, seen: back},
		is("a restore is under way, and a recovery is asked for", restored, func(Want, facts.Snapshot) (Want, facts.Snapshot) {
			return recovering(w, "second"), quorumless(change(change(restoringUpTo(t, restoration(w, "first"), restored, ""), "etcd-2", wipe), "etcd-3", wipe))
		}),
		is("the snapshot is elsewhere", gone(salvaged), mended(salvaged)),
		is("nothing is left", none, mended(saved)),
		is("no cluster", bare(w), mended(wiped)),
		is("it serves", base, mended(wiped)),
		is("enough have their data", stopped, mended(wiped)),
		is("no release", unpacked, mended(wiped)),
		{name: "another minor", want: older, seen: wiped, next: recoveredFrom, follow: func(_ Want, s facts.Snapshot) (Want, facts.Snapshot) {
			return want, s
		}},
	}
}
