package etcd

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// stop is a member that is not running any more.
func stop(h *facts.Host) {
	h.Process, h.Etcd, h.V2Store, h.Reads, h.Unit.Active = nil, nil, nil, false, "inactive"
}

// wipe is a host whose data directory is gone, and with it whatever ran on it.
func wipe(h *facts.Host) {
	stop(h)
	h.Data = facts.Data{Exists: h.Data.Exists}
}

// withUnit is a host with another text in its unit file.
func withUnit(w Want, h facts.Host, old, text string) facts.Host {
	h = copyHost(h)
	file := h.Files[UnitPath(w.Cluster)]
	file.Content = bytes.ReplaceAll(file.Content, []byte(old), []byte(text))
	h.Files[UnitPath(w.Cluster)] = file
	return h
}

// after is what is seen when the stages of a bootstrap have run up to the named one; "" is bare.
func after(t *testing.T, w Want, last string) facts.Snapshot {
	t.Helper()
	s := bare(w)
	if last == "" {
		return s
	}
	for range 20 {
		stage, err := Next(w, s)
		if err != nil || stage == nil {
			break
		}
		if stage.Name == whole && last == born {
			stage.Steps = slices.DeleteFunc(stage.Steps, func(s plan.Step) bool { return s.Kind != plan.RecordBirth })
			return Simulate(w, s, *stage)
		}
		if s = Simulate(w, s, *stage); stage.Name == last {
			return s
		}
	}
	t.Fatalf("no stage %q on the way", last)
	return s
}

// condition is a state in which one host may be found. It begins as a host is after a stage of the bootstrap.
type condition struct {
	name  string
	stage string
	do    func(w Want, h *facts.Host)
}

const (
	fresh    = ""
	prepared = "prepare hosts"
	started  = "bootstrap: start all members side by side"
	whole    = "record the birth of the cluster"
	born     = whole + ", before the units say so"
)

func as(do func(h *facts.Host)) func(Want, *facts.Host) { return func(_ Want, h *facts.Host) { do(h) } }

func running(do func(p *facts.Process)) func(Want, *facts.Host) {
	return as(func(h *facts.Host) {
		p := *h.Process
		p.Args = slices.Clone(p.Args)
		do(&p)
		h.Process = &p
	})
}

func marker(text string) func(Want, *facts.Host) {
	return func(w Want, h *facts.Host) {
		name := ConfigDir(w.Cluster) + "/born.json"
		delete(h.Files, name)
		if text != "" {
			h.Files[name] = facts.File{Kind: facts.Regular, Mode: 0o644, Owner: "root", Group: "root", Content: []byte(text)}
		}
	}
}

// common are the conditions of which every combination is walked; rare ones are combined at random.
var common = []condition{
	{"bare", fresh, nil},
	{"prepared", prepared, nil},
	{"prepared with another token", prepared, func(w Want, h *facts.Host) { *h = withUnit(w, *h, w.Token, "another") }},
	{"started", started, nil},
	{"started, then stopped", started, as(stop)},
	{"started, then wiped", started, as(wipe)},
	{"whole", whole, nil},
	{"stopped", whole, as(stop)},
	{"wiped", whole, as(wipe)},
	{"other flags", whole, running(func(p *facts.Process) { p.Args = append(p.Args, "--max-txn-ops=7") })},
}

