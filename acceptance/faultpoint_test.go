package acceptance

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A fault point is a moment of a run that has a name: right before or right after a look, a step, or one action of a
// step on a host ("before write-unit/etcd-1", "after issue-leaf/peer/etcd-2#write-1"). Only binaries built with the tag
// faults know them; there CLUSTERUP_FAULT is "kill POINT", "fail POINT" or "stop POINT", after which it goes on when it
// is told to (SIGCONT), and CLUSTERUP_FAULT_LIST names a file to which every point is written.

// faultBinary is clusterup built so that it can be disturbed.
var faultBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(cache), "faults", "clusterup")
	return path, goRun("build", "-trimpath", "-tags", "faults", "-o", path, "./cmd/clusterup")
})

// whole says whether every point of every operation is tried, which takes the better part of an hour, or only the
// telling ones.
func whole() bool { return os.Getenv("FAULTS") == "full" }

// ofMatrix skips a test that `make faults` alone runs, in one of its parts: what goes on with hosts there is told by others too,
// in less time.
func ofMatrix(t *testing.T) {
	t.Helper()
	if !whole() {
		t.Skip("FAULTS=full")
	}
}

// disturbed runs clusterup with a fault, or with points listed to a file.
func (s *site) disturbed(t *testing.T, setting string, args ...string) result {
	t.Helper()
	program, err := faultBinary()
	if err != nil {
		t.Fatal(err)
	}
	return s.launch(t, append([]string{"env", setting, program}, args...)...).wait(t)
}

// points lists those of one undisturbed run that ends with an exit code, sorted by host as they came there: hosts work
// side by side, so only that is the same in every run.
func (s *site) points(t *testing.T, code int, args ...string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "points")
	s.disturbed(t, "CLUSTERUP_FAULT_LIST="+file, args...).exits(t, code)
	points := strings.Split(strings.TrimSpace(read(t, file)), "\n")
	const few = 6 // looks and the verification alone
	if len(points) < few {
		t.Fatalf("a run has %d points only: %q", len(points), points)
	}
	slices.SortStableFunc(points, func(a, b string) int { return strings.Compare(hostOf(a), hostOf(b)) })
	return points
}

var hostName = regexp.MustCompile(`etcd-\d+`)

// hostOf is the host of a point, or "" for what is done on the control machine.
func hostOf(point string) string { return hostName.FindString(point) }

// distinct leaves the points between which something is done: the first of all, and those right after each action.
func distinct(points []string) []string {
	some := points[:1:1]
	for i, p := range points[1:] {
		done, after := strings.CutPrefix(p, "after ")
		if after && points[i] == "before "+done && !strings.HasPrefix(done, "look") {
			some = append(some, p)
		}
	}
	return some
}

// steps leaves the points right before and right after whole steps on one host; "" means on all, and on the control
// machine.
func steps(points []string, host string) []string {
	return slices.DeleteFunc(slices.Clone(points), func(p string) bool {
		return strings.Contains(p, "#") || !strings.Contains(p, "/") || host != "" && hostOf(p) != host
	})
}
