package etcd

import (
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// promote gives a learner its vote, when it has applied what the voters have.
func (v view) promote() (*plan.Stage, error) {
	var stage *plan.Stage
	if v.raised("CORRUPT") { // whose data is wrong is not known, and a learner tells no hash
		return nil, nil
	}
	v.Each(func(m inventory.Member, host facts.Host) {
		if stage == nil && !m.Absent && v.learns(m, host) {
			stage = v.promotion(m, host)
		}
	})
	return stage, nil
}

// promotion waits for a learner that learns to catch up, or gives it its vote. It is nil where fewer than the quorum of
// then would serve, the learner among them.
func (v view) promotion(m inventory.Member, host facts.Host) *plan.Stage {
	entry, _ := v.entry(m)
	voters, others := v.voting()
	after := len(voters) + 1
	quorum := after/2 + 1
	switch {
	case !v.caughtUp(host):
		return plan.SideBySide("let "+m.Name+" catch up", "it has no vote, so nothing rests on it", []plan.Step{{
			Kind: plan.AwaitLearner, Host: m.Name, Why: fmt.Sprintf("it is %d behind the others in raft's log", v.lag(host)),
		}})
	case len(others)+1 < quorum:
		return nil
	}
	return plan.SideBySide("promote "+m.Name,
		fmt.Sprintf("it has caught up; with it %d of %d voters serve, and a quorum is %d", len(others)+1, after, quorum),
		[]plan.Step{{
			Kind: plan.PromoteMember, Host: m.Name, Member: entry.ID, Through: v.through(m),
			Why: "it has applied what the voters have", Needs: &plan.Needs{Least: quorum - 1, Serve: others},
		}})
}

// join adds one member that is wanted as a learner. All voters have to serve: etcd asks for that too.
func (v view) join() (*plan.Stage, error) {
	m, ok := v.joiner()
	if !ok {
		return nil, nil
	}
	serve := v.Which(func(other inventory.Member, host facts.Host) bool { return v.votes(other) && v.stays(host) })
	if len(serve) < len(v.voters()) {
		return nil, nil
	}
	return plan.SideBySide("add "+m.Name+" as a learner",
		fmt.Sprintf("%d of %d voters serve; a learner has no vote", len(serve), len(serve)), []plan.Step{{
			Kind: plan.AddLearner, Host: m.Name, PeerURLs: []string{v.peerURL(m)}, Through: v.through(m),
			Why: "it is in the inventory, and not a member", Needs: &plan.Needs{Least: len(serve), Serve: serve},
		}}), nil
}

// joiner is the next member to be added; false: none, or one that is being added comes first.
func (v view) joiner() (next inventory.Member, found bool) {
	if !v.formed || v.seen.Members == nil ||
		slices.ContainsFunc(v.seen.Members, func(l facts.Listed) bool { return l.Learner || len(l.ClientURLs) == 0 }) {
		return inventory.Member{}, false
	}
	v.Each(func(m inventory.Member, host facts.Host) {
		if _, listed := v.entry(m); !found && !listed && !m.Absent && v.class(m, host) == ClassNeverStarted {
			next, found = m, true
		}
	})
	return next, found
}

// rejoin is join where it comes before members restart: for a member that takes the place of a lost one, and as long as
// there are too few voters for one to be spared.
func (v view) rejoin() (*plan.Stage, error) {
	if m, ok := v.joiner(); !ok || !v.replaced(m) && len(v.voters()) > 2 {
		return nil, nil
	}
	return v.join()
}

// Joining are the members that a run is about to add to a cluster that is, in the order of the inventory.
func Joining(w Want, s facts.Snapshot) []string {
	v := newView(w, s)
	if !v.formed || v.seen.Members == nil {
		return nil
	}
	return v.joining()
}

// joins says whether a member is about to be added.
func (v view) joins(name string) bool { return slices.Contains(v.joining(), name) }

// Moving are the members that a run is about to restart at another address.
func Moving(w Want, s facts.Snapshot) []string {
	v := newView(w, s)
	if !v.formed {
		return nil
	}
	return v.Which(func(m inventory.Member, host facts.Host) bool {
		entry, listed := v.entry(m)
		return listed && !v.knownAt(m, entry) && host.Data.WAL && host.Data.MemberID == entry.ID && !m.Absent
	})
}

func (v view) joining() []string {
	return v.Which(func(m inventory.Member, host facts.Host) bool {
		switch v.class(m, host) {
		case ClassRunning, ClassStopped, ClassHalfJoined:
			return v.relocates(m, host)
		case ClassNeverStarted:
			return !m.Absent
		case ClassRemoved, ClassStale, ClassWiped:
			return v.replaced(m)
		}
		return false
	})
}

// joinWaits: nobody is added before all voters are seen to serve, nor before its own host is seen.
func (v view) joinWaits() []plan.Wait {
	if !v.formed || v.seen.Members == nil {
		return nil
	}
	var found []plan.Wait
	m, ok := v.joiner()
	unseen := slices.DeleteFunc(v.Dark(), func(name string) bool { return !slices.Contains(v.voters(), name) })
	if ok && len(unseen) > 0 {
		found = append(found, plan.Wait{
			What: "adding " + m.Name, For: unseen, Why: "no member is added before every voter is seen to serve",
		})
	}
	v.Everyone(func(m inventory.Member, host facts.Host) {
		if _, listed := v.entry(m); host.Dark() && !listed && !m.Absent {
			found = append(found, plan.Wait{
				What: "adding " + m.Name, For: []string{m.Name}, Why: "a host is prepared before its member is added",
			})
		}
	})
	return found
}

// toCome are the members that are wanted, and are no voters yet, dark ones among them.
func (v view) toCome() []string {
	var names []string
	v.Everyone(func(m inventory.Member, _ facts.Host) {
		if entry, listed := v.entry(m); !m.Absent && (!listed || entry.Learner || len(entry.ClientURLs) == 0) {
			names = append(names, m.Name)
		}
	})
	return names
}

// othersToCome are the members besides one that are to come.
func (v view) othersToCome(m inventory.Member) []string {
	return slices.DeleteFunc(v.toCome(), func(name string) bool { return name == m.Name })
}

// resettle makes members known at the addresses at which they listen already, such as one whose disk has come to
// another machine.
func (v view) resettle() (*plan.Stage, error) {
	var steps []plan.Step
	v.Each(func(m inventory.Member, host facts.Host) {
		if v.formed && host.Process != nil && !m.Absent && v.mustRestart(m, host) == nil {
			steps = append(steps, v.announce(m)...)
		}
	})
	if len(steps) == 0 {
		return nil, nil
	}
	return plan.SideBySide("make "+steps[0].Host+" known at its address", "it listens there", steps[:1]), nil
}
