package etcd

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/version"
)

// hide is a look at which hosts cannot be seen.
func hide(s facts.Snapshot, names ...string) facts.Snapshot {
	for _, name := range names {
		s = change(s, name, func(h *facts.Host) {
			*h = facts.Host{Machine: facts.Machine{Name: name, Unreachable: "connect: no route to host"}}
		})
	}
	return s
}

// plannedInTheDark are the steps of a plan that goes on until only dark hosts are left to wait for, and what waits.
func plannedInTheDark(t *testing.T, w Want, s facts.Snapshot) (steps, waits []string) {
	t.Helper()
	p, err := Build(w, s)
	refused := new(plan.Refused)
	if !errors.As(err, &refused) || !refused.Only(plan.Unreachable) || len(p.Dark) == 0 {
		for _, stage := range p.Stages {
			t.Log(said(&stage))
		}
		t.Fatalf("dark %v, error %v", p.Dark, err)
	}
	for _, stage := range p.Stages {
		for _, step := range stage.Steps {
			steps = append(steps, step.ID())
		}
	}
	for _, wait := range p.Waits {
		if !slices.Equal(wait.For, p.Dark) || wait.Why == "" {
			t.Errorf("waits for %v: %s", wait.For, wait)
		}
		waits = append(waits, wait.What)
	}
	return steps, waits
}

