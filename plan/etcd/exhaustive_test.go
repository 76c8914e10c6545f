package etcd

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// The whole way from bare hosts, and every way off it: the run may die after any number of steps of each host, or one
// of its steps may fail, which looks the same; another run, with another token, goes on; and between two stages a
// member may die or lose its disk, or the leader may change. Every state that can come of this is looked at, and only
// where a disk was lost may the end be a refusal.
func TestEveryWayFromBare(t *testing.T) {
	t.Parallel()
	for n, most := range map[int]int{1: 3, 3: 1} {
		w := wanted(t, n)
		w.Accept = []plan.Risk{plan.Downtime}
		k := newWalker(t, w)
		k.everyWay(state{seen: bare(w), token: "run-1", way: &way{what: "bare"}}, most)
		t.Logf("%d members, %d faults: %d refused, at most %d stages to the end", n, most, k.refused, k.most.stages)
		var all walked
		all.add(0, k)
		all.holds(t, map[int]int{1: 50, 3: 2000}[n], plan.CreateCA, plan.PinRelease, plan.CreateUser, plan.MakeDirs,
			plan.InstallRelease, plan.WriteTrust, plan.IssueLeaf, plan.WriteUnit, plan.StartMember, plan.AwaitMember,
			plan.RecordBirth)
	}
}

// The same, for members that have to be restarted one after the other, since they are wanted with other flags.
func TestEveryWayOfRoll(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3, 5} {
		w := wanted(t, n)
		s := newScenes(t, w).stages[whole]
		w.Cluster.Etcd.Flags = map[string]string{"max-txn-ops": "7"}
		w.Accept = []plan.Risk{plan.Downtime}
		k := newWalker(t, w)
		k.everyWay(state{seen: s, token: "run-1", way: &way{what: "other flags are wanted"}}, 1)
		t.Logf("%d members: %d refused, at most %d stages to the end", n, k.refused, k.most.stages)
		if leads := min(n-1, 1); k.most.restarts != n || k.most.leads != leads {
			t.Errorf("%d members: at most %d restarts, and the leader hands over %d times; want one of each member, and %d", n,
				k.most.restarts, k.most.leads, leads)
		}
		var all walked
		all.add(0, k)
		all.holds(t, 10*n, plan.WriteUnit, plan.StartMember, plan.RestartMember)
	}
}

// visit is a state on the way.
type visit struct {
	state
	faults int    // how many may still happen
	lost   bool   // a disk was lost
	cut    int    // of the stage under way: 0 none, 1 by the run that began it, 2 by another
	stage  string // that stage
}

// everyWay walks all that can come of a state.
func (k *walker) everyWay(from state, most int) {
	if raced && len(k.w.Cluster.Members) > 1 {
		most = 0
	}
	type visited struct {
		key
		faults, cut int
		lost        bool
	}
	been := map[visited]bool{}
	queue := []visit{{state: from, faults: most}}
	for len(queue) > 0 {
		at := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		id := visited{k.key(&at.state), at.faults, at.cut, at.lost}
		if been[id] {
			continue
		}
		been[id] = true
		d := k.decide(&at.state)
		if settled := k.finish(at.state); !settled && !at.lost {
			k.fail(at.state, "a refusal without a reason: %v", d.refused)
		}
		queue = append(queue, k.next(at, d.stage)...)
	}
}

// next are the states that may come right after one: a fault, or a cut of the stage that is to run.
func (k *walker) next(at visit, stage *plan.Stage) []visit {
	var queue []visit
	if at.faults > 0 {
		for _, f := range faults(k.w, at.state) {
			queue = append(queue, visit{state: f.state, faults: at.faults - 1, lost: at.lost || f.lost})
		}
	}
	// What is left of a stage that was cut has been walked with the stage, unless another run goes on with it.
	if stage == nil || at.cut == 1 && stage.Name == at.stage {
		return queue
	}
	for _, st := range k.cuts(at.state, *stage, raced || at.cut == 2) {
		queue = append(queue, visit{st, at.faults, at.lost, 1, stage.Name})
		st.token = map[string]string{"run-1": "run-2", "run-2": "run-1"}[st.token]
		st.way, st.id = st.way.then("another run"), nil
		queue = append(queue, visit{st, at.faults, at.lost, 2, stage.Name})
	}
	return queue
}

// faults are what may happen to a cluster from outside.
func faults(w Want, st state) []visit {
	var found []visit
	add := func(what string, seen facts.Snapshot) {
		found = append(found, visit{
			state: state{seen: seen, token: st.token, way: st.way.then(what)},
			lost:  strings.HasSuffix(what, "disk"),
		})
	}
	sc := scenes{w: w}
	for _, m := range w.Cluster.Members {
		host := st.seen.Hosts[m.Name]
		if host.Process != nil {
			add(m.Name+" dies", sc.settle(change(st.seen, m.Name, stop)))
		}
		if host.Data.WAL {
			add(m.Name+" loses its disk", sc.settle(change(st.seen, m.Name, wipe)))
		}
		if host.Reads {
			add(m.Name+" hangs", change(st.seen, m.Name, func(h *facts.Host) { h.Reads = false }))
			add(m.Name+" leads", lead(st.seen, host.Data.MemberID))
		}
	}
	for what, seen := range torn(w, st.seen) {
		add(what, seen)
	}
	return found
}

