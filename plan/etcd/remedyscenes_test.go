package etcd

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/units"
)

// deadEnds come to every refusal. Most remedies are for people to follow, on a host or in the operator directory: then
// the world is as it was before it was spoiled.
func deadEnds(t *testing.T) []dead {
	t.Helper()
	w := wanted(t, 3)
	return slices.Concat(ofHosts(t, w), ofWriters(t, w), ofData(t, w), ofDirectories(t, w), ofCAs(t, w), ofMembers(t, w),
		ofMinors(t), ofRestarts(t, w), ofVersions(t, w), ofTLS(t), ofPermissions(t), ofAuth(t, w), ofPools(t), ofAlarms(t, w),
		ofLocks(t, w), ofSingles(t, w), ofUpkeep(t, w), ofMoves(t, w), ofRestores(t, w), ofRecoveries(t, w))
}

// mended is a world in which what was found is not there any more.
func mended(s facts.Snapshot) func(Want, facts.Snapshot) (Want, facts.Snapshot) {
	return func(w Want, _ facts.Snapshot) (Want, facts.Snapshot) { return w, s }
}

// spoiled is a world that one host was spoiled in, and is mended again.
func spoiled(name string, w Want, s facts.Snapshot, do func(*facts.Host)) dead {
	return dead{name: name, want: w, seen: change(s, "etcd-2", do), follow: mended(s)}
}

// reached is a world in which everything that was wanted is done.
func reached(t *testing.T, w Want, s facts.Snapshot) facts.Snapshot {
	t.Helper()
	for range 60 {
		stage, err := Next(w, s)
		if err != nil {
			t.Fatal(err)
		}
		if stage == nil {
			return s
		}
		s = Simulate(w, s, *stage)
	}
	t.Fatal("no end")
	return s
}

// ofWriters are what another clusterup wrote, or a member that keeps its data as another inventory said.
func ofWriters(t *testing.T, w Want) []dead {
	t.Helper()
	base := settled(t, w)
	newer := func(h *facts.Host) {
		unit := h.Files[UnitPath(w.Cluster)]
		unit.Content = []byte(strings.Replace(string(unit.Content), "-form: 3", "-form: 9, written by v9.0.0", 1))
		h.Files[UnitPath(w.Cluster)] = unit
	}
	destroyed := spoiled("a newer clusterup, destroyed by an older one", w, base, newer)
	destroyed.next = NextDestroy(false)
	return []dead{
		spoiled("a newer clusterup", w, base, newer), destroyed,
		spoiled("no directory in the command line", w, base, func(h *facts.Host) {
			h.Process = &facts.Process{PID: 9, Args: []string{"/usr/bin/etcd"}, User: "etcd-prod"}
		}),
		spoiled("another user", w, base, func(h *facts.Host) { running(func(p *facts.Process) { p.User = "etcd" })(w, h) }),
		spoiled("root", w, base, func(h *facts.Host) {
			stop(h)
			unit := h.Files[UnitPath(w.Cluster)]
			unit.Content = []byte(strings.Replace(string(unit.Content), "User=etcd-prod", "User=root", 1))
			h.Files[UnitPath(w.Cluster)] = unit
			h.Files["/var/lib/etcd-prod"] = facts.File{Kind: facts.Dir, Owner: "root", Group: "root", Mode: 0o700}
		}),
	}
}

