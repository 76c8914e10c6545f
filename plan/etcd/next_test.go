package etcd

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// stageNames are the stages of a plan, in order.
func stageNames(p plan.Plan) []string {
	var names []string
	for _, stage := range p.Stages {
		names = append(names, stage.Name)
	}
	return names
}

func build(t *testing.T, w Want, s facts.Snapshot) plan.Plan {
	t.Helper()
	p, err := Build(w, s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestBootstrapOrder(t *testing.T) {
	for _, n := range []int{1, 3, 5} {
		w := wanted(t, n)
		got := stageNames(build(t, w, bare(w)))
		want := []string{
			"operator directory", "prepare hosts", "bootstrap: start all members side by side",
			"record the birth of the cluster",
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d members: stages %q, want %q", n, got, want)
		}
	}
}

// Law 9: apply, then plan: empty; twice the same facts: the same plan, byte for byte.
func TestSettledIsEmpty(t *testing.T) {
	for _, n := range []int{1, 3, 5} {
		w := wanted(t, n)
		if p := build(t, w, settled(t, w)); !p.Empty() {
			t.Errorf("%d members: %q is left to do", n, stageNames(p))
		}
	}
}

func TestSameFactsSamePlan(t *testing.T) {
	w := wanted(t, 5)
	first, err := json.Marshal(build(t, w, bare(w)))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		again, err := json.Marshal(build(t, w, bare(w)))
		if err != nil {
			t.Fatal(err)
		}
		if string(again) != string(first) {
			t.Fatal("two plans from the same facts differ")
		}
	}
}

// Drift of one host leads to steps on that host only, and restarts it only when it runs with something else than is
// wanted.
func TestRepair(t *testing.T) {
	w := wanted(t, 3)
	base := settled(t, w)
	unit := UnitPath(w.Cluster)
	bin := BinDir(testRelease)
	tests := map[string]struct {
		drift func(*facts.Host)
		want  []string
	}{
		"unit edited by hand": {func(h *facts.Host) {
			file := h.Files[unit]
			file.Content = append(slices.Clone(file.Content), "# mine\n"...)
			h.Files[unit] = file
		}, []string{"write-unit/etcd-2"}},
		"unit edited and the member restarted with it": {func(h *facts.Host) {
			file := h.Files[unit]
			file.Content = append(slices.Clone(file.Content), "# mine\n"...)
			h.Files[unit] = file
			process := *h.Process
			process.Args = append(slices.Clone(process.Args), "--max-txn-ops=7")
			h.Process = &process
		}, []string{"write-unit/etcd-2", "restart-member/etcd-2"}},
		"unit changed on disk, not reloaded": {
			func(h *facts.Host) { h.Unit.NeedsReload = true },
			[]string{"reload-units/etcd-2"},
		},
		"unit disabled": {
			func(h *facts.Host) { h.Unit.Enabled = "disabled" },
			[]string{"enable-unit/etcd-2"},
		},
		"member stopped": {func(h *facts.Host) {
			h.Process, h.Etcd, h.Reads, h.Unit.Active = nil, nil, false, "inactive"
		}, []string{"start-member/etcd-2"}},
		"binary deleted under the running member": {func(h *facts.Host) {
			delete(h.Files, bin+"/etcd")
			delete(h.Binaries, bin+"/etcd")
			process := *h.Process
			process.SameAs, process.Exe, process.SHA256 = "", bin+"/etcd (deleted)", "e0"
			h.Process = &process
		}, []string{"install-release/etcd-2"}},
		"etcdctl altered": {func(h *facts.Host) { h.Binaries[bin+"/etcdctl"] = "evil" }, []string{"install-release/etcd-2"}},
		"runs an altered binary": {func(h *facts.Host) {
			process := *h.Process
			process.SameAs, process.SHA256 = "", "evil"
			h.Process = &process
		}, []string{"restart-member/etcd-2"}},
		"data directory open to all": {func(h *facts.Host) {
			file := h.Files["/var/lib/etcd-prod"]
			file.Mode = 0o755
			h.Files["/var/lib/etcd-prod"] = file
		}, []string{"fix-modes/etcd-2"}},
		"trust bundle gone": {func(h *facts.Host) {
			for name := range h.Files {
				if strings.Contains(name, "trust-peer") {
					delete(h.Files, name)
				}
			}
		}, []string{"write-trust/etcd-2"}},
		"server pair broken": {func(h *facts.Host) {
			leaf := h.Leaves["server"]
			leaf.Intact = false
			h.Leaves["server"] = leaf
		}, []string{"issue-leaf/server/etcd-2"}},
		"hangs": {func(h *facts.Host) { h.Reads = false }, []string{"await-member/etcd-2"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, stage := range build(t, w, change(base, "etcd-2", test.drift)).Stages {
				for _, step := range stage.Steps {
					got = append(got, step.ID())
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("steps %q, want %q", got, test.want)
			}
		})
	}
}

func refusals(t *testing.T, w Want, s facts.Snapshot) []plan.Refusal {
	t.Helper()
	stage, err := Next(w, s)
	var refused *plan.Refused
	if !errors.As(err, &refused) {
		t.Fatalf("stage %s, error %v; want a refusal", said(stage), err)
	}
	for _, r := range refused.Refusals {
		if r.Kind != plan.Unreachable && r.Remedy == "" {
			t.Errorf("%s: no remedy", r)
		}
	}
	return refused.Refusals
}

func TestRefusals(t *testing.T) {
	w := wanted(t, 3)
	base := settled(t, w)
	conf := ConfigDir(w.Cluster)
	tests := map[string]struct {
		from facts.Snapshot
		host string
		do   func(*facts.Host)
		kind plan.RefusalKind
		says string
	}{
		"unreachable": {bare(w), "etcd-2", func(h *facts.Host) {
			*h = facts.Host{Machine: facts.Machine{Name: "etcd-2", Unreachable: "etcd-2: connect: refused"}}
		}, plan.Unreachable, "connect: refused"},
		"unasked": {
			base, "etcd-2", func(h *facts.Host) { h.Etcd, h.Reads, h.Unasked = nil, false, "forwards nothing" },
			plan.Unreachable, "forwards nothing",
		},
		"no systemd":   {bare(w), "etcd-2", func(h *facts.Host) { h.Systemd = 0 }, plan.Unsuitable, "systemd"},
		"architecture": {bare(w), "etcd-2", func(h *facts.Host) { h.Arch = "mips" }, plan.Unsuitable, "mips"},
		"clock": {
			bare(w), "etcd-2", func(h *facts.Host) { h.ClockOffset = -24 * 3600e9 }, plan.ClockOff,
			"24h0m0s behind",
		},
		"port": {bare(w), "etcd-2", func(h *facts.Host) {
			h.Sockets = []facts.Socket{{Address: "*", Port: 2379, PID: 77, Process: "nginx"}}
		}, plan.PortTaken, "port 2379 is taken by nginx (PID 77)"},
		"foreign data": {bare(w), "etcd-2", func(h *facts.Host) {
			h.Data = facts.Data{Exists: true, WAL: true, ClusterID: 0xabc, MemberID: 0xdef}
		}, plan.ForeignData, "another cluster, abc"},
		"something in the data directory": {bare(w), "etcd-2", func(h *facts.Host) {
			h.Data = facts.Data{Exists: true, Entries: []string{"precious"}}
		}, plan.ForeignData, "precious"},
		"data lost": {base, "etcd-2", func(h *facts.Host) {
			h.Data, h.Process, h.Etcd, h.Reads = facts.Data{}, nil, nil, false
		}, plan.DataLost, "is lost"},
		"data and marker lost": {base, "etcd-2", func(h *facts.Host) {
			h.Data, h.Process, h.Etcd, h.Reads = facts.Data{}, nil, nil, false
			delete(h.Files, conf+"/born.json")
		}, plan.DataLost, "is lost"},
		"marker of another cluster": {base, "etcd-2", func(h *facts.Host) {
			file := h.Files[conf+"/born.json"]
			file.Content = []byte(`{"cluster_id":"abc","member_id":"def","token":"t"}`)
			h.Files[conf+"/born.json"] = file
		}, plan.ForeignData, "cluster abc"},
		"disks swapped": {base, "etcd-2", func(h *facts.Host) { h.Data.MemberID = 7 }, plan.ForeignData, "member 7"},
		"masked":        {base, "etcd-2", func(h *facts.Host) { h.Unit.Enabled = "masked" }, plan.UnitDiverted, "masked"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := refusals(t, w, change(test.from, test.host, test.do))
			if len(got) != 1 || got[0].Kind != test.kind || got[0].Host != test.host ||
				!strings.Contains(got[0].Reason, test.says) {
				t.Errorf("refusals %+v, want one of kind %s on %s that says %q", got, test.kind, test.host, test.says)
			}
		})
	}
}

// A second operator, without the operator directory of the first, must not make a second CA.
func TestForeignCA(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	for _, name := range s.Names() {
		s = change(s, name, func(h *facts.Host) {
			for path, file := range h.Files {
				if strings.Contains(path, "/trust-") {
					file.Content = realCA(t)
					h.Files[path] = file
				}
			}
		})
	}
	s.Operator = facts.Operator{}
	for _, r := range refusals(t, w, s) {
		if r.Kind != plan.ForeignCA || !strings.Contains(r.Remedy, ".clusterup/prod") {
			t.Errorf("refusal %+v, want %s", r, plan.ForeignCA)
		}
	}
}

// Law 5: with a CA's key gone, or the whole operator directory, nothing is signed by another CA.
func TestCAGone(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	keyless := s
	keyless.Operator.CAs = slices.Clone(s.Operator.CAs)
	for i := range keyless.Operator.CAs {
		keyless.Operator.CAs[i].Signing = false
	}
	if got := refusals(t, w, keyless); len(got) != 2 || got[0].Kind != plan.CAKeyMissing ||
		got[1].Kind != plan.CAKeyMissing {
		t.Errorf("without keys: %+v", got)
	}
	s.Operator = facts.Operator{}
	if got := refusals(t, w, s); len(got) != 2 || got[0].Kind != plan.ForeignCA || got[1].Kind != plan.ForeignCA {
		t.Errorf("without CAs: %+v", got)
	}
}

// A member that the cluster has heard of had data, even before its birth was recorded.
func TestDataLostBeforeBirth(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	for _, name := range s.Names() {
		s = change(s, name, func(h *facts.Host) {
			delete(h.Files, ConfigDir(w.Cluster)+"/born.json")
			*h = withUnit(w, *h, "state=existing", "state=new")
			if name == "etcd-3" {
				h.Data, h.Process, h.Etcd, h.Reads = facts.Data{}, nil, nil, false
			}
		})
	}
	if got := refusals(t, w, s); len(got) != 1 || got[0].Kind != plan.DataLost || got[0].Host != "etcd-3" {
		t.Errorf("refusals %+v, want %s on etcd-3", got, plan.DataLost)
	}
}

// Law 1: where the others are no quorum, a member that seems to take no part is restarted by consent only, and one that
// serves never.
func TestRestartWithoutQuorum(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	for _, name := range s.Names() {
		s = change(s, name, func(h *facts.Host) {
			process := *h.Process
			process.Args = append(slices.Clone(process.Args), "--max-txn-ops=7")
			h.Process, h.Reads = &process, false
		})
	}
	if got := refusals(t, w, s); len(got) != 1 || got[0].Kind != plan.NeedsConsent {
		t.Errorf("refusals %+v, want %s", got, plan.NeedsConsent)
	}
	w.Accept = []plan.Risk{plan.Downtime}
	if stage, err := Next(w, s); err != nil || stage.Width != 1 {
		t.Errorf("with consent: %s, %v", said(stage), err)
	}
	s = change(s, "etcd-1", func(h *facts.Host) { h.Reads = true })
	if _, _, refusal := newView(w, s).mayStop(w.Cluster.Members[0]); len(refusal) != 1 ||
		refusal[0].Kind != plan.QuorumAtRisk {
		t.Errorf("the only member that serves: %+v, want %s", refusal, plan.QuorumAtRisk)
	}
}

// No member of two can be spared. With consent they restart one after the other, if both serve; without it a refusal
// asks for it.
func TestTwoMembers(t *testing.T) {
	w := wanted(t, 2)
	s := settled(t, w)
	flagged(&w)
	if got := refusals(t, w, s); len(got) != 1 || got[0].Kind != plan.NeedsConsent ||
		!strings.Contains(got[0].Remedy, "--accept=downtime") {
		t.Errorf("without consent: %+v", got)
	}
	w.Accept = []plan.Risk{plan.Downtime}
	end := converged(t, w, s)
	for name, host := range end.Hosts {
		if units.Flag(host.Process.Args, "max-txn-ops") != "7" {
			t.Errorf("%s runs with %q", name, host.Process.Args)
		}
	}
	one := change(s, "etcd-2", func(h *facts.Host) { h.Reads = false })
	if _, _, refusal := newView(w, one).mayStop(w.Cluster.Members[0]); len(refusal) != 1 ||
		refusal[0].Kind != plan.QuorumAtRisk {
		t.Errorf("the only one of two that serves: %+v, want %s", refusal, plan.QuorumAtRisk)
	}
}

// Releases are unpacked on one host after the other while members run, and side by side before there is a cluster.
func TestUnpackWidth(t *testing.T) {
	w := at(wanted(t, 3), "3.6.16")
	width := func(w Want, s facts.Snapshot) int {
		for range 5 {
			stage, err := Next(w, s)
			if err != nil || stage == nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(stage.Steps, func(step plan.Step) bool { return step.Kind == plan.InstallRelease }) {
				return stage.Width
			}
			s = Simulate(w, s, *stage)
		}
		return 0
	}
	if got := width(w, bare(w)); got != 3 {
		t.Errorf("bootstrap: %d hosts at once", got)
	}
	if got := width(at(w, "3.7.3"), settled(t, w)); got != 1 {
		t.Errorf("upgrade: %d hosts at once", got)
	}
}

// A name that stands for a CA which is yet to be made is believed in what is simulated, and on no host.
func TestPlaceholderName(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	host := s.Hosts["etcd-1"]
	for _, simulated := range []bool{true, false} {
		s.Simulated = simulated
		if v := Trust(w, s); v.Trusts(host, v.CAs("peer")[0]) != simulated {
			t.Errorf("simulated %v: trust-peer-NEW- is believed: %v", simulated, !simulated)
		}
	}
}

// What people put into a unit's environment is in no plan.
func TestUnitSecretsAreNotShown(t *testing.T) {
	w := wanted(t, 1)
	s := change(settled(t, w), "etcd-1", func(h *facts.Host) {
		file := h.Files[UnitPath(w.Cluster)]
		file.Content = append(slices.Clone(file.Content), "\n[Service]\nEnvironment=PASSWORD=hunter2\n"...)
		h.Files[UnitPath(w.Cluster)] = file
	})
	raw, err := json.Marshal(build(t, w, s).Stages[0].Steps[0].Changes[0].Was)
	if err != nil || len(raw) < 100 {
		t.Fatal(len(raw), err)
	}
	if was := build(t, w, s).Stages[0].Steps[0].Changes[0].Was; strings.Contains(string(was), "hunter2") ||
		!strings.Contains(string(was), "Environment=(not shown)") {
		t.Errorf("shown: %.200s", was)
	}
}

func TestMembershipDiffers(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	s.Members[1].ID, s.Members[1].Name, s.Members[1].PeerURLs = 99, "stranger", []string{"https://10.9.9.9:2380"}
	got := refusals(t, w, s)
	if got[len(got)-1].Kind != plan.Membership || !strings.Contains(got[len(got)-1].Remedy, "--accept=remove:stranger") {
		t.Errorf("refusals %+v, want one of kind %s", got, plan.Membership)
	}
}

// A member that the cluster lists by another name and at another address is known by its data, and none of its
// certificates is revoked.
func TestListedOtherwise(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	s.Members[1].Name, s.Members[1].PeerURLs = "stranger", []string{"https://10.9.9.9:2380"}
	p, _ := Build(w, s)
	for _, stage := range p.Stages {
		for _, step := range stage.Steps {
			if step.Kind == plan.RevokeLeaf || step.Kind == plan.RemoveMember {
				t.Errorf("%s", step.ID())
			}
		}
	}
}

// Law 1, at one member: the only voter is restarted only by consent.
func TestOnlyMember(t *testing.T) {
	w := wanted(t, 1)
	s := change(settled(t, w), "etcd-1", func(h *facts.Host) {
		process := *h.Process
		process.Args = append(slices.Clone(process.Args), "--max-txn-ops=7")
		h.Process = &process
	})
	if got := refusals(t, w, s); got[0].Kind != plan.NeedsConsent {
		t.Errorf("refusal %+v, want %s", got[0], plan.NeedsConsent)
	}
	w.Accept = []plan.Risk{plan.Downtime}
	if got := stageNames(build(t, w, s)); !slices.Equal(got, []string{"restart etcd-1"}) {
		t.Errorf("stages %q with consent", got)
	}
}

// Restarts go one at a time: members that take no part first, and the leader last, after it has handed over.
func TestRestartOrder(t *testing.T) {
	w := wanted(t, 5)
	s := settled(t, w)
	leader := s.Hosts["etcd-2"].Data.MemberID
	for _, name := range s.Names() {
		s = change(s, name, func(h *facts.Host) {
			process, status := *h.Process, *h.Etcd
			process.Args = append(slices.Clone(process.Args), "--max-txn-ops=7")
			status.Leader = leader
			h.Process, h.Etcd = &process, &status
			h.Reads = name != "etcd-4"
		})
	}
	got := stageNames(build(t, w, s))
	want := []string{
		"restart etcd-4", "restart etcd-1", "restart etcd-3", "restart etcd-5",
		"move the leader away from etcd-2", "restart etcd-2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("stages %q, want %q", got, want)
	}
}
