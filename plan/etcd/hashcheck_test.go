package etcd

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// Members of before do not compare their data at compactions. None restarts for that alone, nor is its unit written
// anew; the next restart brings it.
func TestHashCheckComesLater(t *testing.T) {
	w := wanted(t, 3)
	now := settled(t, w)
	const has, had = "CompactHashCheck=true,InitialCorruptCheck=true", "InitialCorruptCheck=true"
	old := now
	for _, name := range now.Names() {
		old = change(old, name, func(h *facts.Host) {
			running(func(p *facts.Process) {
				for i, arg := range p.Args {
					p.Args[i] = strings.Replace(arg, has, had, 1)
				}
			})(w, h)
			h.Files = maps.Clone(h.Files)
			unit := h.Files[UnitPath(w.Cluster)]
			if unit.Content = bytes.Replace(unit.Content, []byte(has), []byte(had), 1); !bytes.Contains(
				now.Hosts[name].Files[UnitPath(w.Cluster)].Content, []byte(has)) {
				t.Fatal("new members do not have it")
			}
			h.Files[UnitPath(w.Cluster)] = unit
		})
	}
	if got := build(t, w, old).Stages; len(got) > 0 {
		t.Fatalf("an upgrade of clusterup does %+v", got)
	}
	restarts := func(w Want) (all []string) {
		t.Helper()
		s := old
		for _, stage := range build(t, w, s).Stages {
			for _, step := range stage.Steps {
				if step.Kind == plan.RestartMember {
					all = append(all, step.Why)
				}
			}
			s = Simulate(w, s, stage)
		}
		for _, name := range s.Names() {
			if gates := units.Flag(s.Hosts[name].Process.Args, "feature-gates"); len(all) > 0 && !strings.Contains(gates,
				units.HashCheckGate) {
				t.Errorf("%s runs with %q", name, gates)
			}
		}
		return all
	}
	cluster := *w.Cluster
	w.Cluster = &cluster
	cluster.Etcd.SnapshotCount = 7
	if got := restarts(w); len(got) != 3 || !strings.Contains(got[0], "CompactHashCheck") {
		t.Errorf("another flag restarts: %q", got)
	}
	cluster.Etcd.SnapshotCount = 0
	for _, gates := range []string{"CompactHashCheck=true", "CompactHashCheck=false"} { // it is asked for
		cluster.Etcd.Flags = map[string]string{"feature-gates": gates}
		if got := restarts(w); len(got) != 3 {
			t.Errorf("%s restarts: %q", gates, got)
		}
	}
	// a member that is down starts with it
	cluster.Etcd.Flags = nil
	down := change(old, "etcd-2", stop)
	var kinds []plan.Kind
	for _, stage := range build(t, w, down).Stages {
		for _, step := range stage.Steps {
			kinds = append(kinds, step.Kind)
		}
		down = Simulate(w, down, stage)
	}
	if gates := units.Flag(down.Hosts["etcd-2"].Process.Args, "feature-gates"); gates != has || slices.Contains(kinds,
		plan.RestartMember) {
		t.Errorf("started with %q by %v", gates, kinds)
	}
}
