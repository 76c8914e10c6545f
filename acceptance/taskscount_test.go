package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/lab"
)

// A count is what one thing that was done has cost a host.
type count struct {
	tasks int // processes and threads that were started, but for those in threads
	// of a member's main process: those that it has in the end, and that were started meanwhile, but for its first one
	threads  int
	sessions int // of SSH
	trips    int // times that something was read after something was written
}

// lastTask is the number of a process that starts on a host now. The kernel numbers processes and threads of a host
// in turn.
func lastTask(t testing.TB, l *lab.Lab, host string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := l.ExecInput(ctx, host, "", "sh", "-c", "echo $$")
	must(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(out)))
	must(t, err)
	return n
}

// countTasks counts the tasks that are started on every host of a lab until it is asked for them. The unit is that of
// the hosts' members; threads that a member had and that ended meanwhile are among the tasks.
func countTasks(t testing.TB, l *lab.Lab, unit string) func() map[string]count {
	t.Helper()
	first := map[string]int{}
	for _, h := range l.Hosts() {
		first[h.Name] = lastTask(t, l, h.Name)
	}
	return func() map[string]count {
		t.Helper()
		counts := map[string]count{}
		for _, h := range l.Hosts() {
			last := lastTask(t, l, h.Name)
			threads := 0
			for _, n := range memberThreads(t, l, h.Name, unit) {
				if first[h.Name] < n && n < last {
					threads++
				}
			}
			counts[h.Name] = count{tasks: last - first[h.Name] - 1 - threads, threads: threads}
		}
		return counts
	}
}

// memberThreads are the numbers of a member's threads on its host, without its first one, whose number is that of the
// process.
func memberThreads(t testing.TB, l *lab.Lab, host, unit string) []int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	const script = `main=$(systemctl show -p MainPID --value "$1")
cd "/proc/$main/task" 2>/dev/null || exit 0
for n in *; do [ $n = $main ] || echo $n; done`
	out, err := l.ExecInput(ctx, host, "", "sh", "-c", script, "sh", unit)
	must(t, err)
	var all []int
	for _, f := range strings.Fields(string(out)) {
		n, err := strconv.Atoi(f)
		must(t, err)
		all = append(all, n)
	}
	return all
}

// undisturbed stops the timers of all hosts, so that what they would start is not counted.
func undisturbed(t testing.TB, l *lab.Lab) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, h := range l.Hosts() {
		_, err := l.ExecInput(ctx, h.Name, "", "sh", "-c", "systemctl stop '*.timer'")
		must(t, err)
	}
}

// settle waits until sshd's listener is the only process of SSH on every host. It looks from outside, and starts
// nothing there.
func settle(t testing.TB, l *lab.Lab) {
	t.Helper()
	for _, h := range l.Hosts() {
		until(t, "SSH sessions on "+h.Name+" to end", func() bool {
			for _, hierarchy := range []string{"systemd", "unified", ""} {
				path := filepath.Join("/sys/fs/cgroup", hierarchy, "clusterup-lab", l.Name(), h.Name,
					"payload/system.slice/ssh.service/cgroup.procs")
				if text, err := os.ReadFile(path); err == nil {
					return bytes.Count(text, []byte("\n")) == 1
				}
			}
			return false
		})
	}
}

// addStats adds what clusterup says with --json and --stats.
func addStats(t testing.TB, counts map[string]count, stdout string) {
	t.Helper()
	for line := range strings.Lines(stdout) {
		var e told
		must(t, json.Unmarshal([]byte(line), &e))
		if e.Type == "stats" {
			c := counts[e.Host]
			c.sessions, c.trips = int(e.Sessions), int(e.RoundTrips)
			counts[e.Host] = c
		}
	}
}

// most is the host with most of each.
func most(counts map[string]count) count {
	var m count
	for _, c := range counts {
		m = count{max(m.tasks, c.tasks), max(m.threads, c.threads), max(m.sessions, c.sessions), max(m.trips, c.trips)}
	}
	return m
}

// least is the run with least of each.
func least(runs []count) count {
	m := runs[0]
	for _, c := range runs[1:] {
		m = count{min(m.tasks, c.tasks), min(m.threads, c.threads), min(m.sessions, c.sessions), min(m.trips, c.trips)}
	}
	return m
}

func (c count) String() string {
	return fmt.Sprintf("%d tasks and %d threads of etcd, %d sessions, %d round trips", c.tasks, c.threads, c.sessions,
		c.trips)
}
