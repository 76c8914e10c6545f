package etcd

import (
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// A restart that has failed is taken back where that helps and does no harm, and nowhere else.
func TestBack(t *testing.T) {
	old := at(wanted(t, 3), "3.5.35")
	w := at(old, "3.6.16")
	before := settled(t, old)
	before.Operator.Snapshots = []facts.SavedSnapshot{{
		ClusterID: before.Hosts["etcd-1"].Data.ClusterID, Version: "3.5.35",
		Taken: noon,
	}}
	stage := plan.Stage{}
	for range 5 {
		next, err := Next(w, before)
		if err != nil {
			t.Fatal(err)
		}
		if stage = *next; stage.Steps[len(stage.Steps)-1].Kind == plan.RestartMember {
			break
		}
		before = Simulate(w, before, stage)
	}
	name := stage.Steps[0].Host
	after := Simulate(w, before, stage)
	down := change(after, name, stop)
	storage := func(s facts.Snapshot, version string) facts.Snapshot {
		for _, other := range s.Names() {
			s = change(s, other, func(h *facts.Host) {
				if h.Etcd != nil {
					status := *h.Etcd
					status.StorageVersion = version
					h.Etcd = &status
				}
			})
		}
		return s
	}
	for what, test := range map[string]struct {
		before, now facts.Snapshot
		stage       plan.Stage
		back        bool
	}{
		"down":          {before, down, stage, true},
		"hangs":         {before, change(after, name, func(h *facts.Host) { h.Reads = false }), stage, true},
		"serves by now": {before, after, stage, false},
		"cannot be looked at": {
			before, change(after, name, func(h *facts.Host) { h.Unreachable = "i/o timeout" }), stage,
			false,
		},
		"did not serve before":    {change(before, name, func(h *facts.Host) { h.Reads = false }), down, stage, false},
		"did not run before":      {change(before, name, stop), down, stage, false},
		"data has come along":     {before, storage(down, "3.6.0"), stage, false},
		"data has not come along": {before, storage(down, "3.5.0"), stage, true},
		"no restart":              {before, down, plan.Stage{Steps: stage.Steps[:1]}, false},
	} {
		back := Back(w, test.before, test.now, test.stage)
		if (back != nil) != test.back {
			t.Errorf("%s: goes back: %v, want %v", what, back != nil, test.back)
		}
		if back == nil {
			continue
		}
		unit := string(back.Steps[0].Changes[0].Data)
		if versionIn(unit) != "3.5.35" || !strings.Contains(unit, "initial-cluster-state=existing") ||
			!strings.Contains(back.Name, "back to etcd 3.5.35") {
			t.Errorf("%s: %s with the unit of etcd %s", what, back.Name, versionIn(unit))
		}
	}
}

// The last member is held while all others have come along, and only where the way is up.
func TestHeld(t *testing.T) {
	low, high := at(wanted(t, 3), "3.5.35"), at(wanted(t, 3), "3.6.16")
	mixed := func(upper int) facts.Snapshot {
		s, above := settled(t, low), settled(t, high)
		for _, m := range low.Cluster.Members[:upper] {
			s = change(s, m.Name, func(h *facts.Host) { *h = copyHost(above.Hosts[m.Name]) })
		}
		return s
	}
	for upper, held := range []bool{false, false, true, false} {
		w := high
		w.HoldLast = true
		if got := newView(w, mixed(upper)).held(); got != held {
			t.Errorf("%d of 3 of the upper version: held %v, want %v", upper, got, held)
		}
		if said := Holding(w, mixed(upper)); strings.HasPrefix(said, "etcd-3 stays at etcd 3.5.35") != held {
			t.Errorf("%d of 3 of the upper version: says %q", upper, said)
		}
		w = low
		w.HoldLast = true
		if newView(w, mixed(upper)).held() {
			t.Errorf("%d of 3 of the upper version: held on the way down", upper)
		}
		if newView(high, mixed(upper)).held() {
			t.Errorf("%d of 3 of the upper version: held although nobody asked for it", upper)
		}
	}
}

// Versions that the cluster is not taken to, or not without consent.
func TestVersionRefusals(t *testing.T) {
	two := []string{"etcd-2", "etcd-3"}
	for name, test := range map[string]struct {
		from, to string
		accept   []plan.Risk
		do       func(s facts.Snapshot) facts.Snapshot
		kind     plan.RefusalKind
		says     string
	}{
		"several hops":         {"3.5.35", "3.7.3", nil, nil, plan.NeedsConsent, "passes through 3.6.16"},
		"below the floor":      {"3.5.21", "3.6.16", nil, nil, plan.NeedsConsent, "passes through 3.5.35"},
		"down":                 {"3.7.3", "3.6.16", nil, nil, plan.NeedsConsent, "going back a minor version"},
		"down too far":         {"3.6.16", "3.5.21", plan.Risks(), nil, plan.VersionChange, "only 3.5.32 and later"},
		"down too far by hops": {"3.7.3", "3.5.21", plan.Risks(), nil, plan.VersionChange, "only 3.5.32 and later"},
		"no quorum": {"3.5.35", "3.6.16", nil, func(s facts.Snapshot) facts.Snapshot {
			return change(change(s, two[0], stop), two[1], stop)
		}, plan.QuorumAtRisk, "1 of 3 members run"},
		"v2 content": {"3.5.35", "3.6.16", nil, func(s facts.Snapshot) facts.Snapshot {
			return change(s, two[0], func(h *facts.Host) { h.V2Store = &facts.V2Store{Text: "custom v2 content"} })
		}, plan.V2Content, "custom v2 content"},
		"too far apart": {"3.5.35", "3.6.16", nil, func(s facts.Snapshot) facts.Snapshot {
			return change(s, two[0], func(h *facts.Host) { status := *h.Etcd; status.Version = "3.7.3"; h.Etcd = &status })
		}, plan.VersionChange, "more than one minor version apart"},
		"release gone": {"3.5.35", "3.6.16", nil, func(s facts.Snapshot) facts.Snapshot {
			return change(s, two[0], func(h *facts.Host) { gone(h); stop(h) })
		}, plan.VersionChange, "not on its host"},
	} {
		t.Run(name, func(t *testing.T) {
			s := settled(t, at(wanted(t, 3), test.from))
			if test.do != nil {
				s = test.do(s)
			}
			w := at(wanted(t, 3), test.to)
			w.Accept = test.accept
			got := refusals(t, w, s)
			if len(got) != 1 || got[0].Kind != test.kind || !strings.Contains(got[0].Reason, test.says) {
				t.Errorf("refusals %+v, want one of kind %s that says %q", got, test.kind, test.says)
			}
		})
	}
}
