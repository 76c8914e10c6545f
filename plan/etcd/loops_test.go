package etcd

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// inventoryLoops are the functions that loop over the members of an inventory themselves, since no host is concerned.
// Members as the cluster lists them are not meant here.
var inventoryLoops = map[string]string{
	"clusterID": "an ID that follows from the inventory", "LeafNames": "names of certificates",
	"Asks":           "where to look, and whom to ping",
	"refusedByPeers": "addresses",
	"notes":          "machine-ids, of which dark hosts have none", "together": "the order of the inventory",
	"Findings": "each host by itself, dark ones too",
	"Back":     "one member by its name", "roundTrip": "hosts that were probed",
	"inventoried": "whom the inventory has", "hostOf": "one member by its address",
	"ofEntry": "one member by its entry", "Members": "each by itself, dark ones too",
	"memberNotes": "how many are wanted",
	"glance":      "who is wanted, and who is to leave",
	"trustState":  "their names", "RotateCerts": "the leaves that were seen",
	"EndConnections": "the processes that were seen",
	"Simulate":       "a copy", "SimulateStep": "a copy", "unasked": "a copy", "simulateRunning": "a model",
	"simulateBeside": "a model", "simulateMembers": "a model", "simulateMembership": "a model", "simulatedID": "a model",
	"simulateUpkeep": "a model",
	"RestoreWant":    "who takes part: hosts that are dark and were given up do not",
	"markOf":         "marks that were seen; dark hosts show none, and are refused by themselves",
	"heedless":       "a copy", "hidden": "a copy", "copyOf": "a port for each", "marks": "names in a mark",
	"identify": "names",
	"ending":   "members that are to leave, too; dark hosts are refused, or were given up",
	"largest":  "what was told; dark hosts tell nothing",
}

// Decisions loop over members through quantifiers alone: all, may, known and each know what dark means.
func TestDecisionsLoopThroughQuantifiers(t *testing.T) {
	used := map[string]bool{}
	for _, dir := range []string{".", "../preflight", "../trust"} {
		for name, where := range loops(t, dir) {
			if inventoryLoops[name] == "" {
				t.Errorf("%s loops over members itself: %s", name, strings.Join(where, ", "))
			}
			used[name] = true
		}
	}
	for name := range inventoryLoops {
		if !used[name] {
			t.Errorf("%s is excused, and does not loop", name)
		}
	}
}

// loops are the places, by function, that range over Cluster.Members or Snapshot.Hosts, or search them.
func loops(t *testing.T, dir string) map[string][]string {
	t.Helper()
	files, found := token.NewFileSet(), map[string][]string{}
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range file.Decls {
			function, ok := declared.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(function, func(n ast.Node) bool {
				over := looped(n)
				if over != nil && overMembers(over) {
					at := fmt.Sprintf("%s %s", files.Position(over.Pos()), types.ExprString(over))
					found[function.Name.Name] = append(found[function.Name.Name], at)
				}
				return true
			})
		}
	}
	return found
}

// looped is what a node loops over; nil: it does not.
func looped(n ast.Node) ast.Expr {
	switch n := n.(type) {
	case *ast.RangeStmt:
		return n.X
	case *ast.CallExpr:
		if selector, ok := n.Fun.(*ast.SelectorExpr); ok && len(n.Args) > 0 &&
			slices.Contains([]string{"slices", "maps"}, types.ExprString(selector.X)) {
			return n.Args[0]
		}
		if nameIn(n.Fun) == "Alike" {
			return n.Args[0]
		}
	}
	return nil
}

func overMembers(over ast.Expr) bool {
	text := types.ExprString(over)
	listed := strings.HasSuffix(text, "seen.Members") || text == "s.Members"
	return (strings.HasSuffix(text, ".Members") && !listed) || strings.HasSuffix(text, ".List") ||
		strings.HasSuffix(text, ".Hosts") || strings.HasSuffix(text, ".Names()") || strings.HasSuffix(text, ".Present()")
}
