package etcd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// releaseOf is a release of a version; its digests differ from those of others.
func releaseOf(version string) plan.Release {
	if version == testRelease.Version {
		return testRelease
	}
	tag := strings.ReplaceAll(version, ".", "")
	return plan.Release{
		Version: version, Arch: "amd64", SHA256: strings.Repeat(tag, 8),
		Binaries: map[string]string{"etcd": "e" + tag, "etcdctl": "c" + tag, "etcdutl": "u" + tag},
	}
}

// at is what is wanted, at another version.
func at(w Want, version string) Want {
	cluster := *w.Cluster
	cluster.Version = version
	w.Cluster, w.Releases = &cluster, map[string]plan.Release{}
	for _, v := range []string{"3.5.21", "3.5.35", "3.6.4", "3.6.12", "3.6.16", "3.7.1", "3.7.3"} {
		w.Releases[v+"/amd64"] = releaseOf(v)
	}
	return w
}

// operation is a change that a cluster is taken through.
type operation struct {
	name     string
	from, to string // versions
	change   func(w *Want)
	leads    int // how often the leader hands over, with three members and no fault

	was   func(w *Want)                             // how it was before, other than by version
	wish  func(Want, facts.Snapshot) Want           // what a verb makes of what is wanted
	begin func(Want, facts.Snapshot) facts.Snapshot // what there is besides
	minds []func(Want, facts.Snapshot) Want         // what the operator may want instead, at any time
}

func flagged(w *Want) { w.Cluster.Etcd.Flags = map[string]string{"max-txn-ops": "7"} }

var operations = []operation{
	{name: "minor up", from: "3.5.35", to: "3.6.16", leads: 1},
	{name: "minor up, onto 3.7", from: "3.6.16", to: "3.7.3", leads: 1},
	{name: "two hops", from: "3.5.35", to: "3.7.3", leads: 2},
	{name: "three hops", from: "3.5.21", to: "3.7.3", leads: 3},
	{name: "below the floor", from: "3.6.4", to: "3.7.3", leads: 2},
	{name: "minor down", from: "3.7.3", to: "3.6.16", leads: 1},
	{name: "minor down, to 3.5", from: "3.6.16", to: "3.5.35", leads: 1},
	{name: "two down", from: "3.7.3", to: "3.5.35", leads: 2},
	{name: "patch up", from: "3.6.12", to: "3.6.16", leads: 1},
	{name: "patch down", from: "3.6.16", to: "3.6.12", leads: 1},
	{name: "flags", from: "3.6.16", to: "3.6.16", change: flagged, leads: 1},
	{name: "minor up with flags", from: "3.5.35", to: "3.6.16", change: flagged, leads: 1},
	{name: "slower beat", from: "3.6.16", to: "3.6.16", change: func(w *Want) {
		w.Cluster.Etcd.HeartbeatInterval, w.Cluster.Etcd.ElectionTimeout = 500e6, 5000e6
	}, leads: 2},
	{name: "faster beat", from: "3.6.16", to: "3.6.16", change: func(w *Want) {
		w.Cluster.Etcd.HeartbeatInterval, w.Cluster.Etcd.ElectionTimeout = 50e6, 500e6
	}, leads: 2},
	{name: "hold last", from: "3.5.35", to: "3.6.16", change: func(w *Want) { w.HoldLast = true }},
	{name: "hold last, onto 3.7", from: "3.6.16", to: "3.7.3", change: func(w *Want) { w.HoldLast = true }},
}

// start is a cluster as an operation finds it, and what is wanted then.
func (o operation) start(t *testing.T, n int) (old, w Want, s facts.Snapshot) {
	t.Helper()
	old = at(wanted(t, n), o.from)
	old.Accept = plan.Risks()
	if o.was != nil {
		o.was(&old)
	}
	s = settled(t, old)
	if o.begin != nil {
		s = o.begin(old, s)
	}
	w = at(old, o.to)
	if o.change != nil {
		o.change(&w)
	}
	if o.wish != nil {
		w = o.wish(w, s)
	}
	return old, w, s
}

