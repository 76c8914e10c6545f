package acceptance

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// The rows of what was measured stand between these lines, sorted.
const (
	measuredHead = "| what is done | writes acknowledged | failed | changes of the leader | longest gap between two | seconds | seen at |\n" +
		"| --- | --- | --- | --- | --- | --- | --- |\n"
	measuredEnd = "\n<!-- end of what was measured -->"
)

// measured puts what clients saw of a change into docs/guarantees.md, with FAULTS=full; else it checks that the page
// has a row for it, and says as many failed writes.
func measured(t *testing.T, what string, r report, seconds float64) {
	t.Helper()
	guaranteesMu.Lock()
	defer guaranteesMu.Unlock()
	before, rest, found := strings.Cut(read(t, guarantees), measuredHead)
	table, after, ended := strings.Cut(rest, measuredEnd)
	if !found || !ended {
		t.Fatalf("%s has no table of what was measured", guarantees)
	}
	key := fmt.Sprintf("| %s | ", what)
	row := fmt.Sprintf("%s%d | %d | %d | %.2f s | %.0f | %s |", key, r.acked, r.failed, r.changes, r.longest.Seconds(),
		seconds, commit())
	t.Log(row)
	rows := strings.Split(strings.TrimSpace(table), "\n")
	mine := func(r string) bool { return strings.HasPrefix(r, key) }
	if !whole() {
		if !slices.ContainsFunc(rows, mine) {
			t.Errorf("%s lacks a row for what was measured, make faults writes it: %s", guarantees, row)
		}
		return
	}
	rows = append(slices.DeleteFunc(rows, func(r string) bool { return r == "" || mine(r) }), row)
	slices.Sort(rows)
	if err := os.WriteFile(guarantees, []byte(before+measuredHead+strings.Join(rows, "\n")+measuredEnd+after),
		0o644); err != nil { //nolint:gosec // a page for all
		t.Fatal(err)
	}
}
