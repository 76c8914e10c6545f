package etcd

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

var update = flag.Bool("update", false, "write the golden files anew")

// reasoned are the operations whose golden files give the reasons of steps too. Between them they have every reason
// that any operation has, so a reason that is worded anew changes few files.
var reasoned = []string{
	"minor up with flags", "three hops", "two down", "slower beat", "faster beat", "client CA", "both CAs, held",
	"both CAs, held before the end", "both CAs with flags", "client CA with a minor up", "peer CA of another's", "leaves",
	"TLS between peers, and a new peer CA",
}

// Golden files show people, stage by stage, how each operation goes with three members. Without faults no version is
// agreed on or enabled that Simulate did not foresee, and the leader hands over once for each version or setting that
// members are taken through.
func TestOperationsGolden(t *testing.T) {
	for _, o := range slices.Concat(operations, allRotations()) {
		t.Run(o.name, func(t *testing.T) {
			_, w, s := o.start(t, 3)
			var b strings.Builder
			fmt.Fprintf(&b, "etcd %s, wanted %s; route %s\n", o.from, o.to, strings.Join(Versions(w.Cluster, s), " → "))
			p, err := Build(w, s)
			if err != nil {
				t.Fatal(err)
			}
			why := func(step plan.Step) string {
				if !slices.Contains(reasoned, o.name) {
					return ""
				}
				return ": " + step.Why
			}
			leads := 0
			k, st := newWalker(t, w), state{seen: s, token: "run-1", way: &way{what: o.name}}
			for i, stage := range p.Stages {
				fmt.Fprintf(&b, "%2d. %s\n", i+1, stage.Name)
				for _, step := range stage.Steps {
					if step.Kind != plan.WriteUnit && step.Kind != plan.InstallRelease {
						fmt.Fprintf(&b, "    %s%s\n", step.ID(), why(step))
					}
					if step.Kind == plan.MoveLeader {
						leads++
					}
					foreseen := SimulateStep(k.want(st), st.seen, step)
					st = k.do(st, step)
					foresaw(t, step, foreseen, st.seen)
				}
			}
			for _, note := range p.Notes {
				fmt.Fprintf(&b, "note: %s\n", note)
			}
			if leads > o.leads {
				t.Errorf("the leader hands over %d times, want at most %d", leads, o.leads)
			}
			prefix := "upgrade-"
			if slices.ContainsFunc(rotations, func(r operation) bool { return r.name == o.name }) {
				prefix = "rotation-"
			}
			golden(t, prefix+strings.NewReplacer(" ", "-", ",", "").Replace(o.name)+".txt", b.String())
		})
	}
}

// foresaw says that what Simulate showed is what came.
func foresaw(t *testing.T, step plan.Step, foreseen, came facts.Snapshot) {
	t.Helper()
	for _, name := range came.Names() {
		a, b := foreseen.Hosts[name], came.Hosts[name]
		if diff := cmp.Diff(a.Etcd, b.Etcd); diff != "" {
			t.Errorf("%s: of %s -foreseen +came %s", step.ID(), name, diff)
		}
		if clean(a) != clean(b) {
			t.Errorf("%s: of %s foreseen %v, came %v", step.ID(), name, a.V2Store, b.V2Store)
		}
	}
}

func clean(h facts.Host) bool { return h.V2Store == nil || h.V2Store.Clean }

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s, -want +got: %s", file, diff)
	}
}
