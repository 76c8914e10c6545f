package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/lab"
	"github.com/clusterup/clusterup/plan"
)

// comparison is what the test build writes after each stage of a run: the rest of the plan as Simulate let expect
// it, and as the look at the hosts makes it.
type comparison struct {
	Stage             string
	Elected           bool // nothing was compared, since there was an election
	Kinds             []plan.Kind
	Expected, Seen    []string
	Simulated, Looked *facts.Snapshot
}

// compared are all kinds of steps whose effect was compared with the world in this run of the tests.
var compared struct {
	mu    sync.Mutex
	kinds map[plan.Kind]int
}

// compare has runs of a site hold the model to the world, and checks in the end that they agreed.
func (s *site) compare(t *testing.T) {
	t.Helper()
	program, err := faultBinary()
	if err != nil {
		t.Fatal(err)
	}
	s.program, s.compared = program, filepath.Join(t.TempDir(), "compared")
	t.Cleanup(func() { s.agreed(t) })
}

// shipped has a site run clusterup exactly as it is shipped; elsewhere it is the same code, and compares besides.
func (s *site) shipped() { s.program = clusterup }

func (s *site) agreed(t *testing.T) {
	raw, err := os.ReadFile(s.compared)
	if os.IsNotExist(err) { // no stage went well here
		return
	}
	must(t, err)
	n, elections := 0, 0
	for line := range strings.Lines(string(raw)) {
		var c comparison
		if json.Unmarshal([]byte(line), &c) != nil { // the run was killed here
			continue
		}
		if c.Elected {
			elections++
			continue
		}
		n++
		c.check(t)
	}
	t.Logf("%d stages were compared with what Simulate expected, and %d were not, for elections", n, elections)
	if elections > 3+n/4 {
		t.Error("there are too many elections for the comparison to say anything")
	}
}

func (c comparison) check(t *testing.T) {
	t.Helper()
	compared.mu.Lock()
	defer compared.mu.Unlock()
	if compared.kinds == nil {
		compared.kinds = map[plan.Kind]int{}
	}
	for _, kind := range c.Kinds {
		compared.kinds[kind]++
	}
	if slices.Equal(c.Expected, c.Seen) && c.Simulated == nil {
		return
	}
	t.Errorf("after %q the plan is not the one that was expected (-expected +seen):\n%s", c.Stage,
		cmp.Diff(c.Expected, c.Seen))
	if c.Simulated != nil && c.Looked != nil {
		c.keep(t)
	}
}

// keep writes how the two snapshots differ into the folder that CLUSTERUP_DIFFERENCES names: it is too long for a log.
func (c comparison) keep(t *testing.T) {
	t.Helper()
	dir := os.Getenv("CLUSTERUP_DIFFERENCES")
	if dir == "" {
		return
	}
	name := strings.ReplaceAll(t.Name()+" "+c.Stage, "/", "_")
	must(t, os.WriteFile(filepath.Join(dir, name), []byte(cmp.Diff(jsonOf(t, c.Simulated), jsonOf(t, c.Looked))), 0o600))
}

// uncomparable are the kinds of steps that a run comes to only by chance, or never as things are.
var uncomparable = map[plan.Kind]string{
	plan.AwaitLearner:      "a learner is ready when it has caught up, and has to fall behind after that",
	plan.AwaitLeader:       "there has to be an election while the members are asked",
	plan.AwaitMember:       "a member has to be ill for a moment between two looks",
	plan.AwaitRaftSnapshot: "no client may write while a cluster of 3.6 goes to 3.7",
	plan.CancelDowngrade:   "somebody else has to enable a downgrade",
}

// uncompared is an error when there are kinds of steps whose effect no run of all the tests has compared with the
// world.
func uncompared() error {
	if *update || lab.Preflight() != nil { // there were no hosts
		return nil
	}
	kinds := slices.DeleteFunc(plan.Kinds(), func(kind plan.Kind) bool {
		return compared.kinds[kind] > 0 || uncomparable[kind] != ""
	})
	if len(kinds) > 0 {
		return fmt.Errorf("nobody has compared what these steps do with what Simulate says: %q", kinds)
	}
	return nil
}

func jsonOf(t *testing.T, s *facts.Snapshot) (all any) {
	t.Helper()
	raw, err := json.Marshal(s)
	must(t, err)
	must(t, json.Unmarshal(raw, &all))
	return all
}
