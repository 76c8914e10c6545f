package etcd

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// learning is a cluster of three with a fourth member that is a learner, and runs.
func learning(t *testing.T) (Want, facts.Snapshot) {
	t.Helper()
	w, s := grown(t, 3, 4)
	for range 20 {
		stage, err := Next(w, s)
		if err != nil || stage == nil {
			t.Fatalf("no promotion: %v", err)
		}
		if stage.Steps[0].Kind == plan.PromoteMember {
			return w, s
		}
		s = Simulate(w, s, *stage)
	}
	t.Fatal("no promotion")
	return w, s
}

// behind has a member lag so many entries.
func behind(s facts.Snapshot, name string, by uint64) facts.Snapshot {
	s = change(s, "etcd-1", func(h *facts.Host) { applied(h, 10_000) })
	s = change(s, "etcd-2", func(h *facts.Host) { applied(h, 10_000) })
	s = change(s, "etcd-3", func(h *facts.Host) { applied(h, 10_000) })
	return change(s, name, func(h *facts.Host) { applied(h, 10_000-by) })
}

func applied(h *facts.Host, index uint64) {
	status := *h.Etcd
	status.Applied = index
	h.Etcd = &status
}

// decided are the stages of a verb, and why it goes no further.
func decided(t *testing.T, next func(Want, facts.Snapshot) (*plan.Stage, error), w Want, s facts.Snapshot) []string {
	t.Helper()
	p, err := BuildWith(next, w, s)
	var ids []string
	for _, stage := range p.Stages {
		for _, step := range stage.Steps {
			ids = append(ids, step.ID())
		}
	}
	for _, r := range plan.RefusalsOf(err) {
		ids = append(ids, r.String())
	}
	return ids
}

func TestNextPromote(t *testing.T) {
	w, s := learning(t)
	const promoted = "promote-member/etcd-4"
	asleep := change(s, "etcd-4", stop)
	away := change(s, "etcd-1", stop)
	for name, c := range map[string]struct {
		member string
		seen   facts.Snapshot
		want   []string
	}{
		"it has caught up":    {"etcd-4", s, []string{promoted}},
		"it lags":             {"etcd-4", behind(s, "etcd-4", 5000), []string{"await-learner/etcd-4", promoted}},
		"a voter":             {"etcd-2", s, nil},
		"nobody":              {"etcd-9", s, nil},
		"one is down":         {"etcd-4", away, []string{promoted}}, // which is not started
		"it does not run":     {"etcd-4", asleep, []string{"etcd-4: the learner does not take part: stopped"}},
		"its host is dark":    {"etcd-4", change(s, "etcd-4", dark), []string{"etcd-4: connect: no route"}},
		"two are down":        {"etcd-4", change(away, "etcd-2", stop), []string{"etcd-4: with its vote 2 of 4 voters would serve, and a quorum would be 3"}},
		"there is no cluster": {"etcd-4", bare(w), []string{"there is no cluster prod yet"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := decided(t, NextPromote(c.member), w, c.seen); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func dark(h *facts.Host) {
	*h = facts.Host{Machine: facts.Machine{Name: h.Name, Unreachable: h.Name + ": connect: no route"}}
}

func TestNextMoveLeader(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	first := ""
	for _, m := range w.Cluster.Members {
		if e := s.Hosts[m.Name].Etcd; e.Leader == e.MemberID {
			first = m.Name
		}
	}
	others := slices.DeleteFunc([]string{"etcd-1", "etcd-2", "etcd-3"}, func(name string) bool { return name == first })
	ahead := behind(s, others[0], 10)
	if got := Successor(w, ahead); got != others[1] {
		t.Errorf("after %s, %q leads best, want %s", first, got, others[1])
	}
	if got := Successor(w, bare(w)); got != "" {
		t.Errorf("without a cluster %q leads best", got)
	}
	move := "move-leader/" + first
	down := "2 of 3 voters are known to serve, and the leadership moves while all do"
	for name, c := range map[string]struct {
		to   string
		seen facts.Snapshot
		want []string
	}{
		"to another":          {others[0], s, []string{move}},
		"it leads already":    {first, s, nil},
		"one does not serve":  {others[0], change(s, others[1], stop), []string{down}},
		"one is dark":         {others[0], change(s, others[1], dark), []string{down}},
		"there is no cluster": {others[0], bare(w), []string{"there is no cluster prod yet"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := decided(t, NextMoveLeader(c.to), w, c.seen); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	for what, seen := range torn(w, s) {
		stage, err := NextMoveLeader(others[0])(w, seen)
		var refused bool
		if err != nil {
			refused = strings.Contains(err.Error(), down)
		}
		if !refused && (stage == nil || stage.Steps[0].Kind != plan.AwaitLeader) {
			t.Errorf("%s: %v, %v; want to wait for a leader", what, stage, err)
		}
	}
}

// ofSingles are verbs that do one thing, and what keeps them from it.
func ofSingles(t *testing.T, w Want) []dead {
	t.Helper()
	base := settled(t, w)
	grows, learns := learning(t)
	return []dead{
		{
			name: "no leader is moved while a voter is down", want: w, next: NextMoveLeader("etcd-1"),
			seen: change(base, "etcd-2", stop), follow: mended(base),
		},
		{
			name: "no learner that sleeps is promoted", want: grows, next: NextPromote("etcd-4"),
			seen: change(learns, "etcd-4", stop), follow: mended(learns),
		},
		{
			name: "no vote that the quorum would need", want: grows, next: NextPromote("etcd-4"),
			seen: change(change(learns, "etcd-1", stop), "etcd-2", stop), follow: mended(learns),
		},
	}
}

// A unit in which only the list of members changes says so; one in which more changes does not.
func TestUnitReasonOfMembers(t *testing.T) {
	const names = "initial-cluster names the members that are wanted"
	w, s := grown(t, 3, 4)
	if got := whyUnit(t, w, s); got != names {
		t.Errorf("with a fourth member: %q, want %q", got, names)
	}
	w.Cluster = withMembers(w.Cluster, func(*inventory.Member) {})
	w.Cluster.Etcd.SnapshotCount = 5
	if got := whyUnit(t, w, s); got == "" || got == names {
		t.Errorf("with another flag as well: %q", got)
	}
}

// whyUnit is why the first unit of etcd-1 is written.
func whyUnit(t *testing.T, w Want, s facts.Snapshot) string {
	t.Helper()
	for _, stage := range build(t, w, s).Stages {
		for _, step := range stage.Steps {
			if step.Kind == plan.WriteUnit && step.Host == "etcd-1" {
				return step.Why
			}
		}
	}
	return ""
}