var rare = []condition{
	{"died during its first start", prepared, as(func(h *facts.Host) { h.Data.Entries = []string{"member"} })},
	{"born", born, nil},
	{"born, then stopped", born, as(stop)},
	{"failed", whole, as(func(h *facts.Host) { stop(h); h.Unit.Active, h.Unit.Result = "failed", "exit-code" })},
	{"hangs", whole, as(func(h *facts.Host) { h.Reads = false })},
	{"does not answer", whole, as(func(h *facts.Host) { h.Etcd, h.Reads = nil, false })},
	{"hangs, with other flags", whole, func(w Want, h *facts.Host) {
		running(func(p *facts.Process) { p.Args = append(p.Args, "--max-txn-ops=7") })(w, h)
		h.Reads = false
	}},
	{"marker lost", whole, marker("")},
	{"marker and data lost", whole, func(w Want, h *facts.Host) { marker("")(w, h); wipe(h) }},
	{"marker of another cluster", whole, marker(`{"cluster_id":"abc","member_id":"def","token":"t"}`)},
	{"marker cut short", whole, marker(`{"cluster_id":`)},
	{"unreachable", fresh, as(func(h *facts.Host) {
		*h = facts.Host{Machine: facts.Machine{Name: h.Name, Unreachable: "connect: refused"}}
	})},
	{"foreign data", fresh, as(func(h *facts.Host) {
		h.Data = facts.Data{Exists: true, WAL: true, ClusterID: 7, MemberID: 8}
	})},
	{"data that cannot be read", fresh, as(func(h *facts.Host) { h.Data = facts.Data{Exists: true, WAL: true} })},
	{"data of another member", whole, as(func(h *facts.Host) { stop(h); h.Data.MemberID++ })},
	{
		"something in the data directory", fresh,
		as(func(h *facts.Host) { h.Data = facts.Data{Exists: true, Entries: []string{"notes"}} }),
	},
	{"runs elsewhere", prepared, as(func(h *facts.Host) {
		h.Process = &facts.Process{PID: 9, Args: []string{"/usr/bin/etcd", "--data-dir=/elsewhere"}}
		h.Etcd = &facts.Status{ClusterID: 7, MemberID: 8, Leader: 8}
		h.Reads, h.Unit.Active = true, "active"
	})},
	{"runs elsewhere, as the environment says", prepared, as(func(h *facts.Host) {
		h.Process = &facts.Process{PID: 9, Args: []string{"/usr/bin/etcd"}}
		h.Etcd = &facts.Status{ClusterID: 7, MemberID: 8, Leader: 8}
		h.Reads, h.Unit.Active = true, "active"
	})},
	{"hangs, with other flags, no marker", whole, func(w Want, h *facts.Host) {
		running(func(p *facts.Process) { p.Args = append(p.Args, "--max-txn-ops=7") })(w, h)
		marker("")(w, h)
		h.Reads = false
	}},
	{"no answer, with other flags", whole, func(w Want, h *facts.Host) {
		running(func(p *facts.Process) { p.Args = append(p.Args, "--max-txn-ops=7") })(w, h)
		h.Etcd, h.Reads = nil, false
	}},
	{"disabled", whole, as(func(h *facts.Host) { h.Unit.Enabled = "disabled" })},
	{"masked", whole, as(func(h *facts.Host) { h.Unit.Enabled = "masked" })},
	{"not reloaded", whole, as(func(h *facts.Host) { h.Unit.NeedsReload = true })},
	{"unit gone", whole, func(w Want, h *facts.Host) { delete(h.Files, UnitPath(w.Cluster)) }},
	{"unit gone, stopped, no marker", whole, func(w Want, h *facts.Host) {
		marker("")(w, h)
		delete(h.Files, UnitPath(w.Cluster))
		stop(h)
	}},
	{"binary missing", whole, as(func(h *facts.Host) {
		delete(h.Files, BinDir(testRelease)+"/etcd")
		delete(h.Binaries, BinDir(testRelease)+"/etcd")
	})},
	{"runs an altered binary", whole, running(func(p *facts.Process) { p.SameAs, p.SHA256 = "", "evil" })},
	{"pair broken", whole, as(func(h *facts.Host) {
		leaf := h.Leaves["peer"]
		leaf.Intact = false
		h.Leaves["peer"] = leaf
	})},
	{"leaf about to end", whole, as(func(h *facts.Host) {
		leaf := h.Leaves["server"]
		leaf.NotAfter = noon.AddDate(0, 0, 1)
		h.Leaves["server"] = leaf
	})},
	{"trust gone", whole, as(func(h *facts.Host) {
		for name := range h.Files {
			if strings.Contains(name, "/trust-") {
				delete(h.Files, name)
			}
		}
	})},
	{"data open to all", whole, func(w Want, h *facts.Host) {
		file := h.Files["/var/lib/etcd-prod"]
		file.Mode = 0o755
		h.Files["/var/lib/etcd-prod"] = file
	}},
	{"no systemd", fresh, as(func(h *facts.Host) { h.Systemd = 0 })},
	{"clock off", whole, as(func(h *facts.Host) { h.ClockOffset = 3600e9 })},
	{"port taken", fresh, as(func(h *facts.Host) {
		h.Sockets = []facts.Socket{{Address: "*", Port: 2380, PID: 7, Process: "nginx"}}
	})},
	{"drop-in", whole, func(w Want, h *facts.Host) {
		running(func(p *facts.Process) { p.Args = append(p.Args, "--max-txn-ops=7") })(w, h)
		dropIn(func(s *facts.Start) { s.Command += " --max-txn-ops=7" })(w, h)
	}},
	{"variables", whole, running(func(p *facts.Process) { p.Variables = []string{"ETCD_UNSAFE_NO_FSYNC", "GOGC"} })},
	{"variables of a drop-in", whole, dropIn(func(s *facts.Start) {
		s.Variables = []facts.Variable{{Name: "ETCD_FORCE_NEW_CLUSTER"}}
	})},
	{"a drop-in without harm, and other flags", whole, func(w Want, h *facts.Host) {
		running(func(p *facts.Process) { p.Args = append(p.Args, "--max-txn-ops=7") })(w, h)
		dropIn(nil)(w, h)
	}},
	{"a drop-in that is not read yet, and other flags", whole, func(w Want, h *facts.Host) {
		running(func(p *facts.Process) { p.Args = append(p.Args, "--max-txn-ops=7") })(w, h)
		h.Unit.NeedsReload = true
	}},
}

