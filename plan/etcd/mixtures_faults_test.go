package etcd

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// TestMixturesOfFive takes mixtures of five members at random: most of them run, and one of those may be stopped.
func TestMixturesOfFive(t *testing.T) {
	t.Parallel()
	x := newMixer(t, 2, 3, 4, 5)
	seeds := 20000
	if raced || testing.Short() {
		seeds = 500
	}
	been := map[string]bool{}
	for seed := range seeds {
		random := rand.New(rand.NewPCG(11, uint64(seed)))
		var of []int
		troubled := 1 + random.IntN(2)
		for i := range 5 {
			if i < troubled {
				of = append(of, random.IntN(len(standings)))
			} else {
				of = append(of, i/4*random.IntN(2)) // the last may be stopped
			}
		}
		if seed%400 == 0 { // anything at all
			for i := range of {
				of[i] = random.IntN(len(standings))
			}
		}
		slices.Sort(of)
		if been[fmt.Sprint(of)] { // the same mixture
			continue
		}
		been[fmt.Sprint(of)] = true
		var all []standing
		for _, i := range of {
			all = append(all, standings[i])
		}
		if m, ok := mix(x.stages, all, seed%2 == 0); ok {
			x.ends(m)
		}
	}
	x.holds(1000, plan.AddLearner, plan.PromoteMember, plan.RemoveMember, plan.StopMember, plan.MoveAside,
		plan.RemoveFiles, plan.StartMember, plan.MoveLeader, plan.RecordBirth)
}

// TestDisturbedMixtures has something befall one member after any step on the way from a mixture of two members, and
// from some of three: it dies, or its host loses its disk, goes dark and stays so, comes back from the dark, or comes
// back empty; or it falls behind, if it is a learner.
func TestDisturbedMixtures(t *testing.T) {
	t.Parallel()
	x := newMixer(t, 1, 2, 3)
	for i := range standings {
		for j := i; j < len(standings); j++ {
			x.disturb([]standing{standings[i], standings[j]})
			if raced || testing.Short() {
				continue
			}
			for k := j; k < len(standings); k++ {
				if (i*7+j*5+k*3)%disturbedOneIn == 0 {
					x.disturb([]standing{standings[i], standings[j], standings[k]})
				}
			}
		}
	}
	x.holds(1000, plan.AddLearner, plan.PromoteMember, plan.RemoveMember, plan.StopMember, plan.MoveAside,
		plan.RemoveFiles, plan.StartMember, plan.AwaitMember, plan.AwaitLearner, plan.RecordBirth)
}

// disturbedOneIn says of how many mixtures of three one is disturbed.
const disturbedOneIn = 120

func (x *mixer) disturb(of []standing) {
	m, ok := mix(x.stages, of, true)
	if !ok {
		return
	}
	x.seen++
	for _, is := range of {
		x.starts[is.name]++
	}
	w := agreed(m.w, m.consents...)
	k := x.walker(w)
	st := m.begins()
	for range 40 {
		d := k.decide(&st)
		if d.stage == nil {
			return
		}
		for _, step := range d.stage.Steps {
			st = k.do(st, step)
			if st.seen.Members != nil {
				x.befalls(m, w, st)
			}
		}
	}
	k.fail(st, "no end")
}

// befalls has each of the things that may befall a member befall each of them.
func (x *mixer) befalls(m mixture, w Want, st state) {
	k := x.walker(w)
	if late, ok := written(st.seen); ok {
		x.goesOn(m, k, x.happens(k, st, "the learner falls behind", late), w)
	}
	for _, one := range w.Cluster.Members {
		host := st.seen.Hosts[one.Name]
		if host.Dark() {
			continue
		}
		for _, what := range []struct {
			name string
			do   func(*facts.Host)
		}{
			{"dies", stop},
			{"loses its disk", wipe},
			{"comes back empty", func(h *facts.Host) { *h = copyHost(x.stages[len(w.Cluster.Members)].bare.Hosts[one.Name]) }},
			{"goes dark", darkly},
		} {
			after := x.happens(k, st, one.Name+" "+what.name, change(st.seen, one.Name, what.do))
			if !newView(w, after.seen).formed { // nothing of the cluster is left to be seen
				continue
			}
			end := x.goesOn(m, k, after, w)
			if what.name != "goes dark" {
				continue
			}
			back := copyHost(host)
			if !slices.ContainsFunc(end.seen.Members, func(l facts.Listed) bool { return l.ID == host.Data.MemberID }) {
				stop(&back)
			}
			x.goesOn(m, k, x.happens(k, end, one.Name+" is seen again",
				change(end.seen, one.Name, func(h *facts.Host) { *h = follows(back, end.seen) })), w)
		}
	}
}

