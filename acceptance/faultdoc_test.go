package acceptance

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

const guarantees = "../docs/guarantees.md"

// The rows stand between these lines, sorted.
const (
	tableHead = "| what happens | during | what comes of it | seen at |\n| --- | --- | --- | --- |\n"
	tableEnd  = "\n<!-- end of what the tests wrote -->"
)

var guaranteesMu sync.Mutex

// guarantee checks that docs/guarantees.md says what a test has proven, or with FAULTS=full writes that.
func guarantee(t *testing.T, fault, operation, outcome string) {
	t.Helper()
	guaranteesMu.Lock()
	defer guaranteesMu.Unlock()
	text := read(t, guarantees)
	before, rest, found := strings.Cut(text, tableHead)
	table, after, ended := strings.Cut(rest, tableEnd)
	if !found || !ended {
		t.Fatalf("%s has no table", guarantees)
	}
	key := fmt.Sprintf("| %s | %s | ", fault, operation)
	row := key + outcome + " | "
	rows := strings.Split(strings.TrimSpace(table), "\n")
	if !whole() {
		if slices.ContainsFunc(rows, func(r string) bool { return strings.HasPrefix(uncounted(r), uncounted(row)) }) {
			return
		}
		t.Errorf("%s is not what was proven, make faults writes it anew; it lacks\n%s", guarantees, row)
		return
	}
	rows = slices.DeleteFunc(rows, func(r string) bool { return r == "" || strings.HasPrefix(r, key) })
	rows = append(rows, row+commit()+" |")
	slices.Sort(rows)
	if err := os.WriteFile(guarantees, []byte(before+tableHead+strings.Join(rows, "\n")+tableEnd+after),
		0o644); err != nil { //nolint:gosec // a page for all
		t.Fatal(err)
	}
}

var number = regexp.MustCompile(`\d+( of \d+)? points`)

// commit is the one whose tests run, which a row of the page says; "–" where git does not know.
var commit = sync.OnceValue(func() string {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "–"
	}
	return strings.TrimSpace(string(out))
})

// uncounted is a row without its number of points, which is what it was when all were tried last.
func uncounted(row string) string { return number.ReplaceAllString(row, "points") }

// guaranteePoints are the rows of an operation that was disturbed at every point, or at a part of them. Runs that try
// the telling points only check that the row is there.
func guaranteePoints(t *testing.T, op operation, points []string) {
	t.Helper()
	again := cmp.Or(op.means, "the same command, run again,") + " ends as if nothing had happened"
	for _, row := range []struct{ verb, what, outcome string }{
		{"kill", "clusterup is killed (`kill -9`)", "nothing goes on on the hosts; " + again},
		{"fail", "an action fails", "exit 14, or 1 between steps; " + again},
	} {
		tried := len(points)
		if op.whole != nil {
			tried = len(op.whole(row.verb, points))
		}
		where := fmt.Sprintf("each of %d points", len(points))
		if tried < len(points) {
			where = fmt.Sprintf("%d of %d points (%s)", tried, len(points), op.part[row.verb])
		}
		if tried > 0 {
			guarantee(t, row.what, op.name, "at "+where+": "+row.outcome)
		}
	}
}
