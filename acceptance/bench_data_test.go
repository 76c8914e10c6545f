package acceptance

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// benchmarks is what one run of `make bench` has measured: a file in docs/benchmarks, from which the page is made.
type benchmarks struct {
	Date, Commit        string // Date is of UTC, with the minute
	CPU, Kernel, System string
	Cores               int
	Note                string `json:",omitempty"` // a sentence about the machine or the run
	Start               []series
	Tools               []series
	Parts               []part // of a bootstrap of three by clusterup
	Counts              []operationCount
	Ways                []way
	Uploads             []upload
	Snapshots           []copying

	charted bool // in the chart of the page
}

// The operations that are measured.
const (
	fromBare = "bare hosts to a cluster"
	noneLeft = "nothing to do"
)

// series are the runs of one tool that did one thing.
type series struct {
	Tool, What string
	Hosts      int `json:",omitempty"`
	Seconds    []float64
	CPU        []float64 `json:",omitempty"` // seconds, of the tool's processes and of all hosts
	Others     []float64 `json:",omitempty"` // share of this machine's processors that went to anything else meanwhile
	Tasks      []int     `json:",omitempty"` // on the host with most
	Threads    []int     `json:",omitempty"` // of etcd, besides
	Sessions   []int     `json:",omitempty"`
	Memory     int64     `json:",omitempty"` // bytes
}

// part is a part of a run, in seconds.
type part struct {
	What    string
	Seconds float64
}

// operationCount is a line of TestTasks.
type operationCount struct {
	What                               string
	Tasks, Threads, Sessions, Trips    int
	GoalTasks, GoalSessions, GoalTrips int
}

// way is what one thing takes over a distance.
type way struct {
	Trip    int // milliseconds
	What    string
	Seconds []float64
	Trips   []int
}

// upload is that of a release over a distance, on a link with so many bits a second.
type upload struct {
	Trip    int // milliseconds
	Bits    float64
	Bytes   int
	Seconds []float64
	Bare    []float64 `json:",omitempty"` // of a copy of so many bytes over TCP alone
}

// fill is the share of the link that a run filled.
func (u upload) fill(seconds float64) float64 { return float64(u.Bytes) * 8 / seconds / u.Bits }

const benchmarksDir = "../docs/benchmarks"

// numbers are lists of them, which are written on one line.
var numbers = regexp.MustCompile(`\[[-0-9.,\s]+\]`)

// found is what the benchmarks of this process have measured so far.
var found benchmarks

// writeFound says whether that goes to a file.
var writeFound = flag.Bool("found", false, "write what the benchmarks measured into docs/benchmarks")

func (f *benchmarks) addWay(trip int, what string, took time.Duration, trips int) {
	i := slices.IndexFunc(f.Ways, func(w way) bool { return w.Trip == trip && w.What == what })
	if i < 0 {
		f.Ways = append(f.Ways, way{Trip: trip, What: what})
		i = len(f.Ways) - 1
	}
	w := &f.Ways[i]
	w.Seconds, w.Trips = append(w.Seconds, rounded(took)), append(w.Trips, trips)
}

func (f *benchmarks) addUpload(trip int, bits float64, size int, took, bare time.Duration) {
	i := slices.IndexFunc(f.Uploads, func(u upload) bool { return u.Trip == trip })
	if i < 0 {
		f.Uploads = append(f.Uploads, upload{Trip: trip, Bits: bits, Bytes: size})
		i = len(f.Uploads) - 1
	}
	u := &f.Uploads[i]
	u.Seconds, u.Bare = append(u.Seconds, rounded(took)), append(u.Bare, rounded(bare))
}

// write puts it all into its file, and leaves there what was not measured this time.
func (f benchmarks) write() error {
	f.Date, f.Commit, f.Cores = time.Now().UTC().Format("2006-01-02 15:04"), commit(), runtime.NumCPU()
	f.CPU = field("/proc/cpuinfo", "model name")
	f.System = strings.Trim(field("/etc/os-release", "PRETTY_NAME"), `"`)
	f.Kernel = "Linux " + field("/proc/sys/kernel/osrelease", "")
	for _, of := range taskLimits {
		if runs := taskRuns[of.what]; len(runs) > 0 {
			c := least(runs)
			f.Counts = append(f.Counts, operationCount{
				of.what, c.tasks, c.threads, c.sessions, c.trips, of.goal.tasks,
				of.goal.sessions, of.goal.trips,
			})
		}
	}
	file := filepath.Join(benchmarksDir, fmt.Sprintf("%.10s-%s.json", f.Date, f.Commit))
	var before benchmarks
	if text, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(text, &before); err != nil {
			return err
		}
	}
	for _, s := range before.Tools {
		if pick(f.Tools, s.Tool, s.What, s.Hosts) == nil {
			f.Tools = append(f.Tools, s)
		}
	}
	f.Note = before.Note
	f.Start, f.Parts = orElse(f.Start, before.Start), orElse(f.Parts, before.Parts)
	f.Counts, f.Ways, f.Uploads = orElse(f.Counts, before.Counts), orElse(f.Ways, before.Ways),
		orElse(f.Uploads, before.Uploads)
	f.Snapshots = orElse(f.Snapshots, before.Snapshots)
	text, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return err
	}
	text = numbers.ReplaceAllFunc(text, func(list []byte) []byte { return bytes.Join(bytes.Fields(list), []byte(" ")) })
	if err := os.MkdirAll(benchmarksDir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644) //nolint:gosec // a page for all
}

// rounded is in seconds, to tenths of a millisecond.
func rounded(d time.Duration) float64 {
	return float64(d.Round(100*time.Microsecond)) / float64(time.Second)
}

func orElse[T any](some, others []T) []T {
	if len(some) == 0 {
		return others
	}
	return some
}

// field is the value of the first line of a file that begins with a name, "" if there is none.
func field(file, name string) string {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.TrimLeft(strings.TrimSpace(rest), "=: \t")
		}
	}
	return ""
}

// BenchmarkStart starts the binary, and in turn a program that does nothing.
func BenchmarkStart(b *testing.B) {
	const times = 20
	found.Start = []series{{Tool: "/bin/true", What: "start"}, {Tool: "clusterup version", What: "start"}}
	for b.Loop() {
		for range times {
			for i, argv := range [][]string{{"/bin/true"}, {clusterup, "version"}} {
				began := time.Now()
				must(b, exec.CommandContext(b.Context(), argv[0], argv[1:]...).Run())
				found.Start[i].Seconds = append(found.Start[i].Seconds, rounded(time.Since(began)))
			}
		}
	}
	b.ReportMetric(0, "ns/op") // a round is no operation
}

func pick(all []series, tool, what string, hosts int) *series {
	i := slices.IndexFunc(all, func(s series) bool { return s.Tool == tool && s.What == what && s.Hosts == hosts })
	if i < 0 {
		return nil
	}
	return &all[i]
}