// torn are looks at members that serve, some of which were asked before an election and others after it.
func torn(w Want, s facts.Snapshot) map[string]facts.Snapshot {
	var up []facts.ID
	names := map[facts.ID]string{}
	for _, m := range w.Cluster.Members {
		if host := s.Hosts[m.Name]; host.Reads {
			up = append(up, host.Data.MemberID)
			names[host.Data.MemberID] = m.Name
		}
	}
	if len(up) < 2 || len(leadersOf(s)) > 1 {
		return nil
	}
	naming := func(leader func(i int) facts.ID) facts.Snapshot {
		seen := s
		for i, id := range up {
			seen = change(seen, names[id], func(h *facts.Host) {
				status := *h.Etcd
				status.Leader = leader(i)
				h.Etcd = &status
			})
		}
		return seen
	}
	return map[string]facts.Snapshot{
		"nobody says that it leads":                   naming(func(i int) facts.ID { return up[(i+1)%len(up)] }),
		"two say that they lead":                      naming(func(i int) facts.ID { return up[i%2] }),
		"the first, whom the others name, names none": naming(func(i int) facts.ID { return up[0] * facts.ID(min(i, 1)) }),
	}
}

func lead(s facts.Snapshot, leader facts.ID) facts.Snapshot {
	for _, name := range s.Names() {
		if s.Hosts[name].Etcd != nil {
			s = change(s, name, func(h *facts.Host) {
				status := *h.Etcd
				status.Leader = leader
				h.Etcd = &status
			})
		}
	}
	return s
}

// Every combination of the common conditions of three hosts.
func TestEveryScene(t *testing.T) {
	t.Parallel()
	w := wanted(t, 3)
	sc := newScenes(t, w)
	k := newWalker(t, w)
	settled, scenes := 0, 0
	for _, a := range common {
		for _, b := range common {
			for _, c := range common {
				scenes++
				conditions := []condition{a, b, c}
				if k.finish(state{seen: sc.scene(conditions), token: "run-2", way: &way{what: names(conditions)}}) {
					settled++
				}
			}
		}
	}
	t.Logf("%d scenes, %d states, %d refused", scenes, len(k.decided), k.refused)
	if k.refused == 0 || settled == 0 {
		t.Errorf("%d of %d scenes settled, %d states refused: some of both were to be expected", settled, scenes, k.refused)
	}
}

// Combinations of all conditions, at random, and there is a crash and another run at some point of each.
func TestRandomScenes(t *testing.T) {
	t.Parallel()
	all := slices.Concat(common, rare)
	// what goes together, mostly
	grounds := [][]condition{common, common[:2], common[3:5], {common[6], common[7], common[9]}}
	for n, samples := range map[int]int{1: 2 * len(all), 3: 1200, 5: 400} {
		if raced {
			samples /= 4
		}
		random := rand.New(rand.NewPCG(7, uint64(n)))
		w := wanted(t, n)
		sc := newScenes(t, w)
		k := newWalker(t, w)
		settled := 0
		for i := range samples {
			conditions := make([]condition, n)
			ground := grounds[random.IntN(len(grounds))]
			for j := range conditions {
				conditions[j] = ground[random.IntN(len(ground))]
			}
			conditions[i%n] = all[i/n%len(all)] // each of them in each place
			if random.IntN(3) == 0 {
				conditions[random.IntN(n)] = all[random.IntN(len(all))]
			}
			st := state{seen: sc.scene(conditions), token: "run-2", way: &way{what: names(conditions)}}
			if k.finish(st) {
				settled++
			}
			if stage := k.decide(&st).stage; stage != nil {
				cuts := k.cut(random, st, *stage)
				cuts.token = "run-3"
				k.finish(cuts)
			}
		}
		t.Logf("%d members: %d scenes, %d settled, %d states, %d refused", n, samples, settled, len(k.decided), k.refused)
		if k.refused == 0 || settled == 0 {
			t.Errorf("%d of %d scenes settled, %d states refused: some of both were to be expected", settled, samples,
				k.refused)
		}
	}
}

// cut is one of the states in which a stage may be found when the run dies in it.
func (k *walker) cut(random *rand.Rand, st state, stage plan.Stage) state {
	for _, steps := range byHost(stage) {
		for _, step := range steps[:random.IntN(len(steps)+1)] {
			st = k.do(st, step)
		}
	}
	return st
}

func names(conditions []condition) string {
	all := make([]string, 0, len(conditions))
	for _, c := range conditions {
		all = append(all, c.name)
	}
	return strings.Join(all, " | ")
}
