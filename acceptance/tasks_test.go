package acceptance

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// taskLimits are what an operation may cost the host on which it costs most, and what it is to cost. Zero is no
// limit. Threads of etcd are not among the tasks, since there are more of them the busier the machine is.
var taskLimits = []struct {
	what        string
	limit, goal count
}{
	{"bootstrap", count{tasks: 162, sessions: 2}, count{tasks: 150, sessions: 2}},
	{"nothing to do", count{tasks: 25, sessions: 1, trips: 30}, count{tasks: 25, sessions: 1, trips: 14}},
	{"rotate certs", count{tasks: 90, sessions: 2}, count{tasks: 90}},
	{"patch version", count{tasks: 150, sessions: 2}, count{tasks: 150}},
	{"replacement", count{tasks: 265, sessions: 2}, count{}},
	{"minor version", count{tasks: 180, sessions: 2}, count{tasks: 220}},
}

// A host that is held is pinged: a run that takes longer on a busy machine starts these tasks more often.
const (
	pingEvery   = 15 * time.Second
	tasksOfPing = 2
)

// TestTasks counts what clusterup starts on hosts, one of which it enters as a user who may sudo: numbers that a busy
// machine does not change, but for pings, which are not counted. Of several runs the smallest count holds, since a host
// starts things by itself at times.
func TestTasks(t *testing.T) {
	t.Parallel()
	s := newSite(t, "tasks", hosts(3)...)
	inv := s.inventory(t, "prod")
	inv.Members[2].More = "\n    ssh {\n user = \"ops\"\n sudo = true\n }"
	st := newStand(t, s, inv, inv.Members...)
	later := inv
	later.Version, later.Mirror = laterPatch, patchMirror(t)
	next := inv
	next.Version = releaseNext
	now, patch, upgraded := st.file, st.write(t, "patch.hcl", later), st.write(t, "next.hcl", next)

	runs := map[string][]count{}
	measure := func(what string, args ...string) {
		t.Helper()
		settle(t, st.lab)
		counted := countTasks(t, st.lab, "etcd-prod")
		p := st.start(t, append(args, "--yes", "--json", "--stats")...)
		r := p.wait(t).exits(t, 0)
		settle(t, st.lab)
		counts := counted()
		for host, c := range counts {
			c.tasks -= tasksOfPing * int(p.took/pingEvery)
			counts[host] = c
		}
		addStats(t, counts, r.stdout)
		runs[what] = append(runs[what], most(counts))
	}
	const rounds = 3
	for range rounds {
		st.bare(t)
		undisturbed(t, st.lab)
		measure("bootstrap", "apply", now)
	}
	for range rounds {
		measure("nothing to do", "apply", now)
	}
	for range rounds {
		measure("rotate certs", "rotate", "certs", now)
	}
	for range 2 {
		measure("patch version", "apply", patch)
		st.ok(t, "apply", "--yes", now)
		st.each(func(host string) { st.on(t, host, "rm -rf /opt/clusterup/etcd/"+laterPatch+"-*") })
	}
	for range 2 {
		st.on(t, "etcd-2", "systemctl stop etcd-prod; rm -rf /var/lib/etcd-prod/member /etc/etcd/prod/*.aside-*")
		measure("replacement", "apply", "--accept=replace:etcd-2", now)
	}
	measure("minor version", "apply", upgraded)
	taskRuns = runs
	t.Logf("on the host with most:\n%s", taskTable(runs))
	for _, of := range taskLimits {
		got := least(runs[of.what])
		for _, c := range []struct {
			of         string
			got, limit int
		}{
			{"tasks", got.tasks, of.limit.tasks},
			{"sessions", got.sessions, of.limit.sessions},
			{"round trips", got.trips, of.limit.trips},
		} {
			if c.limit > 0 && c.got > c.limit {
				t.Errorf("%s: %d %s on one host, and %d are allowed; the runs were %v", of.what, c.got, c.of, c.limit,
					runs[of.what])
			}
		}
	}
}

// taskRuns are what the test has counted, for the benchmarks.
var taskRuns map[string][]count

// taskTable has the goals beside what was counted.
func taskTable(runs map[string][]count) string {
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\ttasks\tgoal\tthreads of etcd\tsessions\tgoal\tround trips\tgoal")
	for _, of := range taskLimits {
		got := least(runs[of.what])
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\t%s\t%d\t%s\n", of.what, got.tasks, orDash(of.goal.tasks), got.threads,
			got.sessions, orDash(of.goal.sessions), got.trips, orDash(of.goal.trips))
	}
	w.Flush() //nolint:errcheck // into memory
	return table.String()
}

func orDash(n int) string {
	if n == 0 {
		return "–"
	}
	return strconv.Itoa(n)
}
