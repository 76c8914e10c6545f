package etcd

import (
	"slices"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/trust"
)

// Releases are unpacked side by side where no member runs on the hosts that get them, whatever is on dark hosts: no
// disk that a member writes to is kept busy.
func TestUnpackBesideDark(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	for _, name := range []string{"etcd-1", "etcd-2"} {
		s = change(s, name, func(h *facts.Host) {
			stop(h)
			delete(h.Files, BinDir(testRelease))
		})
	}
	running := change(settled(t, w), "etcd-1", func(h *facts.Host) { delete(h.Files, BinDir(testRelease)) })
	running.Hosts["etcd-2"] = s.Hosts["etcd-2"]
	for name, test := range map[string]struct {
		seen  facts.Snapshot
		width int
	}{
		"the third is dark":     {hide(s, "etcd-3"), 2},
		"the third has stopped": {change(s, "etcd-3", stop), 2},
		"the third runs":        {s, 2},
		"one of them runs":      {running, 1},
		"one runs, one is dark": {hide(running, "etcd-3"), 1},
	} {
		stage, err := Next(w, test.seen)
		if err != nil || stage.Width != test.width || len(byHost(*stage)) != 2 {
			t.Errorf("%s: stage %s, width %d, %v", name, said(stage), stage.Width, err)
		}
	}
}

// A member that is dark may trust the next CA: a second call goes on with the rotations under way alone.
func TestDarkMayTrust(t *testing.T) {
	w := wanted(t, 3)
	s := watched(w, settled(t, w))
	rotating := advance(t, RotateCA(w, s, []string{"peer"}, ""), s, "make the next CA")
	if got := Trust(w, rotating).Unfinished(trust.Roles); !slices.Equal(got, trust.Roles) {
		t.Errorf("no member trusts it: %v", got)
	}
	if got := Trust(w, hide(rotating, "etcd-3")).Unfinished(trust.Roles); !slices.Equal(got, []string{"peer"}) {
		t.Errorf("one may trust it: %v", got)
	}
}

// A member that is dark may have something of a CA, so the CA is not given up as one that no host has anything of.
func TestDarkMayHave(t *testing.T) {
	w := wanted(t, 3)
	s := replaced(w, settled(t, w))
	stage, err := Next(w, s)
	if err != nil || stage.Steps[0].Kind != plan.CreateCA {
		t.Fatalf("stage %s, %v", said(stage), err)
	}
	s = Simulate(w, s, *stage)
	s.Operator.Replaced = map[string]string{"peer": "another one is given"}
	retires := func(s facts.Snapshot) bool {
		stage, _ := Next(w, s)
		return stage != nil && slices.ContainsFunc(stage.Steps,
			func(step plan.Step) bool { return step.Kind == plan.RetireCA })
	}
	if !retires(s) {
		t.Error("a CA that no host has anything of is not left")
	}
	if retires(hide(s, "etcd-3")) {
		t.Error("a CA that a host may have something of is left")
	}
}
