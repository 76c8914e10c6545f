package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/facts"
)

// comparison is what the test build writes after each stage of a run: the rest of the plan as Simulate let expect
// it, and as the look at the hosts makes it.
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

// shipped has a site run clusterup exactly as it is shipped; elsewhere it is the same code, and compares besides.
func (s *site) shipped() { s.program = clusterup }

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
var uncomparable = map[string]string{
	"await-leader":     "there has to be an election while the members are asked",
	"await-member":     "a member has to be ill for a moment between two looks",
	"cancel-downgrade": "somebody else has to enable a downgrade",
}

// uncompared is an error when there are kinds of steps whose effect no run of all the tests has compared with the
// world.
func uncompared() error {
	if len(compared.kinds) == 0 { // there were no hosts
		return nil
	}
	kinds, err := allKinds()
	if err != nil {
		return err
	}
	kinds = slices.DeleteFunc(kinds, func(kind string) bool {
		return compared.kinds[kind] > 0 || uncomparable[kind] != ""
	})
	if len(kinds) > 0 {
		return fmt.Errorf("nobody has compared what these steps do with what Simulate says: %s", strings.Join(kinds, ", "))
	}
	return nil
}

// allKinds are the kinds of steps that package plan declares.
func allKinds() (kinds []string, err error) {
	file, err := parser.ParseFile(token.NewFileSet(), "../plan/stage.go", nil, 0)
	if err != nil {
		return nil, fmt.Errorf("read the kinds of steps: %w", err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || fmt.Sprint(spec.Type) != "Kind" {
			return true
		}
		for _, value := range spec.Values {
			kind, errQuoted := strconv.Unquote(value.(*ast.BasicLit).Value)
			kinds, err = append(kinds, kind), errors.Join(err, errQuoted)
		}
		return true
	})
	if len(kinds) == 0 {
		err = errors.Join(err, errors.New("read the kinds of steps: there are none"))
	}
	return kinds, err
}

func jsonOf(t *testing.T, s *facts.Snapshot) (all any) {
	t.Helper()
	raw, err := json.Marshal(s)
	must(t, err)
	must(t, json.Unmarshal(raw, &all))
	return all
}