// written is what is seen after much was written that a learner has not yet; false: no learner runs.
func written(s facts.Snapshot) (facts.Snapshot, bool) {
	learns := false
	for _, name := range s.Names() {
		switch is := s.Hosts[name].Etcd; {
		case is == nil:
		case is.Learner:
			learns = true
		default:
			s = change(s, name, func(h *facts.Host) {
				status := *h.Etcd
				status.Applied += 10000
				h.Etcd = &status
			})
		}
	}
	return s, learns
}

// happens is a state after something that clusterup did not do: members that are too few have no leader.
func (x *mixer) happens(k *walker, st state, what string, seen facts.Snapshot) state {
	t := k.true(&st).clone()
	if seen.Members != nil {
		t.list = seen.Members
	}
	running := 0
	for _, entry := range t.list {
		for _, host := range seen.Hosts {
			if !entry.Learner && host.Process != nil && host.Data.MemberID == entry.ID {
				running++
			}
		}
	}
	voters := len(slices.DeleteFunc(slices.Clone(t.list), func(l facts.Listed) bool { return l.Learner }))
	if running+t.beside <= voters/2 {
		for _, name := range seen.Names() {
			if seen.Hosts[name].Etcd != nil {
				seen = change(seen, name, func(h *facts.Host) {
					status := *h.Etcd
					status.Leader = 0
					h.Etcd, h.Reads = &status, false
				})
			}
		}
		seen.Members = nil
	}
	next := state{seen: seen, token: st.token, way: st.way.then(what), truth: &t}
	next.seen = t.shown(next.seen)
	return next
}

// goesOn goes on to the end, and checks that what is refused there has a reason.
func (x *mixer) goesOn(m mixture, k *walker, st state, w Want) state {
	may, _ := m.reasons(true)
	able, voters := 0, 0
	for _, entry := range k.true(&st).list {
		for _, host := range st.seen.Hosts {
			if !entry.Learner && host.Data.WAL && host.Data.MemberID == entry.ID {
				able++
			}
		}
		if !entry.Learner {
			voters++
		}
	}
	if able <= voters/2 || m.lost {
		may[plan.DataLost], may[plan.MixedData], may[plan.QuorumAtRisk], may[plan.NeedsConsent] = true, true, true, true
	}
	if st.seen.Members == nil { // nobody tells whether a marker is that of a voter
		may[plan.DataLost], may[plan.MixedData] = true, true
	}
	may[plan.DataMoved] = may[plan.DataMoved] || st.seen.Members == nil && m.has(resettled)
	for _, host := range st.seen.Hosts {
		may[plan.Unreachable] = may[plan.Unreachable] || host.Dark()
	}
	refused := k.end(st)
	if refused != nil {
		for _, r := range refused.Refusals {
			if x.refused[r.Kind]++; !may[r.Kind] {
				k.fail(st, "a refusal without a reason: %v", refused)
			}
		}
	} else {
		x.settled++
	}
	for _, one := range w.Cluster.Present() {
		if st.seen.Hosts[one.Name].Dark() && refused == nil && st.seen.Members != nil {
			k.fail(st, "settled, and %s is dark", one.Name)
		}
	}
	for range 40 { // to where that ends
		d := k.decide(&st)
		if d.stage == nil {
			break
		}
		for _, step := range d.stage.Steps {
			st = k.do(st, step)
		}
	}
	return st
}
