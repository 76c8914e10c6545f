package etcd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/plan"
)

// mixer walks mixtures; it keeps a walker for each inventory and each set of consents.
type mixer struct {
	t       *testing.T
	stages  map[int]*stage
	walkers map[string]*walker
	starts  map[string]int // classes as which members began
	agreed  map[plan.Risk]int
	refused map[plan.RefusalKind]int
	settled int
	seen    int
}

func newMixer(t *testing.T, sizes ...int) *mixer {
	t.Helper()
	m := &mixer{
		t: t, stages: map[int]*stage{}, walkers: map[string]*walker{}, starts: map[string]int{}, agreed: map[plan.Risk]int{},
		refused: map[plan.RefusalKind]int{},
	}
	for _, n := range sizes {
		m.stages[n] = newStage(t, n)
	}
	return m
}

// walker is one for what is wanted.
func (x *mixer) walker(w Want) *walker {
	id := fmt.Sprint(w.Accept)
	for _, m := range w.Cluster.Members {
		id += fmt.Sprint(m.Name, m.Absent)
	}
	if x.walkers[id] == nil {
		x.walkers[id] = newWalker(x.t, w)
	}
	return x.walkers[id]
}

// begins is a mixture as a state.
func (m mixture) begins() state {
	st := state{seen: m.seen, token: "run-1", way: &way{what: m.String()}}
	t := truthOf(m.w, m.seen)
	t.list, t.beside = m.list, m.beside
	st.truth = &t
	st.seen = t.shown(st.seen)
	return st
}

// ends goes on from a mixture to the end, without consents and with them, and checks that what is refused then is
// refused for a reason, and that remedies do not lead back.
func (x *mixer) ends(m mixture) {
	x.seen++
	for _, is := range m.of {
		x.starts[is.name]++
	}
	x.classes(m)
	st := m.begins()
	refused := x.end(m, st, m.w, false)
	if refused != nil && !m.lost {
		x.follows(m, st, refused)
	}
	x.end(m, st, agreed(m.w, m.consents...), true)
}

// classes are as the mixture means them, where the list is told.
func (x *mixer) classes(m mixture) {
	if m.seen.Members == nil {
		return
	}
	found := Members(m.w, m.seen)
	at := 0
	for _, is := range m.of {
		if is.host == nil {
			continue
		}
		if found[at].Class != is.class {
			x.t.Errorf("%s: %s counts as %s", m, is.name, found[at].Class)
		}
		at++
	}
}

func (x *mixer) end(m mixture, st state, w Want, agreed bool) *plan.Refused {
	k := x.walker(w)
	refused := k.end(st)
	may, must := m.reasons(agreed)
	switch {
	case refused == nil && must && !m.lost:
		k.fail(st, "settled, agreed %v: want one of %v", agreed, may)
	case refused == nil:
		x.settled++
	default:
		for _, r := range refused.Refusals {
			x.refused[r.Kind]++
			if !may[r.Kind] {
				k.fail(st, "agreed %v: a refusal without a reason: %v (may be %v)", agreed, refused, may)
			}
		}
	}
	return refused
}

// follows gives the consents that remedies name: then none of them is asked for again.
func (x *mixer) follows(m mixture, st state, refused *plan.Refused) {
	w := m.w
	for range 4 {
		var more []plan.Risk
		for _, r := range refused.Refusals {
			for _, risk := range consent.FindAllStringSubmatch(r.Remedy, -1) {
				more = append(more, plan.Risk(risk[1]))
			}
		}
		if len(more) == 0 {
			return
		}
		for _, risk := range more {
			x.agreed[plan.Risk(strings.Split(string(risk), ":")[0])]++
			if slices.Contains(w.Accept, risk) {
				x.walker(w).fail(st, "%s is asked for again: %v", risk, refused)
			}
		}
		w = agreed(w, more...)
		if refused = x.walker(w).end(st); refused == nil {
			return
		}
	}
	x.walker(w).fail(st, "one consent leads to the next: %v", refused)
}

// all counts what was walked.
func (x *mixer) holds(least int, kinds ...plan.Kind) {
	x.t.Helper()
	var all walked
	for _, k := range x.walkers {
		all.add(0, k)
	}
	x.t.Logf("%d mixtures, %d settled, refused %v, consents asked for %v", x.seen, x.settled, x.refused, x.agreed)
	all.holds(x.t, least, kinds...)
	for _, is := range standings {
		if x.starts[is.name] == 0 {
			x.t.Errorf("no mixture begins with one that is %s", is.name)
		}
	}
}

// TestMixtures goes from every mixture of up to three members, up to their order, to the end: with the consents that it
// may take, and without them.
func TestMixtures(t *testing.T) {
	t.Parallel()
	x := newMixer(t, 1, 2, 3)
	var mix3 func(of []standing, from int)
	mix3 = func(of []standing, from int) {
		if len(of) > 0 {
			if m, ok := mix(x.stages, of, x.seen%2 == 0); ok {
				x.ends(m)
			}
		}
		if len(of) == 3 {
			return
		}
		for i := from; i < len(standings); i++ {
			mix3(append(slices.Clone(of), standings[i]), i)
		}
	}
	mix3(nil, 0)
	x.holds(2000, plan.AddLearner, plan.PromoteMember, plan.RemoveMember, plan.StopMember, plan.MoveAside,
		plan.RemoveFiles, plan.StartMember, plan.AwaitMember, plan.MoveLeader, plan.RecordBirth)
}