func ofHosts(t *testing.T, w Want) []dead {
	t.Helper()
	empty, base := bare(w), settled(t, w)
	way := func(mode fs.FileMode) func(*facts.Host) {
		return func(h *facts.Host) {
			h.Ways = map[string]facts.File{"/etc/etcd": {Kind: facts.Dir, Owner: "root", Group: "root", Mode: mode}}
		}
	}
	shut := spoiled("a directory that is shut", w, empty, way(0o700))
	shut.follow = func(w Want, s facts.Snapshot) (Want, facts.Snapshot) { return w, change(s, "etcd-2", way(0o711)) }
	elsewhere := spoiled("another source", w, empty,
		func(h *facts.Host) { h.Sources = sourceOf("10.0.0.11", "10.0.0.99") })
	elsewhere.follow = func(w Want, s facts.Snapshot) (Want, facts.Snapshot) {
		w.Cluster = withMembers(w.Cluster, func(m *inventory.Member) { m.Names = []string{"10.0.0.99"} })
		return w, s
	}
	return []dead{
		spoiled("unreachable", w, base, func(h *facts.Host) {
			*h = facts.Host{Machine: facts.Machine{Name: h.Name, Unreachable: h.Name + ": connect: refused"}}
		}),
		spoiled("no systemd", w, empty, func(h *facts.Host) { h.Systemd = 0 }),
		spoiled("no such architecture", w, empty, func(h *facts.Host) { h.Arch = "mips" }),
		spoiled("a command is missing", w, empty, func(h *facts.Host) { h.Missing = []string{"flock"} }),
		spoiled("clock", w, empty, func(h *facts.Host) { h.ClockOffset = 24 * 3600e9 }),
		spoiled("port", w, empty, func(h *facts.Host) {
			h.Sockets = []facts.Socket{{Address: "*", Port: 2379, PID: 77, Process: "nginx"}}
		}),
		shut, elsewhere,
		spoiled("nobody can write", w, empty, func(h *facts.Host) { h.Sealed = []string{"/etc/etcd"} }),
		spoiled("masked", w, base, func(h *facts.Host) { h.Unit.Enabled = "masked" }),
		spoiled("drop-in", w, base, onHost(w, dropIn(func(s *facts.Start) { s.Command += " --max-txn-ops=7" }))),
		spoiled("a unit of another installer", w, base, func(h *facts.Host) {
			h.Files[UnitPath(w.Cluster)] = facts.File{
				Kind: facts.Regular, Mode: 0o644, Owner: "root", Group: "root",
				Content: []byte("[Unit]"),
			}
		}),
	}
}

func ofData(t *testing.T, w Want) []dead {
	t.Helper()
	empty, base := bare(w), settled(t, w)
	begun := after(t, w, "bootstrap: start all members side by side")
	mark := func(text string) func(*facts.Host) {
		return func(h *facts.Host) {
			file := h.Files[ConfigDir(w.Cluster)+"/born.json"]
			file.Content = []byte(text)
			h.Files[ConfigDir(w.Cluster)+"/born.json"] = file
		}
	}
	unmarked := func(s facts.Snapshot) facts.Snapshot {
		return change(s, "etcd-2", func(h *facts.Host) { delete(h.Files, ConfigDir(w.Cluster)+"/born.json") })
	}
	damaged := spoiled("marker damaged", w, base, mark("{"))
	damaged.follow = func(w Want, s facts.Snapshot) (Want, facts.Snapshot) { return w, unmarked(s) } // it is written anew
	lost := func(h *facts.Host) {
		wipe(h)
		delete(h.Files, ConfigDir(w.Cluster)+"/born.json")
	}
	known := begun
	known.Members = slices.Clone(base.Members)
	published := spoiled("lost before its birth was recorded", w, known, func(h *facts.Host) { wipe(h) })
	published.follow = func(w Want, _ facts.Snapshot) (Want, facts.Snapshot) { // clusterup destroy, and begin again
		return w, bare(w)
	}
	return []dead{
		damaged,
		spoiled("marker damaged, and no data", w, base, func(h *facts.Host) { mark("{")(h); wipe(h) }),
		spoiled("marker of another cluster", w, base, mark(`{"cluster_id":"abc","member_id":"def","token":"t"}`)),
		spoiled("marker of another member", w, base, func(h *facts.Host) {
			h.Files[ConfigDir(w.Cluster)+"/born.json"] = base.Hosts["etcd-1"].Files[ConfigDir(w.Cluster)+"/born.json"]
		}),
		spoiled("started by something else", w, base, func(h *facts.Host) {
			process := *h.Process
			process.Args = slices.DeleteFunc(slices.Clone(process.Args),
				func(arg string) bool { return strings.HasPrefix(arg, "--data-dir=") })
			h.Process = &process
		}),
		spoiled("data lost", w, base, wipe),
		published,
		spoiled("log damaged", w, base, func(h *facts.Host) { lost(h); h.Data = facts.Data{Exists: true, WAL: true} }),
		spoiled("data of another cluster", w, empty, func(h *facts.Host) {
			h.Data = facts.Data{Exists: true, WAL: true, ClusterID: 0xabc, MemberID: 0xdef}
		}),
		spoiled("disks swapped", w, base, func(h *facts.Host) { h.Data.MemberID = 7 }),
		spoiled("data and marker lost", w, base, lost),
		spoiled("something in the data directory", w, empty, func(h *facts.Host) {
			h.Data = facts.Data{Exists: true, Entries: []string{"precious"}}
		}),
		spoiled("a host of a bootstrap set up anew", w, begun, func(h *facts.Host) { *h = empty.Hosts["etcd-2"] }),
	}
}

