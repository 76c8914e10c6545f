package etcd

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// state is a cluster, and the token that the run which looks at it has drawn: another run draws another one.
type state struct {
	seen  facts.Snapshot
	token string
	way   *way   // how it came to be, for messages
	id    *key   // once it is known
	truth *truth // about the cluster; nil: what is seen is all there is
}

// way is what happened to a state, the last first.
type way struct {
	before *way
	what   string
}

// then is the way on.
func (w *way) then(what string) *way { return &way{w, what} }

func (w *way) String() string {
	if w == nil {
		return ""
	}
	return w.before.String() + " → " + w.what
}

type key [sha256.Size]byte

// walker walks states, and holds every decision of Next on the way against the laws.
type walker struct {
	t       *testing.T
	w       Want
	decided map[key]decision
	ends    map[key]outcome    // of states
	most    outcome            // on any way to an end
	kinds   map[plan.Kind]bool // of all steps that were done
	refused int
	parts   digests // of hosts
}

// outcome is what the way from a state comes to, and what is done on it.
type outcome struct {
	refused  *plan.Refused // nil: there is nothing left to do
	stages   int
	restarts int // of members that ran
	leads    int // how often the leader hands over
}

// after is an outcome as it is from before a stage.
func (o outcome) after(stage *plan.Stage) outcome {
	o.stages++
	for _, step := range stage.Steps {
		switch step.Kind {
		case plan.RestartMember:
			o.restarts++
		case plan.MoveLeader:
			o.leads++
		}
	}
	return o
}

// decision is what Next said of a state: a stage, nothing left to do, or a refusal.
type decision struct {
	stage   *plan.Stage
	refused *plan.Refused
}

func newWalker(t *testing.T, w Want) *walker {
	t.Helper()
	return &walker{
		t: t, w: w, decided: map[key]decision{}, ends: map[key]outcome{}, kinds: map[plan.Kind]bool{}, parts: digests{},
	}
}

func (k *walker) fail(st state, format string, args ...any) {
	k.t.Helper()
	k.t.Fatalf("%s\nafter: %s", fmt.Sprintf(format, args...), st.way)
}

func (k *walker) want(st state) Want {
	w := k.w
	w.Token = st.token
	return w
}

// key tells states apart.
func (k *walker) key(st *state) key {
	if st.id != nil {
		return *st.id
	}
	h := sha256.New()
	fmt.Fprint(h, st.token, st.seen.Operator.Pinned, st.seen.Operator.TokenKeys, st.seen.Operator.Snapshots,
		st.seen.Operator.Holds,
		st.seen.Operator.Revoked["peer"].Current, st.seen.Operator.Revoked["client"].Current, st.seen.Alarms, k.true(st), "|")
	if st.seen.Auth != nil {
		fmt.Fprint(h, *st.seen.Auth)
	}
	for _, r := range st.seen.Operator.Leaves {
		fmt.Fprint(h, r.Member, r.Role, r.Serial, r.Revoked)
	}
	for _, ca := range st.seen.Operator.CAs {
		fmt.Fprint(h, ca.Role, ca.Generation, ca.Retired, ca.Signing)
	}
	for _, member := range st.seen.Members {
		fmt.Fprint(h, member.Name, member.PeerURLs, member.Learner)
	}
	for _, name := range st.seen.Names() {
		k.tell(h, st.seen.Hosts[name])
	}
	id := key(h.Sum(nil))
	st.id = &id
	return id
}

