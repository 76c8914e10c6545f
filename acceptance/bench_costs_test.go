package acceptance

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// group is a control group of this machine for the processes of one command, wherever they go.
type group struct{ path, dir string } // below the mount point of a hierarchy; with it

var groups int // made so far

func newGroup(b *testing.B) group {
	b.Helper()
	groups++
	path := fmt.Sprintf("clusterup-bench-%d-%d", os.Getpid(), groups)
	g := group{path, filepath.Join(cpuHierarchy(), path)}
	must(b, os.Mkdir(g.dir, 0o755))
	return g
}

func (g group) processes() []int {
	text, _ := os.ReadFile(filepath.Join(g.dir, "cgroup.procs")) // there are none when it is gone
	var all []int
	for _, f := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(f); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// end kills what is left in it, and takes it away.
func (g group) end(b *testing.B) {
	b.Helper()
	until(b, "the processes of "+g.path+" to end", func() bool {
		for _, pid := range g.processes() {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
		return os.Remove(g.dir) == nil
	})
}

// memory is the most that its processes hold together until ended is closed: the sum of their proportional set sizes,
// so that a page that forks share counts once. It looks often, which costs time, so that it is never part of a run
// whose time counts.
func (g group) memory(ended <-chan struct{}) int64 {
	var most int64
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return most
		case <-tick.C:
			var sum int64
			for _, pid := range g.processes() {
				sum += proportional(pid)
			}
			most = max(most, sum)
		}
	}
}

func proportional(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	for line := range bytes.Lines(text) {
		if f := strings.Fields(string(line)); len(f) == 3 && f[0] == "Pss:" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// cpuHierarchy is where control groups count processor time.
func cpuHierarchy() string {
	const first = "/sys/fs/cgroup/cpuacct"
	if _, err := os.Stat(first); err == nil {
		return first
	}
	return "/sys/fs/cgroup"
}

// groupCPU is the processor time that a control group has used so far; zero where it is not counted.
func groupCPU(path string) time.Duration {
	dir := filepath.Join(cpuHierarchy(), path)
	if text, err := os.ReadFile(filepath.Join(dir, "cpuacct.usage")); err == nil {
		n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		return time.Duration(n)
	}
	n, _ := strconv.ParseInt(field(filepath.Join(dir, "cpu.stat"), "usage_usec"), 10, 64)
	return time.Duration(n) * time.Microsecond
}

// hostsCPU is the processor time that all hosts have used so far.
func (g *ground) hostsCPU() time.Duration {
	return groupCPU(filepath.Join("clusterup-lab", g.lab.Name()))
}

// busyCPU is what all processors of this machine have done since it started; zero where /proc does not say.
func busyCPU() time.Duration {
	text, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(text), "\n")
	var ticks int64
	for i, f := range strings.Fields(line) {
		n, _ := strconv.ParseInt(f, 10, 64)
		if idle := i == 4 || i == 5; !idle && i <= 8 { // what follows is counted within user time
			ticks += n
		}
	}
	const tick = 10 * time.Millisecond // USER_HZ
	return time.Duration(ticks) * tick
}

// quiet bounds the wait for a moment in which a machine that others use as well has nothing else to do.
var quiet = flag.Duration("quiet", 0, "how long the benchmark waits before each run for the machine to be idle")

// awaitQuiet returns when four fifths of the machine were idle for a second, or when it was waited for long enough.
func awaitQuiet(ctx context.Context) {
	if *quiet == 0 {
		return
	}
	deadline, tick := time.After(*quiet), time.NewTicker(time.Second)
	defer tick.Stop()
	for last := busyCPU(); ; {
		select {
		case <-tick.C:
			now := busyCPU()
			if now-last < time.Second*time.Duration(runtime.NumCPU())/5 {
				return
			}
			last = now
		case <-deadline:
			return
		case <-ctx.Done():
			return
		}
	}
}
