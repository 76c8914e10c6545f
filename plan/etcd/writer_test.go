package etcd

import (
	"errors"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// wrote makes another writer of units and markers.
func wrote(t *testing.T, w Want, s facts.Snapshot, pairs ...string) facts.Snapshot {
	t.Helper()
	for _, m := range w.Cluster.Members {
		s = change(s, m.Name, func(h *facts.Host) {
			for _, name := range []string{UnitPath(w.Cluster), "/etc/etcd/prod/born.json"} {
				file := h.Files[name]
				file.Content = []byte(strings.NewReplacer(pairs...).Replace(string(file.Content)))
				h.Files[name] = file
			}
		})
	}
	return s
}

// TestOlderClusterup: nothing is planned over what a newer one wrote, be it in the unit or in the marker, and nothing
// else is said of it.
func TestOlderClusterup(t *testing.T) {
	w := wanted(t, 3)
	w.Writer = "v1.0.0"
	s := settled(t, w)
	for name, pairs := range map[string][]string{
		"unit":   {"-form: 3, written by v1.0.0", "-form: 4, written by v2.0.0"},
		"marker": {`"form": 3`, `"form": 4`, `"written_by": "v1.0.0"`, `"written_by": "v2.0.0"`},
	} {
		newer := change(wrote(t, w, s, pairs...), "etcd-3", func(h *facts.Host) { h.Data.ClusterID++ })
		for _, next := range []func(Want, facts.Snapshot) (*plan.Stage, error){Next, NextDestroy(true)} {
			_, err := next(w, newer)
			var refused *plan.Refused
			if !errors.As(err, &refused) || !refused.Only(plan.OlderClusterup) || len(refused.Refusals) != 3 {
				t.Fatalf("%s: %v", name, err)
			}
			if text := refused.Refusals[0].Reason; !strings.Contains(text, "(v2.0.0, form 4)") ||
				!strings.Contains(text, "(v1.0.0, form 3)") {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
}

// TestNewerClusterup: what a newer clusterup writes anew by itself is one note at the top, and no member restarts for
// it; another version of the same form writes nothing.
func TestNewerClusterup(t *testing.T) {
	w := wanted(t, 3)
	w.Writer = "v1.0.0"
	s := settled(t, w)
	w.Writer = "v1.1.0"
	if p, err := Build(w, s); err != nil || !p.Empty() || len(p.Notes) > 0 {
		t.Errorf("another version: %+v, %v", p, err)
	}
	s = change(s, "etcd-2", func(h *facts.Host) { h.Packages, h.ClockOffset = []string{"etcd"}, 2e9 })
	old := wrote(t, w, s, "# clusterup-form: 3, written by v1.0.0\n", "", `"form": 3`, `"form": 0`)
	p, err := Build(w, old)
	if err != nil || len(p.Notes) != 2 || !strings.Contains(p.Notes[0], "form 1") {
		t.Fatalf("%q, %v", p.Notes, err)
	}
	written := map[string]bool{}
	for _, stage := range p.Stages {
		for _, step := range stage.Steps {
			written[step.ID()] = true
			if step.Kind != plan.WriteUnit && step.Kind != plan.RecordBirth {
				t.Errorf("%s", step.ID())
			}
		}
		old = Simulate(w, old, stage)
	}
	if len(written) != 2*len(w.Cluster.Members) {
		t.Errorf("not the unit and the marker of each member: %v", written)
	}
	if p, err := Build(w, old); err != nil || !p.Empty() || len(p.Notes) != 1 {
		t.Errorf("afterwards: %+v, %v", p, err)
	}
}