// tell writes what tells hosts apart.
func (k *walker) tell(h hash.Hash, host facts.Host) {
	var all []byte
	add := func(part any, what func() any) {
		sum := k.parts.of(part, what)
		all = append(all, sum[:]...)
	}
	add(host.Files, func() any { return host.Files })
	add(host.Binaries, func() any { return host.Binaries })
	add(host.Ways, func() any { return host.Ways })
	add(host.Rooms, func() any { return host.Rooms })
	add(host.Leaves, func() any { return host.Leaves })
	add(host.Serves, func() any { return host.Serves })
	add(host.Unit.Start, func() any { return host.Unit.Start })
	add(host.Process, func() any {
		if host.Process == nil || k.w.Restart != nil {
			return host.Process
		}
		process := *host.Process
		process.PID = 0 // it is another one each time, and nobody asks for it
		return process
	})
	rest := host // is small
	rest.Files, rest.Binaries, rest.Ways, rest.Rooms, rest.Leaves, rest.Serves = nil, nil, nil, nil, nil, nil
	rest.Unit.Start, rest.Process = nil, nil
	raw, err := json.Marshal(rest)
	if err != nil {
		k.t.Fatal(err)
	}
	h.Write(all)
	h.Write(raw)
}

// digests are those of the parts of hosts, by the map or pointer that holds them: no state changes one that it has from
// another state, and most have most from others.
type digests map[uintptr]struct {
	part any // kept, so that no other comes to lie there
	sum  key
}

func (d digests) of(part any, what func() any) key {
	at := reflect.ValueOf(part).Pointer()
	if at == 0 {
		return key{}
	}
	if known, ok := d[at]; ok {
		return known.sum
	}
	var text []byte
	switch what := what().(type) {
	case []byte:
		text = what
	case map[string]facts.File:
		for _, name := range slices.Sorted(maps.Keys(what)) {
			f := what[name]
			content := d.of(f.Content, func() any { return f.Content })
			for _, part := range []string{name, string(f.Kind), f.Owner, f.Group, f.Target, string(content[:])} {
				text = append(append(text, part...), 0)
			}
			text = binary.BigEndian.AppendUint32(text, uint32(f.Mode))
		}
	default:
		var err error
		if text, err = json.Marshal(what); err != nil {
			panic(err)
		}
	}
	const most = 10000
	if len(d) == most {
		clear(d)
	}
	known := d[at]
	known.part, known.sum = part, sha256.Sum256(text)
	d[at] = known
	return known.sum
}

// decide asks Next about a state, once, and checks what it says.
func (k *walker) decide(st *state) decision {
	id := k.key(st)
	if d, known := k.decided[id]; known {
		return d
	}
	w := k.want(*st)
	stage, err := Next(w, st.seen)
	again, errAgain := stage, err
	if id[0]%16 == 0 { // the rest goes without saying
		again, errAgain = Next(w, st.seen)
	}
	if !same(stage, again) || fmt.Sprint(err) != fmt.Sprint(errAgain) {
		k.fail(*st, "twice the same facts: %s, %v and then %s, %v", said(stage), err, said(again), errAgain)
	}
	var refused *plan.Refused
	switch {
	case errors.As(err, &refused):
		k.refused++
		err = lawRemedy(refused)
	case err == nil && stage != nil:
		err = lawfulIn(w, st.seen, k.true(st), *stage)
	}
	if err != nil {
		k.fail(*st, "%v", err)
	}
	k.decided[id] = decision{stage, refused}
	return k.decided[id]
}

// true is the truth about a state.
func (k *walker) true(st *state) truth {
	if st.truth == nil {
		t := truthOf(k.w, st.seen)
		st.truth = &t
	}
	return *st.truth
}

// said is a stage for people.
func said(stage *plan.Stage) string {
	if stage == nil {
		return "nothing"
	}
	ids := make([]string, 0, len(stage.Steps))
	for _, step := range stage.Steps {
		ids = append(ids, step.ID())
	}
	return fmt.Sprintf("%s (%s)", stage.Name, strings.Join(ids, " "))
}

func same(a, b *plan.Stage) bool {
	if a == b || a == nil || b == nil {
		return a == b
	}
	if a.Name != b.Name || len(a.Steps) != len(b.Steps) { // as nearly always
		return false
	}
	left, _ := json.Marshal(a)
	right, _ := json.Marshal(b)
	return bytes.Equal(left, right)
}

