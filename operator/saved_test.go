package operator

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// A plan that was saved with a host dark is good as long as the same hosts are, for whatever reason they are.
func TestSavedDark(t *testing.T) {
	look := func(reason string, dark ...string) (plan.Plan, facts.Snapshot) {
		p, s := plan.Plan{Cluster: "prod", Version: "3.6.16"}, facts.Snapshot{Hosts: map[string]facts.Host{}}
		p.Dark = dark
		for _, name := range []string{"etcd-1", "etcd-2", "etcd-3"} {
			s.Hosts[name] = facts.Host{Machine: facts.Machine{Name: name, Arch: "amd64"}}
			if slices.Contains(dark, name) {
				s.Hosts[name] = facts.Host{Machine: facts.Machine{Name: name, Unreachable: reason}}
			}
		}
		return p, s
	}
	p, seen := look("no route", "etcd-3")
	saved := &SavedPlan{Plan: p}
	saved.Digest, _ = p.Digest()
	saved.Facts, _ = factsDigest(seen)
	for name, c := range map[string]struct {
		reason string
		dark   []string
		says   string
	}{
		"the same":           {"no route", []string{"etcd-3"}, ""},
		"for another reason": {"no answer in time", []string{"etcd-3"}, ""},
		"it is back":         {"", nil, "saved while etcd-3 could not be looked at, and now that is over"},
		"another one is gone": {
			"no route",
			[]string{"etcd-2", "etcd-3"},
			"etcd-2 cannot be looked at, and could be when this plan was saved",
		},
		"another one, instead": {"no route", []string{"etcd-1"}, "etcd-1 cannot be looked at"},
	} {
		err := saved.Check(look(c.reason, c.dark...))
		if c.says == "" && err != nil || c.says != "" &&
			(!errors.Is(err, apply.ErrMoved) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// A saved plan is not made stale by facts that change by themselves from one look to the next, but by those that
// decide.
func TestFactsDigest(t *testing.T) {
	base := facts.Snapshot{Hosts: map[string]facts.Host{"etcd-1": {
		Machine: facts.Machine{Name: "etcd-1", Rooms: map[string]facts.Room{"data": {Dir: "/var/lib", Size: 10, Free: 10}}},
		Member:  facts.Member{Process: &facts.Process{PID: 7}, Etcd: &facts.Status{MemberID: 1, Index: 5}},
	}}}
	digest := func(do func(*facts.Host)) string {
		host := base.Hosts["etcd-1"]
		status := *host.Etcd
		host.Etcd = &status
		do(&host)
		sum, err := factsDigest(facts.Snapshot{Taken: time.Now(), Hosts: map[string]facts.Host{"etcd-1": host}})
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	same := digest(func(*facts.Host) {})
	for name, do := range map[string]func(*facts.Host){
		"raft index": func(h *facts.Host) { h.Etcd.Index = 6 },
		"leader":     func(h *facts.Host) { h.Etcd.Leader = 3 },
		"free space": func(h *facts.Host) { h.Rooms = map[string]facts.Room{"data": {Free: 9}} },
		"clock":      func(h *facts.Host) { h.ClockOffset = time.Millisecond },
		"its own address": func(h *facts.Host) {
			h.Sources = map[netip.Addr]netip.Addr{netip.MustParseAddr("fd00::12"): netip.MustParseAddr("fd00::3f2a")}
		},
		"what nobody can read": func(h *facts.Host) { h.Unread = []string{"route: not an address"} },
		"why it did not read":  func(h *facts.Host) { h.ReadError = "no leader" },
		"permissions, of one":  func(h *facts.Host) { h.Auth = &facts.AuthState{Enabled: true} },
	} {
		if digest(do) != same {
			t.Errorf("%s: the digest changed", name)
		}
	}
	before, errBefore := factsDigest(base)
	base.Auth = &facts.Auth{}
	if off, _ := factsDigest(base); off == before {
		t.Error("permissions that are off are taken for ones that nobody has told of")
	}
	base.Auth = &facts.Auth{AuthState: facts.AuthState{Revision: 7}}
	if after, err := factsDigest(base); err != nil || errBefore != nil || before == after {
		t.Error("users and roles that have changed change nothing")
	}
	for name, do := range map[string]func(*facts.Host){
		"member restarted": func(h *facts.Host) { h.Process = &facts.Process{PID: 8} },
		"another version":  func(h *facts.Host) { h.Etcd.Version = "3.5.35" },
		"unit disabled":    func(h *facts.Host) { h.Unit.Enabled = "disabled" },
		"data gone":        func(h *facts.Host) { h.Data.WAL = true },
	} {
		if digest(do) == same {
			t.Errorf("%s: the digest is the same", name)
		}
	}
}
