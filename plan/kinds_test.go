package plan

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/units"
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
		if !slices.Contains([]Where{Directory, Machine, Cluster}, traits.Where) {
			t.Errorf("%s: happens at %q", kind, traits.Where)
		}
		for claim, is := range map[string]bool{
			"disturbs, and does not look so":   traits.Disturbs && traits.Mark != '!' && traits.Mark != '-',
			"looks as if it disturbed":         traits.Mark == '!' && !traits.Disturbs,
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

// stepOf is a step of a kind that holds whatever any kind holds.
func stepOf(w Want, s facts.Snapshot, kind Kind) Step {
	file := UnitPath(w.Cluster)
	step := Step{
		Kind: kind, Host: "etcd-1", Why: "no reason", Unit: w.Cluster.UnitName, Version: "3.6.16",
		Paths:   []Path{{Path: file, Owner: "nobody", Group: "nobody", Mode: 0o600}},
		Changes: []Change{{File: units.File{Path: file, Data: []byte("another text")}}},
	}
	switch kind.Traits().Where {
	case Directory:
		step.Host, step.CA, step.Generation, step.Phase, step.Serial = "", "client", 1, HoldTrust, "abc"
	case Cluster:
		step.Version, step.To = "3.5", "etcd-2"
		step.Through, step.Member = "etcd-2", s.Hosts["etcd-1"].Data.MemberID
		step.PeerURLs = []string{"https://10.0.0.99:2380"}
	}
	switch kind {
	case PinRelease, InstallRelease:
		step.Release = &Release{Version: "3.6.99", Arch: "amd64", SHA256: "abc"}
	case IssueLeaf:
		step.Leaf = &Leaf{Role: "peer", CA: "peer", Generation: 1, CN: "etcd-1"}
	case RecordBirth:
		step.Birth = &units.Born{ClusterID: "7", MemberID: "8"}
	}
	return step
}

// Each kind has an effect that the facts can see, but for those that only wait for members that run.
func TestKindsAreSimulated(t *testing.T) {
	wait := []Kind{AwaitMember, AwaitLeader}
	w := wanted(t, 3)
	s := change(settled(t, w), "etcd-1", func(h *facts.Host) {
		h.EtcdUser, h.Unit.NeedsReload, h.Unit.Enabled, h.V2Store = false, true, "disabled", nil
		h.Etcd.Downgrade = "3.4.0"
	})
	s.Operator.Clients = []facts.Client{{Name: "app", Serial: "abc"}}
	s.Operator.Revoked = facts.Revoked{}
	s = SimulateStep(w, s, stepOf(w, s, AwaitLeader)) // members have found each other
	for _, kind := range Kinds() {
		changed := !reflect.DeepEqual(SimulateStep(w, s, stepOf(w, s, kind)), s)
		if changed == slices.Contains(wait, kind) {
			t.Errorf("%s: has an effect: %t", kind, changed)
		}
	}
}

// Each kind is either one that converging may want, or only for a cluster that is to be destroyed; and none that
// disturbs members may be wanted on two hosts at once.
func TestKindsHaveLaws(t *testing.T) {
	destroys := []Kind{StopMember, MoveAside, PurgeData, RemoveFiles}
	w := wanted(t, 3)
	s := settled(t, w)
	for _, kind := range Kinds() {
		step := stepOf(w, s, kind)
		stage := Stage{Name: "bad", Gate: "none", Width: 1, Steps: []Step{step}}
		if err := lawKinds(stage); (err != nil) != slices.Contains(destroys, kind) {
			t.Errorf("%s: law 3 says %v", kind, err)
		}
		if kind.Traits().Where == Directory {
			continue
		}
		other := step
		other.Host = "etcd-2"
		stage.Width, stage.Steps = 2, append(stage.Steps, other)
		if err := lawAlone(stage); (err != nil) != kind.Traits().Disturbs {
			t.Errorf("%s on two hosts: %v", kind, err)
		}
	}
}

// The member that is asked to make another one known is said twice in JSON, and decides nothing.
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
