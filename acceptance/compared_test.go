package acceptance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/facts"
)

// comparison is what the test build writes after each stage of a run: the rest of the plan as Simulate let expect it, and as the look at
// the hosts makes it.
type comparison struct {
	Stage             string
	Kinds             []string
	Expected, Seen    []string
	Simulated, Looked *facts.Snapshot
}

// compared are all kinds of steps whose effect was compared with the world in this run of the tests.
var compared struct {
	mu    sync.Mutex
	kinds map[string]int
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

func (s *site) agreed(t *testing.T) {
	raw, err := os.ReadFile(s.compared)
	if os.IsNotExist(err) { // no stage went well here
		return
	}
	must(t, err)
	n := 0
	for line := range strings.Lines(string(raw)) {
		var c comparison
		if json.Unmarshal([]byte(line), &c) != nil { // the run was killed here
			continue
		}
		n++
		c.check(t)
	}
	t.Logf("%d stages were compared with what Simulate expected", n)
}

func (c comparison) check(t *testing.T) {
	t.Helper()
	compared.mu.Lock()
	defer compared.mu.Unlock()
	if compared.kinds == nil {
		compared.kinds = map[string]int{}
	}
	for _, kind := range c.Kinds {
		compared.kinds[kind]++
	}
	if slices.Equal(c.Expected, c.Seen) && c.Simulated == nil {
		return
	}
	t.Errorf("after %q the plan is not the one that was expected (-expected +seen):\n%s", c.Stage, cmp.Diff(c.Expected, c.Seen))
	if dir := os.Getenv("CLUSTERUP_DIFFERENCES"); dir != "" && c.Simulated != nil && c.Looked != nil {
		must(t, os.WriteFile(filepath.Join(dir, strings.ReplaceAll(t.Name()+" "+c.Stage, "/", "_")), []byte(cmp.Diff(jsonOf(t, c.Simulated), jsonOf(t, c.Looked))), 0o600))
	}
}

func jsonOf(t *testing.T, s *facts.Snapshot) (all any) {
	t.Helper()
	raw, err := json.Marshal(s)
	must(t, err)
	must(t, json.Unmarshal(raw, &all))
	return all
}
