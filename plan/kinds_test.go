package plan

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
)

// Each constant of the type Kind has a row, and each row is whole.
func TestKindsAreWhole(t *testing.T) {
	named := kindConstants(t)
	if got := Kinds(); !slices.Equal(got, named) {
		t.Errorf("the table has %v\nconstants are %v", got, named)
	}
	for _, kind := range Kinds() {
		traits := kind.Traits()
		if !strings.ContainsRune("+~-!…", traits.Mark) || traits.Mark == 0 {
			t.Errorf("%s: mark %q", kind, traits.Mark)
		}
		if !slices.Contains([]Where{Directory, Machine, Cluster, Node}, traits.Where) {
			t.Errorf("%s: happens at %q", kind, traits.Where)
		}
		for claim, is := range map[string]bool{
			"disturbs, and does not look so":   traits.Disturbs && traits.Mark != '!' && traits.Mark != '-',
			"looks as if it disturbed":         traits.Mark == '!' && !traits.Disturbs && traits.Where != Node,
			"disturbs members from a node":     traits.Disturbs && traits.Where == Node,
			"waits, and cannot be stopped":     traits.Mark == '…' && !traits.Long,
			"starts, and does not end serving": traits.Starts && !traits.Serves,
			"starts a process not on a host":   traits.Starts && traits.Where != Machine,
			"relists, and is of no CA":         traits.Relists && traits.Where != Directory,
		} {
			if is {
				t.Errorf("%s: %s", kind, claim)
			}
		}
	}
	if unknown := Kind("no-such-kind").Traits(); unknown != (Traits{}) {
		t.Errorf("an unknown kind has %+v", unknown)
	}
}

// kindConstants are the values of all constants of the type Kind in this package, sorted.
func kindConstants(t *testing.T) []Kind {
	t.Helper()
	var found []Kind
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			literal, plain := spec.Values[0].(*ast.BasicLit)
			if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "Kind" && plain {
				value, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				found = append(found, Kind(value))
			}
			return true
		})
	}
	slices.Sort(found)
	return found
}

// The member that is asked to make another one known is said twice in JSON, and decides nothing.
// Points are the same in every run, and steps of other members, roles and clients have others. IDs tell serials apart.
func TestPoints(t *testing.T) {
	leaf := func(role, member, serial string) Step {
		return Step{Kind: RevokeLeaf, Revoke: &facts.Recorded{Role: role, Member: member, Serial: serial}}
	}
	for want, pair := range map[string][2]Step{
		"revoke-leaf/peer/etcd-2":   {leaf("peer", "etcd-2", "1a"), leaf("peer", "etcd-2", "2b")},
		"revoke-leaf/server/etcd-3": {leaf("server", "etcd-3", "3c"), leaf("server", "etcd-3", "4d")},
		"revoke-client/app": {
			{Kind: RevokeClient, Client: "app", Serial: "1a"}, {Kind: RevokeClient, Client: "app", Serial: "2b"},
		},
	} {
		for _, step := range pair {
			before := step.ID()
			if got := step.Point(); got != want || step.ID() != before {
				t.Errorf("the point of %s is %s, want %s", before, got, want)
			}
		}
		if pair[0].ID() == pair[1].ID() {
			t.Errorf("two steps are %s", pair[0].ID())
		}
	}
	if step := (Step{Kind: WriteUnit, Host: "etcd-1"}); step.Point() != step.ID() {
		t.Errorf("the point of %s is %s", step.ID(), step.Point())
	}
}

func TestThroughIsToInJSON(t *testing.T) {
	digests := map[string]bool{}
	for _, through := range []string{"etcd-2", "etcd-3"} {
		step := Step{Kind: UpdateMember, Host: "etcd-1", Why: "none", Through: through}
		raw, err := json.Marshal(step)
		want := `{"kind":"update-member","host":"etcd-1","why":"none","to":"NAME","through":"NAME"}`
		if want = strings.ReplaceAll(want, "NAME", through); string(raw) != want {
			t.Errorf("%s, want %s (%v)", raw, want, err)
		}
		sum, err := Plan{Stages: []Stage{{Steps: []Step{step}}}}.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests[sum] = true
	}
	if len(digests) != 1 {
		t.Errorf("who is asked makes another plan: %v", digests)
	}
}

// The reference of the JSON contract has a row for each kind.
func TestKindsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\nKinds of steps:\n")
	table, _, _ = strings.Cut(table, "\n#")
	var rows []Kind
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(table, -1) {
		rows = append(rows, Kind(row[1]))
	}
	if slices.Sort(rows); !slices.Equal(rows, Kinds()) {
		t.Errorf("docs/json.md has %v\nkinds are %v", rows, Kinds())
	}
}