// roller walks the ways of an operation.
type roller struct {
	*walker
	// walkers that look at every state too, and want something else: the operator may change their mind at any time
	others []*walker
	seen   map[string]bool
	coarse bool // stages are cut on whole hosts only
	one    byte // in so many states after a fault is looked at
}

// rolled is a state on the way of an operation.
type rolled struct {
	state
	faults int // how many may still happen
	lost   bool
}

// Every operation from a whole cluster, and every way off it. The run may die between any two steps, a step fail, the
// members agree on a version by themselves at any moment; a fault may happen at any point; and at every point the
// operator may want something else. Wherever no disk was lost, the end is what is wanted.
func TestEveryWayOfOperations(t *testing.T) {
	var all walked
	t.Run("walk", func(t *testing.T) {
		for _, o := range operations {
			for _, n := range []int{1, 2, 3, 5} {
				t.Run(fmt.Sprintf("%s/%d", o.name, n), func(t *testing.T) {
					t.Parallel()
					o.everyWay(t, n, &all)
				})
			}
		}
	})
	all.holds(t, 4000, plan.PinRelease, plan.InstallRelease, plan.WriteUnit, plan.SaveSnapshot, plan.AwaitRaftSnapshot,
		plan.EnableDowngrade, plan.CancelDowngrade, plan.MoveLeader, plan.RestartMember, plan.StartMember, plan.AwaitMember,
		plan.AwaitVersion, plan.AwaitLeader)
}

// everyWay walks an operation.
func (o operation) everyWay(t *testing.T, n int, all *walked) {
	t.Helper()
	old, w, s := o.start(t, n)
	if n == 1 && w.HoldLast {
		return
	}
	r := &roller{
		walker: newWalker(t, w), seen: map[string]bool{}, coarse: n == 5,
		one: map[int]byte{1: 1, 2: 3, 3: 3, 5: 32}[n],
	}
	if o.was == nil {
		r.others = append(r.others, newWalker(t, old))
	}
	for _, mind := range o.minds {
		r.others = append(r.others, newWalker(t, mind(at(old, o.to), s)))
	}
	if w.HoldLast {
		plain := w
		plain.HoldLast = false
		r.others = append(r.others, newWalker(t, plain))
	}
	faults := map[int]int{1: 2, 2: 1, 3: 1, 5: 1}[n]
	if raced {
		faults = 0
	}
	r.walk(rolled{state{seen: s, token: "run-1", way: &way{what: o.name}}, faults, false})
	states, back := len(r.decided), 0
	for _, other := range r.others {
		states, back = states+len(other.decided), max(back, other.most.stages)
	}
	t.Logf("%d states, %d refused, at most %d stages to the end, %d for another mind", states, r.refused, r.most.stages,
		back)
	all.add(0, append(r.others, r.walker)...)
}

func (r *roller) walk(from rolled) {
	queue := []rolled{from}
	for len(queue) > 0 {
		at := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		id := fmt.Sprintf("%x %d %v", r.key(&at.state), at.faults, at.lost)
		if r.seen[id] || at.faults == 0 && r.key(&at.state)[0]%r.one != 0 {
			continue
		}
		r.seen[id] = true
		r.ends(at)
		queue = append(queue, r.next(at)...)
	}
}

// ends goes on to the end from a state, for each walker.
func (r *roller) ends(at rolled) {
	for _, k := range append([]*walker{r.walker}, r.others...) {
		st := at.state
		if (k.w.Restart == nil) != (r.w.Restart == nil) { // they tell states apart by other things
			st.id = nil
		}
		if refused := k.end(st); refused != nil && !at.lost && !k.excused(&st, refused) {
			k.fail(st, "a refusal without a reason, wanted %s: %v", k.w.Cluster.Version, refused)
		}
	}
}