// TestDark has one case for each kind of change: its steps with hosts dark, and what waits.
func TestDark(t *testing.T) {
	flagsWanted := func(w *Want) { w.Cluster.Etcd.Flags = map[string]string{"max-txn-ops": "7"} }
	midTrust := func(w Want, s facts.Snapshot) facts.Snapshot { return advance(t, w, s, "restart etcd-3") }
	midLeaves := func(w Want, s facts.Snapshot) facts.Snapshot {
		return advance(t, w, s, "renew the certificates of etcd-2")
	}
	midDrop := func(w Want, s facts.Snapshot) facts.Snapshot { return advance(t, w, s, "retire the old CA") }
	tests := map[string]struct {
		members int
		dark    []string
		from    string
		want    func(*Want)
		wish    func(Want, facts.Snapshot) Want
		begin   func(Want, facts.Snapshot) facts.Snapshot // what there is when hosts go dark
		does    []string                                  // kinds and hosts of steps, each once, in their order
		waits   []string
	}{
		"nothing to do": {members: 3, dark: []string{"etcd-3"}},
		"a stopped neighbour": {
			members: 3, dark: []string{"etcd-3"},
			begin: func(_ Want, s facts.Snapshot) facts.Snapshot { return change(s, "etcd-2", stop) },
			does:  []string{"start-member/etcd-2"},
		},
		"nothing is seen": {
			members: 3, dark: []string{"etcd-1", "etcd-2", "etcd-3"},
			waits: []string{"every change on hosts"},
		},
		"no majority": {
			members: 3, dark: []string{"etcd-2", "etcd-3"}, want: flagsWanted,
			begin: func(_ Want, s facts.Snapshot) facts.Snapshot { return change(s, "etcd-1", stop) },
			waits: []string{"every change on hosts"},
		},
		"no majority, and consent to stop a member that takes no part": {
			members: 3, dark: []string{"etcd-2", "etcd-3"},
			want: func(w *Want) { flagsWanted(w); w.Accept = append(w.Accept, plan.Downtime) },
			begin: func(_ Want, s facts.Snapshot) facts.Snapshot {
				return change(s, "etcd-1", func(h *facts.Host) { h.Reads = false })
			},
			waits: []string{"every change on hosts"},
		},
		"a revocation without a majority": {
			members: 3, dark: []string{"etcd-2", "etcd-3"}, begin: issued,
			wish: func(w Want, s facts.Snapshot) Want { return Revoke(w, s.Operator.Clients) },
			does: []string{"revoke-client/app/1", "list-revoked/client"}, waits: []string{"every change on hosts"},
		},
		"a revocation": {
			members: 3, dark: []string{"etcd-3"}, begin: issued,
			wish: func(w Want, s facts.Snapshot) Want { return Revoke(w, s.Operator.Clients) },
			does: []string{"revoke-client/app/1", "list-revoked/client", "write-trust/etcd-1", "write-trust/etcd-2"},
		},
		"flags, and no member to spare": {
			members: 3, dark: []string{"etcd-3"}, want: flagsWanted, waits: []string{"restarting etcd-2 and etcd-1"},
		},
		"flags of five": {
			members: 5, dark: []string{"etcd-5"}, want: flagsWanted,
			does: []string{
				"write-unit/etcd-2", "restart-member/etcd-2", "write-unit/etcd-3", "restart-member/etcd-3", "write-unit/etcd-4",
				"restart-member/etcd-4",
				"move-leader/etcd-1", "write-unit/etcd-1", "restart-member/etcd-1",
			},
		},
		"flags of five, two of them dark": {
			members: 5, dark: []string{"etcd-4", "etcd-5"}, want: flagsWanted,
			waits: []string{"restarting etcd-2, etcd-3 and etcd-1"},
		},
		"another minor version": {
			members: 5, dark: []string{"etcd-5"}, from: "3.6.16", want: func(w *Want) { *w = at(*w, "3.7.3") },
			does: []string{
				"pin-release/amd64", "install-release/etcd-1", "install-release/etcd-2", "install-release/etcd-3",
				"install-release/etcd-4",
			},
			waits: []string{"the change to etcd 3.7.3"},
		},
		"another minor version, and a stopped neighbour": {
			members: 3, dark: []string{"etcd-3"}, from: "3.6.16", want: func(w *Want) { *w = at(*w, "3.7.3") },
			begin: func(_ Want, s facts.Snapshot) facts.Snapshot { return change(s, "etcd-2", stop) },
			does:  []string{"pin-release/amd64", "install-release/etcd-1", "install-release/etcd-2", "start-member/etcd-2"},
			waits: []string{"the change to etcd 3.7.3"},
		},
		"another timing": {
			members: 5, dark: []string{"etcd-5"}, want: func(w *Want) {
				w.Cluster.Etcd.HeartbeatInterval, w.Cluster.Etcd.ElectionTimeout = 500*time.Millisecond, 5*time.Second
			},
			waits: []string{"the change of heartbeat_interval and election_timeout"},
		},
		"leaves": {
			members: 3, dark: []string{"etcd-3"}, begin: watched, wish: RotateCerts,
			does: []string{
				"issue-leaf/peer/etcd-1", "issue-leaf/server/etcd-1", "issue-leaf/peer/etcd-2",
				"issue-leaf/server/etcd-2",
			},
		},
		"a rotation that is to begin": {
			members: 5, dark: []string{"etcd-5"}, begin: watched, wish: rotateCA("", "peer"),
			waits: []string{"the next peer CA"},
		},
		"a CA of another's that is to be taken over": {
			members: 5, dark: []string{"etcd-5"}, begin: replaced,
			waits: []string{"the next peer CA"},
		},
		"a rotation in its phase trust": {
			members: 5, dark: []string{"etcd-5"}, begin: watchedThen(midTrust), wish: rotateCA("", "peer"),
			does: []string{
				"write-unit/etcd-4", "restart-member/etcd-4", "move-leader/etcd-1", "write-unit/etcd-1", "restart-member/etcd-1",
			},
			waits: []string{"the rotation of the peer CA, 1 → 2, in its phase trust as far as hosts answer,"},
		},
		"a rotation in its phase leaves": {
			members: 5, dark: []string{"etcd-5"}, begin: watchedThen(midLeaves), wish: rotateCA("", "peer"),
			waits: []string{"the rotation of the peer CA, 1 → 2, in its phase trust as far as hosts answer,"},
		},
		"a rotation at its end": {
			members: 5, dark: []string{"etcd-5"}, begin: watchedThen(midDrop), wish: rotateCA("", "peer"),
			waits: []string{"the rotation of the peer CA, 1 → 2, in its phase drop as far as hosts answer,"},
		},
		"TLS between peers": {
			members: 5, dark: []string{"etcd-5"}, want: securely, begin: plain, from: "3.6.16",
			does: []string{
				"list-revoked/peer", "write-trust/etcd-1", "write-trust/etcd-2", "write-trust/etcd-3", "write-trust/etcd-4",
				"write-unit/etcd-2", "restart-member/etcd-2", "write-unit/etcd-3", "restart-member/etcd-3", "write-unit/etcd-4",
				"restart-member/etcd-4",
				"move-leader/etcd-1", "write-unit/etcd-1", "restart-member/etcd-1",
			},
			waits: []string{"TLS between peers"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := wanted(t, test.members)
			w.Accept = []plan.Risk{plan.Downgrade, plan.Hops, plan.OldClients}
			old := w
			if test.from != "" {
				old = at(w, test.from)
			}
			if strings.HasPrefix(name, "TLS") {
				plainly(&old)
			}
			s := settled(t, old)
			cluster := *old.Cluster
			w.Cluster, w.Releases = &cluster, old.Releases
			if test.want != nil {
				test.want(&w)
			}
			wished := w
			if test.wish != nil && test.begin == nil {
				wished = test.wish(w, s)
			}
			if test.begin != nil {
				s = test.begin(w, s)
			}
			if test.wish != nil {
				wished = test.wish(w, s)
			}
			does, waits := plannedInTheDark(t, wished, hide(s, test.dark...))
			if !slices.Equal(slices.Compact(does), test.does) {
				t.Errorf("does\n%v, want\n%v", does, test.does)
			}
			if !slices.Equal(waits, test.waits) {
				t.Errorf("waits %q, want %q", waits, test.waits)
			}
		})
	}
}

