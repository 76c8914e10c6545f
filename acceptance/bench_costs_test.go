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
	"time"
)

// treeMemory is the most memory that a process and its descendants hold together until ended is closed: the sum of their
// proportional set sizes, so that a page that forks share counts once. It looks often, which costs time, so that it is never
// part of a run whose time counts.
func treeMemory(pid int, ended <-chan struct{}) int64 {
	var most int64
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return most
		case <-tick.C:
			most = max(most, treeNow(pid))
		}
	}
}

func treeNow(pid int) int64 {
	sum := proportional(pid)
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list) // the process may be gone
		for _, child := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(child); err == nil {
				sum += treeNow(n)
			}
		}
	}
	return sum
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

// hostsCPU is the processor time that all hosts have used so far, as their cgroup counts it; zero where it does not.
func (g *ground) hostsCPU() time.Duration {
	slot := filepath.Join("clusterup-lab", g.lab.Name())
	if text, err := os.ReadFile(filepath.Join("/sys/fs/cgroup/cpuacct", slot, "cpuacct.usage")); err == nil {
		n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		return time.Duration(n)
	}
	text, _ := os.ReadFile(filepath.Join("/sys/fs/cgroup", slot, "cpu.stat"))
	f := strings.Fields(string(text))
	if len(f) < 2 || f[0] != "usage_usec" {
		return 0
	}
	n, _ := strconv.ParseInt(f[1], 10, 64)
	return time.Duration(n) * time.Microsecond
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

// loadAverage is what the machine was doing in the last minute, also for others.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(text))[0]
}