// excused says that a refusal is one that only a person can do something about: too few members run to begin with
// another minor version, or the version to go back to is too old to be left again.
func (k *walker) excused(st *state, refused *plan.Refused) bool {
	running := 0
	for _, host := range st.seen.Hosts {
		if host.Process != nil {
			running++
		}
	}
	tooOld := slices.Contains([]string{"3.5.21", "3.6.4"}, k.w.Cluster.Version)
	for _, r := range refused.Refusals {
		few := r.Kind == plan.QuorumAtRisk && running <= len(st.seen.Hosts)/2
		if !few && r.Kind != plan.TooLate && !(r.Kind == plan.VersionChange && tooOld && k.decide(st).refused != nil) {
			return false
		}
	}
	return true
}

// next are the states that may come right after one.
func (r *roller) next(at rolled) []rolled {
	var found []rolled
	t := r.true(&at.state).settled(at.seen)
	agreed := state{seen: t.shown(at.seen), token: at.token, way: at.way.then("the members agree"), truth: &t}
	found = append(found, rolled{agreed, at.faults, at.lost})
	d := r.decide(&at.state)
	if at.faults > 0 {
		for _, f := range faults(r.w, at.state) {
			f.truth = at.truth
			found = append(found, rolled{f.state, at.faults - 1, at.lost || f.lost})
		}
		if d.stage != nil {
			found = append(found, r.broken(at, *d.stage)...)
			if last := d.stage.Steps[len(d.stage.Steps)-1]; last.Kind == plan.IssueLeaf || last.Kind == plan.RestartMember {
				found = append(found, r.turnedDown(at, *d.stage)...)
			}
		}
	}
	if d.stage == nil {
		return found
	}
	for _, st := range r.cuts(at.state, *d.stage, r.coarse || len(d.stage.Steps) > 4) {
		found = append(found, rolled{st, at.faults, at.lost})
	}
	return found
}

// broken are the states after a restart that did not bring its member up: it is down, or runs and takes no part; as it
// is left, and as it is when it has been taken back.
func (r *roller) broken(at rolled, stage plan.Stage) []rolled {
	last := stage.Steps[len(stage.Steps)-1]
	switch {
	case last.Kind == plan.IssueLeaf:
		return r.stubborn(at, stage)
	case last.Kind != plan.RestartMember:
		return nil
	}
	st := at.state
	for _, step := range stage.Steps {
		st = r.do(st, step)
	}
	var found []rolled
	if host := st.seen.Hosts[last.Host]; units.Flag(host.Process.Args, "snapshot-count") == "1" {
		t := r.true(&st).clone()
		t.dirty[last.Host] = true
		late := state{
			seen: t.shown(st.seen), token: st.token, way: st.way.then("which takes no raft snapshot yet"), truth: &t,
		}
		found = append(found, rolled{late, at.faults - 1, at.lost})
	}
	for what, do := range map[string]func(*facts.Host){
		"fails": stop, "does not come up": func(h *facts.Host) { h.Reads = false },
		"does not answer": func(h *facts.Host) { h.Etcd, h.V2Store, h.Reads = nil, nil, false },
	} {
		bad := state{
			seen: scenes{w: r.w}.settle(change(st.seen, last.Host, do)), token: st.token,
			way: st.way.then("which " + what), truth: st.truth,
		}
		found = append(found, rolled{bad, at.faults - 1, at.lost})
		back := Back(r.w, at.seen, bad.seen, stage)
		if back == nil {
			continue
		}
		if err := lawfulIn(r.w, bad.seen, *bad.truth, *back); err != nil {
			r.fail(bad, "going back: %v", err)
		}
		for _, step := range back.Steps {
			bad = r.do(bad, step)
		}
		if got := bad.seen.Hosts[last.Host]; len(units.DiffArgs(got.Process.Args,
			at.seen.Hosts[last.Host].Process.Args)) > 0 {
			r.fail(bad, "not back to what it ran with: %q", got.Process.Args)
		}
		found = append(found, rolled{bad, at.faults - 1, at.lost})
	}
	return found
}