// watchedThen is a cluster whose certificates are looked at, whose peer CA is being rotated.
func watchedThen(then func(Want, facts.Snapshot) facts.Snapshot) func(Want, facts.Snapshot) facts.Snapshot {
	return func(w Want, s facts.Snapshot) facts.Snapshot {
		s = watched(w, s)
		return then(RotateCA(w, s, []string{"peer"}, ""), s)
	}
}

// plain is a cluster as it is.
func plain(_ Want, s facts.Snapshot) facts.Snapshot { return s }

// advance goes on up to the end of the stage of a name.
func advance(t *testing.T, w Want, s facts.Snapshot, last string) facts.Snapshot {
	t.Helper()
	var names []string
	for range 60 {
		stage, err := Next(w, s)
		if err != nil || stage == nil {
			break
		}
		s = Simulate(w, s, *stage)
		if names = append(names, stage.Name); strings.HasPrefix(stage.Name, last) {
			return s
		}
	}
	t.Fatalf("no stage %q on the way: %s", last, strings.Join(names, "; "))
	return s
}

// A wait names its hosts as a sentence does.
func TestWaitString(t *testing.T) {
	for want, w := range map[string]plan.Wait{
		"the bootstrap waits for etcd-1, etcd-2 and etcd-3: they may hold data": {
			What: "the bootstrap", For: []string{"etcd-1", "etcd-2", "etcd-3"}, Why: "they may hold data",
		},
		"adding etcd-2 waits for its host: it is prepared first": {
			What: "adding etcd-2", For: []string{"etcd-2"}, Why: "it is prepared first",
		},
		"adding etcd-2 waits for etcd-1: it may vote": {What: "adding etcd-2", For: []string{"etcd-1"}, Why: "it may vote"},
	} {
		if got := w.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Before there is a cluster nothing is done while a host is dark, except birth markers once every member has served.
func TestDarkBootstrap(t *testing.T) {
	w := wanted(t, 3)
	for _, stage := range []string{"", "operator directory", prepared, started} {
		steps, waits := plannedInTheDark(t, w, hide(after(t, w, stage), "etcd-3"))
		if len(steps) > 0 || !slices.Equal(waits, []string{"the bootstrap"}) {
			t.Errorf("after %q: does %v, waits %v", stage, steps, waits)
		}
	}
	late := change(bare(w), "etcd-1", func(h *facts.Host) { h.ClockOffset = time.Hour })
	if _, waits := plannedInTheDark(t, w, hide(late, "etcd-3")); !slices.Equal(waits, []string{"the bootstrap"}) {
		t.Errorf("a clock is off: waits %v", waits)
	}
	s := after(t, w, started)
	s.Members = settled(t, w).Members
	steps, waits := plannedInTheDark(t, w, hide(s, "etcd-3"))
	want := []string{"record-birth/etcd-1", "write-unit/etcd-1", "record-birth/etcd-2", "write-unit/etcd-2"}
	if !slices.Equal(steps, want) || len(waits) > 0 {
		t.Errorf("all have served: does %v, waits %v", steps, waits)
	}
	ajar := change(s, "etcd-2", func(h *facts.Host) { h.Unit.Enabled = "disabled" })
	want = append(want, "enable-unit/etcd-2")
	if steps, _ := plannedInTheDark(t, w, hide(ajar, "etcd-3")); !slices.Equal(steps, want) {
		t.Errorf("a unit is not enabled: does %v, want %v", steps, want)
	}
	s.Members[2].ClientURLs = nil
	if steps, _ := plannedInTheDark(t, w, hide(s, "etcd-3")); len(steps) > 0 {
		t.Errorf("one has not served yet: does %v", steps)
	}
}

// Other faults are refusals as ever, and dark hosts are named beside them.
func TestDarkBesides(t *testing.T) {
	w := wanted(t, 3)
	s := hide(change(settled(t, w), "etcd-2", func(h *facts.Host) { h.ClockOffset = time.Hour }), "etcd-3")
	_, err := Next(w, s)
	refused := new(plan.Refused)
	if !errors.As(err, &refused) || len(refused.Refusals) != 2 || refused.Only(plan.Unreachable) {
		t.Fatalf("error %v", err)
	}
	if kinds := fmt.Sprint(refused.Refusals[0].Kind, refused.Refusals[1].Kind); kinds != fmt.Sprint(plan.Unreachable,
		plan.ClockOff) {
		t.Errorf("refusals %v", kinds)
	}
}

// A member whose release is gone is not started with another minor version while that waits.
func TestDarkWithoutRelease(t *testing.T) {
	w := at(wanted(t, 3), "3.6.16")
	s := change(settled(t, w), "etcd-2", func(h *facts.Host) {
		stop(h)
		for name := range h.Binaries {
			delete(h.Binaries, name)
		}
	})
	s = change(s, "etcd-1", func(h *facts.Host) { h.Reads = false }) // else the dark one must run
	steps, waits := plannedInTheDark(t, at(w, "3.7.3"), hide(s, "etcd-3"))
	for _, step := range steps {
		if strings.HasPrefix(step, "start-member") || strings.HasPrefix(step, "write-unit") {
			t.Errorf("does %v", steps)
		}
	}
	if !slices.Contains(waits, "starting etcd-2") || !slices.Contains(waits, "a quorum") {
		t.Errorf("waits %v", waits)
	}
}

// Members are waited for while a quorum is seen to run, or while one serves, whose quorum has members on dark hosts.
func TestDarkAwait(t *testing.T) {
	w := at(wanted(t, 3), "3.6.16")
	mute := func(h *facts.Host) { h.Reads, h.ReadError = false, "no leader" }
	gone := func(h *facts.Host) {
		stop(h)
		for name := range h.Binaries {
			delete(h.Binaries, name)
		}
	}
	for name, test := range map[string]struct {
		one, two func(*facts.Host)
		awaits   bool
		waits    int
	}{
		"two run, and none serves": {mute, mute, true, 0},
		"one runs, and serves":     {func(*facts.Host) {}, gone, false, 0},
		"one runs, and does not":   {mute, gone, false, 1},
	} {
		v := newView(at(w, "3.7.3"), hide(change(change(settled(t, w), "etcd-1", test.one), "etcd-2", test.two), "etcd-3"))
		stage, err := v.await()
		if err != nil || (stage != nil) != test.awaits || len(v.awaitWaits()) != test.waits {
			t.Errorf("%s: stage %s, %v, waits %v", name, said(stage), err, v.awaitWaits())
		}
	}
}

// A restart that waits names the consent with which it goes on.
func TestDarkConsent(t *testing.T) {
	w := wanted(t, 3)
	s := change(settled(t, w), "etcd-2", func(h *facts.Host) { h.Reads = false })
	w.Cluster.Etcd.Flags = map[string]string{"max-txn-ops": "7"}
	waits := newView(w, hide(s, "etcd-3")).restartWaits()
	if len(waits) != 1 || !strings.Contains(waits[0].Why, "etcd-2: runs, but serves no linearizable read") ||
		!strings.Contains(waits[0].Why, "--accept=downtime") {
		t.Errorf("waits %v", waits)
	}
}

// A member that stays at its minor version while a host is dark is neither refused for the next one, nor prepared for
// it, nor started or restarted with another than its own, whatever state it is in.
func TestDarkLingers(t *testing.T) {
	dirty := func(h *facts.Host) { h.V2Store = &facts.V2Store{Text: "detected custom v2 content"} }
	for name, test := range map[string]struct {
		from, to string
		is       func(Want, *facts.Host)
		starts   bool
	}{
		"its unit is gone": {"3.6.16", "3.7.3", func(w Want, h *facts.Host) {
			stop(h)
			delete(h.Files, UnitPath(w.Cluster))
		}, true},
		"its unit starts a release that is gone": {"3.6.16", "3.7.3", func(w Want, h *facts.Host) {
			stop(h)
			*h = withUnit(w, *h, "/opt/clusterup/etcd/3.6.16", "/opt/clusterup/etcd/3.6.15")
		}, true},
		"3.6 does not start with its data": {"3.5.35", "3.6.16", func(_ Want, h *facts.Host) { dirty(h) }, false},
		"3.7 does not start with its log":  {"3.6.16", "3.7.3", func(_ Want, h *facts.Host) { dirty(h) }, false},
		"its program is deleted": {"3.6.16", "3.7.3", func(_ Want, h *facts.Host) {
			process := *h.Process
			process.SameAs, process.SHA256 = "", "another"
			h.Process = &process
		}, false},
		"its program is not one of clusterup's": {"3.6.16", "3.7.3", func(_ Want, h *facts.Host) {
			process := *h.Process
			process.Args = append([]string{"/usr/bin/etcd", "--max-txn-ops=9"}, process.Args[1:]...)
			process.SameAs = "/usr/bin/etcd"
			h.Process = &process
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := at(wanted(t, 5), test.from)
			s := change(settled(t, w), "etcd-2", func(h *facts.Host) { test.is(w, h) })
			p, err := Build(at(w, test.to), hide(s, "etcd-5"))
			refused := new(plan.Refused)
			if !errors.As(err, &refused) || !refused.Only(plan.Unreachable) {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(p.Waits, func(wait plan.Wait) bool { return wait.What == "the change to etcd "+test.to }) {
				t.Errorf("waits %v", p.Waits)
			}
			starts := 0
			for _, stage := range p.Stages {
				for _, step := range stage.Steps {
					switch {
					case step.Kind == plan.StartMember && version.Minor(step.Version) == version.Minor(test.from):
						starts++
					case step.Kind == plan.StartMember || step.Kind == plan.RestartMember:
						t.Errorf("%s with etcd %s", step.ID(), step.Version)
					}
				}
			}
			if (starts > 0) != test.starts {
				t.Errorf("%d members are started", starts)
			}
		})
	}
}

// A quorum is one of the voters that the cluster lists, whatever the inventory has; a learner has no vote.
func TestQuorumOfListedVoters(t *testing.T) {
	w := wanted(t, 3)
	w.Cluster.Etcd.Flags = map[string]string{"max-txn-ops": "7"}
	s := settled(t, wanted(t, 3))
	for name, test := range map[string]struct {
		more    []facts.Listed
		quorum  int
		refused bool
	}{
		"as the inventory has it":  {nil, 2, false},
		"a learner":                {[]facts.Listed{{ID: 8, Name: "etcd-8", Learner: true}}, 2, false},
		"a voter":                  {[]facts.Listed{{ID: 8, Name: "etcd-8"}}, 3, true},
		"one that has not started": {[]facts.Listed{{ID: 8}}, 3, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := s
			s.Members = append(slices.Clone(s.Members), test.more...)
			v := newView(w, s)
			if v.quorum() != test.quorum {
				t.Errorf("quorum %d of %v", v.quorum(), v.voters())
			}
			if _, _, refusal := v.mayStop(w.Cluster.Members[0]); (refusal != nil) != test.refused {
				t.Errorf("refusal %v", refusal)
			}
		})
	}
}