func withMembers(c *inventory.Cluster, do func(*inventory.Member)) *inventory.Cluster {
	cluster := *c
	cluster.Members = slices.Clone(c.Members)
	for i := range cluster.Members {
		do(&cluster.Members[i])
	}
	return &cluster
}

func ofDirectories(t *testing.T, w Want) []dead {
	t.Helper()
	base := settled(t, w)
	keyless, without := base, base
	keyless.Operator.CAs = slices.Clone(base.Operator.CAs)
	for i := range keyless.Operator.CAs {
		keyless.Operator.CAs[i].Signing = false
	}
	without.Operator = facts.Operator{}
	others := base
	for _, name := range base.Names() {
		others = change(others, name, func(h *facts.Host) {
			for path, file := range h.Files {
				if strings.Contains(path, "/trust-") {
					file.Content = realCA(t)
					h.Files[path] = file
				}
			}
		})
	}
	known, unknown := realCA(t), realCA(t)
	beside := change(base, "etcd-2", func(h *facts.Host) {
		bundle := units.Trust(ConfigDir(w.Cluster), "client", append(append([]byte(nil), known...), unknown...))
		process := *h.Process
		process.Args = slices.Clone(process.Args)
		for i, arg := range process.Args {
			if strings.HasPrefix(arg, "--trusted-ca-file=") {
				process.Args[i] = "--trusted-ca-file=" + bundle.Path
			}
		}
		h.Process = &process
		h.Files[bundle.Path] = facts.File{
			Kind: facts.Regular, Mode: bundle.Mode, Owner: bundle.Owner, Group: bundle.Group,
			Content: bundle.Data,
		}
	})
	beside.Operator.CAs = slices.Clone(base.Operator.CAs)
	for i := range beside.Operator.CAs {
		if beside.Operator.CAs[i].Role == "client" {
			beside.Operator.CAs[i].PEM = known
		}
	}
	revoked := change(base, "etcd-2", func(h *facts.Host) {
		crl := units.CRL(ConfigDir(w.Cluster), "client", nil).Path
		file := h.Files[crl]
		file.Content = realList(t, 7, 8)
		h.Files[crl] = file
	})
	destroy := NextDestroy(false)
	return []dead{
		{name: "keys gone", want: w, seen: keyless, follow: mended(base)},
		{name: "no operator directory", want: w, seen: without, follow: mended(base)},
		{name: "another's operator directory", want: w, seen: others, follow: mended(base)},
		{name: "a CA that is not known", want: w, seen: beside},
		{name: "a revocation that is not known", want: w, seen: revoked},
		{name: "destroy, of another's", want: w, seen: others, next: destroy},
		{
			name: "destroy, data of another cluster", want: w, next: destroy, follow: mended(base),
			seen: change(base, "etcd-2", func(h *facts.Host) {
				h.Data.ClusterID = 0xabc
			}),
		},
		{
			name: "destroy, something in the data directory", want: w, next: destroy, follow: mended(bare(w)),
			seen: change(bare(w), "etcd-2", func(h *facts.Host) {
				h.Data = facts.Data{Exists: true, Entries: []string{"precious"}}
			}),
		},
	}
}
