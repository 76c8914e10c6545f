package main

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/view"
)

// A saved plan holds no value of --var, and is run with the same ones only.
func TestSavedVariables(t *testing.T) {
	file := filepath.Join(t.TempDir(), "plan")
	s := &session{
		console: &console{Console: &view.Console{Err: io.Discard}}, file: "prod.hcl", cluster: &inventory.Cluster{Name: "prod"},
		flags: clusterFlags{vars: []string{"password=hunter2", "size=3"}},
	}
	if err := s.savePlan(file, plan.Plan{}, facts.Snapshot{}); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(raw), "hunter2") || !strings.Contains(string(raw), `"password"`) {
		t.Errorf("%v, the file is\n%s", err, raw)
	}
	saved, err := readPlan(file)
	if err != nil || saved == nil {
		t.Fatalf("%v, %v", saved, err)
	}
	for name, test := range map[string]struct {
		vars []string
		says string
	}{
		"the same":       {[]string{"size=3", "password=hunter2"}, ""},
		"none":           {nil, "give them again: --var password=… --var size=…"},
		"one is missing": {[]string{"size=3"}, "give them again: --var password=…"},
		"another value":  {[]string{"size=3", "password=hunter3"}, "other values of --var"},
		"one too many":   {[]string{"size=3", "password=hunter2", "x=1"}, "without --var x"},
		"not written so": {[]string{"size"}, "NAME=VALUE"},
	} {
		flags, err := saved.flags(clusterFlags{vars: test.vars})
		if test.says == "" {
			if err != nil || len(flags.vars) != len(test.vars) {
				t.Errorf("%s: %v, %v", name, flags.vars, err)
			}
			continue
		}
		if view.Advice(advice).ExitCode(err) != view.ExitUsage || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: %v, want %q", name, err, test.says)
		}
	}
	without := &savedPlan{Format: savedFormat}
	if _, err := without.flags(clusterFlags{}); err != nil {
		t.Errorf("no variables: %v", err)
	}
	if _, err := without.flags(clusterFlags{vars: []string{"x=1"}}); err == nil {
		t.Error("a variable that the plan was not made with is taken")
	}
	if err := os.WriteFile(file, []byte(`{"type":"clusterup-plan","vars":["password=hunter2"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	old, err := readPlan(file)
	if err != nil || old == nil {
		t.Fatal(old, err)
	}
	if _, err := old.flags(clusterFlags{}); err == nil || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("a plan of an older version: %v", err)
	}
}

// A plan that was saved with a host dark is good as long as the same hosts are, for whatever reason they are.
func TestSavedDark(t *testing.T) {
	look := func(reason string, dark ...string) (plan.Plan, facts.Snapshot) {
		p, s := plan.Plan{Cluster: "prod", Version: "3.6.16"}, facts.Snapshot{Hosts: map[string]facts.Host{}}
		p.Dark = dark
		for _, name := range []string{"etcd-1", "etcd-2", "etcd-3"} {
			s.Hosts[name] = facts.Host{Name: name, Arch: "amd64"}
			if slices.Contains(dark, name) {
				s.Hosts[name] = facts.Host{Name: name, Unreachable: reason}
			}
		}
		return p, s
	}
	p, seen := look("no route", "etcd-3")
	saved := &savedPlan{Plan: p}
	saved.Digest, _ = p.Digest()
	saved.Facts, _ = factsDigest(seen)
	for name, c := range map[string]struct {
		reason string
		dark   []string
		says   string
	}{
		"the same":             {"no route", []string{"etcd-3"}, ""},
		"for another reason":   {"no answer in time", []string{"etcd-3"}, ""},
		"it is back":           {"", nil, "saved while etcd-3 could not be looked at, and now that is over"},
		"another one is gone":  {"no route", []string{"etcd-2", "etcd-3"}, "etcd-2 cannot be looked at, and could be when this plan was saved"},
		"another one, instead": {"no route", []string{"etcd-1"}, "etcd-1 cannot be looked at"},
	} {
		err := saved.check(look(c.reason, c.dark...))
		if c.says == "" && err != nil || c.says != "" && (!errors.Is(err, apply.ErrMoved) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// What changes by itself from one look to the next must not make a saved plan stale; what decides must.
func TestFactsDigest(t *testing.T) {
	base := facts.Snapshot{Hosts: map[string]facts.Host{"etcd-1": {
		Name: "etcd-1", Process: &facts.Process{PID: 7}, Etcd: &facts.Status{MemberID: 1, Index: 5}, Rooms: map[string]facts.Room{"data": {Dir: "/var/lib", Size: 10, Free: 10}},
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
	} {
		if digest(do) != same {
			t.Errorf("%s: the digest changed", name)
		}
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