// dropIn is one that changes what the unit file says about the next start; nil: nothing that matters.
func dropIn(change func(*facts.Start)) func(Want, *facts.Host) {
	return func(w Want, h *facts.Host) {
		h.Unit.DropIns = []string{"/etc/systemd/system/etcd-prod.service.d/mine.conf"}
		start := startOf(h.Files[UnitPath(w.Cluster)].Content)
		if change != nil {
			change(&start)
		}
		h.Unit.Start = &start
	}
}

// scenes makes Snapshots of hosts in given conditions; what was seen after each stage is found once.
type scenes struct {
	w      Want
	stages map[string]facts.Snapshot
}

func newScenes(t *testing.T, w Want) scenes {
	t.Helper()
	sc := scenes{w, map[string]facts.Snapshot{}}
	for _, name := range []string{fresh, prepared, started, born, whole} {
		sc.stages[name] = after(t, w, name)
	}
	return sc
}

// scene has each host in its condition, and the members that run in one cluster, if they are enough.
func (sc scenes) scene(conditions []condition) facts.Snapshot {
	s := facts.Snapshot{Taken: noon, Hosts: map[string]facts.Host{}, Operator: sc.stages[whole].Operator, Simulated: true}
	for i, c := range conditions {
		name := sc.w.Cluster.Members[i].Name
		s.Hosts[name] = copyHost(sc.stages[c.stage].Hosts[name])
	}
	s = simulateCluster(sc.w, s)
	for i, c := range conditions {
		name := sc.w.Cluster.Members[i].Name
		host := s.Hosts[name]
		if c.do != nil {
			c.do(sc.w, &host)
		}
		s.Hosts[name] = host
	}
	return sc.settle(s)
}

// settle takes from members what they cannot have alone: a leader, once too few of them run.
func (sc scenes) settle(s facts.Snapshot) facts.Snapshot {
	up := 0
	for _, host := range s.Hosts {
		if host.Process != nil && host.Data.WAL {
			up++
		}
	}
	if up > len(sc.w.Cluster.Members)/2 {
		return s
	}
	for name, host := range s.Hosts {
		if host.Etcd != nil && host.Data.WAL {
			status := *host.Etcd
			status.Leader = 0
			host.Etcd, host.Reads = &status, false
			s.Hosts[name] = host
		}
	}
	return s
}