// do is a state after one step, which must be wanted no more.
func (k *walker) do(st state, step plan.Step) state {
	k.kinds[step.Kind] = true
	next := state{seen: SimulateStep(k.want(st), st.seen, step), token: st.token, way: st.way.then(step.ID())}
	t := k.true(&st).after(next.seen, step)
	next.truth = &t
	next.seen = t.shown(next.seen)
	if err := lawOne(k.w, st.seen, next.seen); err != nil {
		k.fail(next, "%v", err)
	}
	if err := lawLists(k.w, next.seen); err != nil && lawLists(k.w, st.seen) == nil {
		k.fail(next, "%v", err)
	}
	if err := strangers(k.w, next.seen); err != nil && strangers(k.w, st.seen) == nil {
		k.fail(next, "law 5: %v", err)
	}
	return next
}

// finish goes on until there is nothing left to do, or a refusal: both within a bounded number of stages.
func (k *walker) finish(st state) (settled bool) { return k.end(st) == nil }

// end is the refusal that finish comes to; nil: there is nothing left to do, and all is as wanted.
func (k *walker) end(st state) *plan.Refused {
	var way []key
	var stages []*plan.Stage
	for range 20 + 10*len(k.w.Cluster.Members) {
		d := k.decide(&st)
		id := k.key(&st)
		end, known := k.ends[id]
		if known || d.stage == nil {
			if !known {
				end.refused = d.refused
				k.ends[id] = end
			}
			untold := st.seen.Members == nil && (k.true(&st).list != nil || awaitsList(k.w, st.seen))
			if !known && end.refused == nil && !untold {
				if err := errors.Join(lawSettled(k.w, st.seen, k.true(&st)), lawSettledCAs(k.want(st), st.seen),
					lawSettledAuth(k.w, st.seen), lawSettledTokens(k.w, st.seen)); err != nil {
					k.fail(st, "%v", err)
				}
			}
			for i, id := range slices.Backward(way) {
				end = end.after(stages[i])
				k.ends[id] = end
			}
			k.most.stages = max(k.most.stages, end.stages)
			k.most.restarts = max(k.most.restarts, end.restarts)
			k.most.leads = max(k.most.leads, end.leads)
			return end.refused
		}
		way, stages = append(way, id), append(stages, d.stage)
		for _, step := range d.stage.Steps {
			st = k.do(st, step)
		}
		if next := k.decide(&st).stage; next != nil && same(d.stage, next) {
			k.fail(st, "%s has no effect", said(next))
		}
	}
	k.fail(st, "no end")
	return nil
}

// awaitsList says that it takes the member list, which nobody tells, to say what is to be done: there is a cluster, and
// a host has none of its data.
func awaitsList(w Want, s facts.Snapshot) bool {
	_, marked := identities(w, s)
	return marked && slices.ContainsFunc(w.Cluster.Present(), func(m inventory.Member) bool {
		return !s.Hosts[m.Name].Data.WAL
	})
}

// cuts are all states in which a stage may be found when the run dies in it: any number of the first steps of each
// host, in every combination; coarse: all of them or none. Steps of hosts that work side by side do not see each other,
// so their order between hosts does not matter.
func (k *walker) cuts(st state, stage plan.Stage, coarse bool) []state {
	found := []state{st}
	for _, steps := range byHost(stage) {
		var next []state
		for _, st := range found {
			next = append(next, st)
			for i, step := range steps {
				st = k.do(st, step)
				if !coarse || i == len(steps)-1 {
					next = append(next, st)
				}
			}
		}
		found = next
	}
	return found[1:]
}

// byHost are the steps of each host.
func byHost(stage plan.Stage) [][]plan.Step {
	var groups [][]plan.Step
	for i, step := range stage.Steps {
		if i == 0 || step.Host != stage.Steps[i-1].Host {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], step)
	}
	return groups
}
