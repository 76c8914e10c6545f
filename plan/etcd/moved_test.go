package etcd

import (
	"cmp"
	"errors"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// elsewhereIn has members, or all where none is named, with other directories.
func elsewhereIn(w Want, data, wal string, names ...string) Want {
	w.Cluster = withMembers(w.Cluster, func(m *inventory.Member) {
		if len(names) == 0 || slices.Contains(names, m.Name) {
			m.DataDir, m.WALDir = data, wal
		}
	})
	return w
}

// looked is what a look finds of data, which lay where the inventory said: where the unit says, else where it is to be.
func looked(w Want, s facts.Snapshot) facts.Snapshot {
	for _, m := range w.Cluster.Members {
		s = change(s, m.Name, func(h *facts.Host) {
			unit := units.Command(h.Files[UnitPath(w.Cluster)].Content)
			data, wal := units.Flag(unit, "data-dir"), units.Flag(unit, "wal-dir")
			if !h.Data.WAL || data == "" || data == m.DataDir && wal == walDir(m) {
				return
			}
			h.Data.Dir, h.Data.WALDir, h.Place = data, wal, &facts.Data{}
			if data == m.DataDir {
				h.Place = &facts.Data{Exists: true, Entries: []string{"member"}}
			}
		})
	}
	return s
}

func consentsOf(w Want) Want {
	for _, m := range w.Cluster.Members {
		w = agreed(w, plan.Replace(m.Name))
	}
	return w
}

// A member whose data is to lie elsewhere is removed, put aside where it lies, and added anew, one after the other, and
// each goes on where it is until its turn comes.
func TestMovedByConsent(t *testing.T) {
	usual := []string{"/var/lib/etcd-prod"}
	for name, test := range map[string]struct {
		members   int
		data, wal string
		of        []string // empty: all
		aside     [][]string
	}{
		"the data of all":  {3, "/srv/etcd", "", nil, [][]string{usual, usual, usual}},
		"the data of one":  {3, "/srv/etcd", "", []string{"etcd-1"}, [][]string{usual}},
		"the log of one":   {3, "/var/lib/etcd-prod", "/srv/log", []string{"etcd-2"}, [][]string{usual}},
		"both of one":      {5, "/srv/etcd", "/srv/log", []string{"etcd-2"}, [][]string{usual}},
		"of one of a pair": {2, "/srv/etcd", "", []string{"etcd-2"}, [][]string{usual}},
	} {
		t.Run(name, func(t *testing.T) {
			w := elsewhereIn(wanted(t, test.members), test.data, test.wal, test.of...)
			s := looked(w, settled(t, wanted(t, test.members)))
			_, err := Next(w, s)
			var refused *plan.Refused
			if !errors.As(err, &refused) || !refused.Only(plan.DataMoved) || len(refused.Refusals) != len(test.aside) {
				t.Fatalf("nobody has agreed: %v", err)
			}
			for _, r := range refused.Refusals {
				if !strings.Contains(r.Remedy, "--accept="+string(plan.Replace(r.Host))+",") {
					t.Errorf("%s: %s", r, r.Remedy)
				}
			}
			for _, m := range w.Cluster.Members {
				s = change(s, m.Name, func(h *facts.Host) {
					h.Sockets = []facts.Socket{{Address: "*", Port: 2380, PID: h.Process.PID, Process: "etcd"}}
				})
			}
			w = consentsOf(w)
			if joining := Joining(w, s); len(joining) != len(test.aside) {
				t.Errorf("preflight sees to %v", joining)
			}
			moves(t, w, s, test.aside)
		})
	}
}

// moves goes through a plan, and wants these directories put aside, each after its member was removed, and before the
// next one is.
func moves(t *testing.T, w Want, s facts.Snapshot, want [][]string) {
	t.Helper()
	var aside [][]string
	for range 100 {
		stage, err := Next(w, s)
		if err != nil {
			t.Fatal(err)
		}
		if stage == nil {
			break
		}
		if err := lawful(w, s, *stage); err != nil {
			t.Fatal(err)
		}
		for _, step := range stage.Steps {
			m, host := newView(w, s).named(step.Host)
			switch step.Kind {
			case plan.RestartMember, plan.PurgeData:
				t.Errorf("%s: %s", step.ID(), step.Why)
			case plan.RemoveMember:
				if _, made := host.Files[m.DataDir]; !made {
					t.Errorf("%s is removed before %s is there", m.Name, m.DataDir)
				}
				if v := newView(w, s); len(v.toCome()) > 0 {
					t.Errorf("%s is removed while %v are to come", m.Name, v.toCome())
				}
			case plan.MoveAside:
				var paths []string
				for _, p := range step.Paths {
					if !strings.HasSuffix(p.Path, "born.json") {
						paths = append(paths, p.Path)
					}
				}
				aside = append(aside, paths)
			}
		}
		s = Simulate(w, s, *stage)
	}
	if len(aside) != len(want) || slices.CompareFunc(aside, want, slices.Compare) != 0 {
		t.Errorf("put aside %v, want %v", aside, want)
	}
	for _, m := range w.Cluster.Members {
		args := s.Hosts[m.Name].Process.Args
		if units.Flag(args, "data-dir") != m.DataDir || units.Flag(args, "wal-dir") != walDir(m) {
			t.Errorf("%s runs with %s and %s", m.Name, units.Flag(args, "data-dir"), units.Flag(args, "wal-dir"))
		}
	}
}

// A member that is to lie elsewhere is otherwise kept as it is: what does not run is started where its data lies, and
// what is to restart restarts there.
func TestMovedMeanwhile(t *testing.T) {
	base := wanted(t, 3)
	w := consentsOf(elsewhereIn(base, "/srv/etcd", ""))
	whole := looked(w, settled(t, base))
	all := whole
	all.Members = nil
	for _, m := range w.Cluster.Members {
		all = change(all, m.Name, stop)
	}
	starts := advance(t, w, all, "start members")
	for name, host := range starts.Hosts {
		if dir := units.Flag(host.Process.Args, "data-dir"); dir != "/var/lib/etcd-prod" {
			t.Errorf("%s was started with %s", name, dir)
		}
	}
	starts.Members = whole.Members
	moves(t, w, starts, [][]string{{"/var/lib/etcd-prod"}, {"/var/lib/etcd-prod"}, {"/var/lib/etcd-prod"}})

	one := elsewhereIn(base, "/srv/etcd", "", "etcd-2")
	one.Accept = []plan.Risk{plan.Replace("etcd-2")}
	stage, err := Next(one, change(advance(t, one, looked(one, settled(t, base)), "put files right"), "etcd-2", stop))
	if err != nil || stage.Steps[0].Kind != plan.RemoveMember {
		t.Errorf("one that is down is first of all %+v, %v", stage, err)
	}
	flags := elsewhereIn(one, "/srv/etcd", "", "etcd-2")
	flagged(&flags)
	restarted := advance(t, flags, looked(flags, settled(t, base)), "restart etcd-2")
	host := restarted.Hosts["etcd-2"]
	if dir := units.Flag(host.Process.Args, "data-dir"); dir != "/var/lib/etcd-prod" || host.Data.Dir != dir {
		t.Errorf("restarted with %s", dir)
	}
}

// A member that was removed ends by itself, and may hold its ports for a moment when its process tells nothing any
// more.
func TestMovedEnding(t *testing.T) {
	base := wanted(t, 3)
	w := elsewhereIn(base, "/srv/etcd", "", "etcd-2")
	w.Accept = []plan.Risk{plan.Replace("etcd-2")}
	s := advance(t, w, looked(w, settled(t, base)), "remove etcd-2")
	s = change(s, "etcd-2", func(h *facts.Host) {
		h.Unit.Active = "active"
		h.Sockets = []facts.Socket{{Address: "*", Port: 2380}}
	})
	stage, err := Next(w, s)
	for err == nil && stage != nil && stage.Name != "put aside what removed members have left" {
		s = Simulate(w, s, *stage)
		stage, err = Next(w, s)
	}
	if err != nil || stage == nil || stage.Steps[0].Kind != plan.StopMember {
		t.Errorf("%+v, %v", stage, err)
	}
	if p, err := Build(w, s); err != nil {
		t.Errorf("it is not expected to go on after %d stages: %v", len(p.Stages), err)
	}
}

// claims has a member say of itself that its data lies where it would like to see something renamed.
func claims(h *facts.Host) {
	running(func(p *facts.Process) {
		for i, arg := range p.Args {
			if strings.HasPrefix(arg, "--data-dir=") {
				p.Args[i] = "--data-dir=/home/someone"
			}
		}
	})(Want{}, h)
}

// A new place that is not empty, or not apart from the old one, is refused before anything is done, consent or not; so
// is a place that only a liar could name.
func TestMovedRefused(t *testing.T) {
	base := wanted(t, 3)
	place := func(data facts.Data) func(*facts.Host) { return func(h *facts.Host) { h.Place = &data } }
	dir := func(data, wal string) func(*facts.Host) {
		return func(h *facts.Host) { h.Data.Dir, h.Data.WALDir = cmp.Or(data, h.Data.Dir), wal }
	}
	const usual, inSystem, atOnce = "/var/lib/etcd-prod", "no inventory could say", "is renamed as a whole"
	foreign := facts.Data{Exists: true, WAL: true, Entries: []string{"member"}, ClusterID: 7}
	for name, test := range map[string]struct {
		data, wal string
		do        func(*facts.Host)
		kind      plan.RefusalKind
		says      string
	}{
		"data of another cluster": {
			"/srv/etcd", "", place(foreign), plan.ForeignData, "/srv/etcd is not empty: it holds member",
		},
		"something": {
			"/srv/etcd", "", place(facts.Data{Exists: true, Entries: []string{"lost+found", "photos"}}),
			plan.ForeignData, "it holds photos",
		},
		"a log": {usual, "/srv/log", place(foreign), plan.ForeignData, "/srv/log is not empty: it holds wal"},
		"a file system": {
			"/srv/etcd", "", place(facts.Data{Exists: true, Entries: []string{"lost+found", AsidePrefix + "1"}}), "", "",
		},
		"inside the old one":        {usual + "/new", "", nil, plan.DataMoved, atOnce},
		"around the old one":        {"/var/lib", "", nil, plan.DataMoved, atOnce},
		"the log in the old data":   {"/srv/etcd", usual, nil, plan.DataMoved, atOnce},
		"a system directory":        {"/srv/etcd", "", dir("/etc", ""), plan.DataMoved, inSystem},
		"no clean path":             {"/srv/etcd", "", dir("/srv/../etc", ""), plan.DataMoved, inSystem},
		"a log in /usr":             {"/srv/etcd", "", dir("", "/usr/wal"), plan.DataMoved, inSystem},
		"a log of another name":     {"/srv/etcd", "", dir("", "/srv/x/log"), plan.DataMoved, inSystem},
		"a command line of its own": {"/srv/etcd", "", claims, plan.DataMoved, "runs with data in /home/someone"},
	} {
		w := elsewhereIn(base, test.data, test.wal, "etcd-2")
		s := looked(w, settled(t, base))
		if test.do != nil {
			s = change(s, "etcd-2", test.do)
		}
		for _, next := range []func(Want, facts.Snapshot) (*plan.Stage, error){Next, NextDestroy(false)} {
			_, err := next(consentsOf(w), s)
			var refused *plan.Refused
			switch errors.As(err, &refused); {
			case test.kind == "" && err != nil:
				t.Errorf("%s: %v", name, err)
			case test.kind != "" && (refused == nil || !refused.Only(test.kind) || !strings.Contains(err.Error(), test.says)):
				t.Errorf("%s: %v, want %s %q", name, err, test.kind, test.says)
			}
		}
	}
}

// Data that lies elsewhere than the inventory says is put aside, or deleted, there: with the cluster, or the member.
func TestMovedEnds(t *testing.T) {
	base := wanted(t, 3)
	w := elsewhereIn(base, "/srv/etcd", "/srv/log")
	s := looked(w, settled(t, base))
	all := func(p plan.Plan, kind plan.Kind) map[string]string {
		found := map[string]string{}
		for _, stage := range p.Stages {
			for _, step := range stage.Steps {
				if step.Kind == kind {
					for _, p := range step.Paths {
						found[step.Host] += p.Path + " "
					}
				}
			}
		}
		return found
	}
	for kind, purge := range map[plan.Kind]bool{plan.MoveAside: false, plan.PurgeData: true} {
		p, err := BuildWith(NextDestroy(purge), w, s)
		got := all(p, kind)
		if want := "/var/lib/etcd-prod "; err != nil || len(got) != 3 || got["etcd-2"] != want {
			t.Errorf("destroyed: %v, %v", got, err)
		}
	}
	gone := absent(elsewhereIn(base, "/srv/etcd", "", "etcd-2"), "etcd-2")
	p, err := Build(gone, looked(gone, settled(t, base)))
	if got := all(p, plan.MoveAside); err != nil || !maps.Equal(got, map[string]string{"etcd-2": "/var/lib/etcd-prod "}) {
		t.Errorf("taken out: %v, %v", got, err)
	}
	apart := elsewhereIn(base, "/srv/etcd", "/srv/log")
	s = looked(base, settled(t, apart))
	if at := newView(base, s).settled(base.Cluster.Members[0], s.Hosts["etcd-1"]); at.WALDir != path.Dir("/srv/log/wal") {
		t.Errorf("%+v", at)
	}
	p, err = BuildWith(NextDestroy(false), base, s)
	if got := all(p, plan.MoveAside); err != nil || got["etcd-1"] != "/srv/etcd /srv/log " {
		t.Errorf("destroyed, with a log of its own: %v, %v", got, err)
	}
}

// ofMoves are members whose data is to lie elsewhere.
func ofMoves(t *testing.T, w Want) []dead {
	t.Helper()
	base := settled(t, w)
	moved := elsewhereIn(w, "/srv/etcd", "")
	seen := looked(moved, base)
	back := func(_ Want, s facts.Snapshot) (Want, facts.Snapshot) { return w, base }
	alone := wanted(t, 1)
	aloneMoved, aloneSeen := elsewhereIn(alone, "/srv/etcd", ""), settled(t, alone)
	three, grownSeen := grown(t, 1, 3)
	minor := at(w, "3.7.3")
	before := settled(t, at(w, "3.6.16"))
	half := advance(t, minor, before, "etcd 3.6.16 → 3.7.3: restart")
	minorMoved := elsewhereIn(minor, "/srv/etcd", "")
	hung := seen
	hung.Members = nil
	for _, name := range []string{"etcd-1", "etcd-2", "etcd-3"} {
		hung = change(hung, name, func(h *facts.Host) { h.Etcd, h.Reads, h.EtcdError = nil, false, "deadline exceeded" })
	}
	changed := func(name string, do func(*facts.Host)) dead {
		return dead{name: name, want: moved, seen: change(seen, "etcd-2", do), follow: back}
	}
	return []dead{
		{name: "another data_dir", want: moved, seen: seen},
		{name: "another data_dir, and it is put back", want: moved, seen: seen, follow: back},
		{
			name: "another wal_dir", want: elsewhereIn(w, w.Cluster.DataDir, "/srv/log"),
			seen: looked(elsewhereIn(w, w.Cluster.DataDir, "/srv/log"), base),
		},
		{name: "another data_dir, and nobody tells the list", want: moved, seen: hung, follow: back},
		{
			name: "another data_dir of the only member", want: agreed(aloneMoved, plan.Replace("etcd-1")),
			seen: looked(aloneMoved, aloneSeen),
			follow: func(Want, facts.Snapshot) (Want, facts.Snapshot) {
				to := elsewhereIn(three, "/srv/etcd", "")
				return consentsOf(to), looked(to, grownSeen)
			},
		},
		{
			name: "another data_dir, and another minor version is to begin", want: consentsOf(minorMoved),
			seen: looked(minorMoved, before),
			follow: func(Want, facts.Snapshot) (Want, facts.Snapshot) {
				now := consentsOf(elsewhereIn(at(w, "3.6.16"), "/srv/etcd", ""))
				return minorMoved, reached(t, now, looked(now, before))
			},
		},
		{
			name: "another data_dir on the way to another minor version", want: consentsOf(minorMoved),
			seen: looked(minorMoved, half),
			follow: func(Want, facts.Snapshot) (Want, facts.Snapshot) {
				return consentsOf(minorMoved), looked(minorMoved, reached(t, minor, half))
			},
		},
		{
			name: "a directory in the old one", want: elsewhereIn(w, "/var/lib/etcd-prod/new", "", "etcd-2"),
			seen: looked(elsewhereIn(w, "/var/lib/etcd-prod/new", "", "etcd-2"), base),
			follow: func(Want, facts.Snapshot) (Want, facts.Snapshot) {
				beside := consentsOf(elsewhereIn(w, "/var/lib/etcd-new", "", "etcd-2"))
				return beside, looked(beside, base)
			},
		},
		changed("a directory that no inventory could name", func(h *facts.Host) { h.Data.Dir = "/etc" }),
		changed("a command line that says another directory than its unit", claims),
		changed("a new place that is not empty", func(h *facts.Host) {
			h.Place = &facts.Data{Exists: true, Entries: []string{"photos"}}
		}),
	}
}

// Members that are made anew one after the other leave the cluster with one voter less, and not with none.
func TestNoteOfVotes(t *testing.T) {
	w := elsewhereIn(wanted(t, 3), "/srv/etcd", "")
	s := looked(w, settled(t, wanted(t, 3)))
	for _, m := range w.Cluster.Members {
		w.Accept = append(w.Accept, plan.Replace(m.Name))
	}
	p, _ := Build(w, s)
	if !slices.ContainsFunc(p.Notes, func(note string) bool {
		return strings.Contains(note, "one after the other, the cluster has 2 voters, and goes on while 2 of them serve")
	}) {
		t.Errorf("notes %q", p.Notes)
	}
}

// A member that is made anew on a host which still goes to its peers from an older address keeps that in its names:
// peers compare the two.
func TestNamesOfAnewMember(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	w.Cluster.Members[1].PeerAddress = "10.0.0.99"
	host := s.Hosts["etcd-2"]
	stop(&host)
	host.Sources = map[netip.Addr]netip.Addr{netip.MustParseAddr("10.0.0.11"): netip.MustParseAddr("10.0.0.12")}
	v := newView(w, change(s, "etcd-2", func(h *facts.Host) { *h = host }))
	got := v.names(w.Cluster.Members[1], host)
	if !slices.Contains(got, "10.0.0.12") || !slices.Contains(got, "10.0.0.99") {
		t.Errorf("names %q", got)
	}
	leaf := host.Leaves["peer"]
	leaf.Issuer = "of somebody else"
	host.Leaves = map[string]facts.Leaf{"peer": leaf}
	w.Cluster.Members[1].Address, w.Cluster.Members[1].ClientAddress = "10.0.0.99", "10.0.0.99"
	if got := v.names(w.Cluster.Members[1], host); slices.Contains(got, "10.0.0.12") {
		t.Errorf("a stranger's certificate is believed: %q", got)
	}
}
