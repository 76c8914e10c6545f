package etcd

import (
	"fmt"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// NextPromote is Next for a verb that gives one learner its vote, and does nothing else: it waits until the learner has
// caught up. There is nothing to do where the member is no learner.
func NextPromote(name string) func(Want, facts.Snapshot) (*plan.Stage, error) {
	return func(w Want, s facts.Snapshot) (*plan.Stage, error) {
		v := newView(w, s)
		if refusals := v.singleRefusals(); len(refusals) > 0 {
			return nil, &plan.Refused{Refusals: refusals}
		}
		m, host := v.named(name)
		if !v.learner(m) {
			return nil, nil
		}
		if refusals := v.idle(m, host); len(refusals) > 0 {
			return nil, &plan.Refused{Refusals: refusals}
		}
		stage := v.promotion(m, host)
		if stage == nil {
			voters, serve := v.voting()
			return nil, &plan.Refused{Refusals: plan.OneRefusal(plan.QuorumAtRisk, name,
				"bring the other members back first: clusterup status shows what is wrong with them",
				"with its vote %d of %d voters would serve, and a quorum would be %d", len(serve)+1, len(voters)+1,
				(len(voters)+1)/2+1)}
		}
		return stage, nil
	}
}

// NextMoveLeader is Next for a verb that has a member lead, and does nothing else. All voters have to be known to
// serve, so that the election is a short one. There is nothing to do where the member leads.
func NextMoveLeader(to string) func(Want, facts.Snapshot) (*plan.Stage, error) {
	return func(w Want, s facts.Snapshot) (*plan.Stage, error) {
		v := newView(w, s)
		if refusals := v.singleRefusals(); len(refusals) > 0 {
			return nil, &plan.Refused{Refusals: refusals}
		}
		voters, serve := v.voting()
		if len(serve) < len(voters) {
			return nil, &plan.Refused{Refusals: plan.OneRefusal(plan.QuorumAtRisk, "",
				"bring the other members back first: clusterup status shows what is wrong with them",
				"%d of %d voters are known to serve, and the leadership moves while all do", len(serve), len(voters))}
		}
		if stage := v.awaitLeader(); stage != nil {
			return stage, nil
		}
		leader, known := v.leader()
		if !known || leader.Name == to {
			return nil, nil
		}
		return plan.SideBySide("move the leader from "+leader.Name+" to "+to,
			fmt.Sprintf("%d of %d voters serve", len(serve), len(voters)), []plan.Step{{
				Kind: plan.MoveLeader, Host: leader.Name, To: to, Why: "it is asked for",
				Needs: &plan.Needs{Least: len(voters), Serve: serve},
			}}), nil
	}
}

// Successor is the member that would lead best after the one that leads now: the one of the others that has applied
// most. "": no other serves, or nobody leads.
func Successor(w Want, s facts.Snapshot) string {
	v := newView(w, s)
	leader, known := v.leader()
	if !known {
		return ""
	}
	name, _ := v.successor(candidate{member: leader, order: 3})
	return name
}

// singleRefusals keep a verb from changing a cluster that is not there, that a newer clusterup manages, or that tells
// nothing.
func (v view) singleRefusals() []plan.Refusal {
	v.want.Existing = true
	if older := v.allOlder(); len(older) > 0 {
		return older
	}
	if begun := v.underWay(); len(begun) > 0 {
		return begun
	}
	if !v.formed {
		return v.authorityRefusals()
	}
	return v.noUser()
}

// idle says why a learner cannot catch up now.
func (v view) idle(m inventory.Member, host facts.Host) []plan.Refusal {
	switch class := v.class(m, host); {
	case host.Dark():
		return []plan.Refusal{v.unreachable(m, host)}
	case v.learns(m, host):
		return nil
	case class == ClassRunning:
		return v.asleep(m, v.ailment(host))
	default:
		return v.asleep(m, string(class))
	}
}

func (v view) asleep(m inventory.Member, why string) []plan.Refusal {
	return plan.OneRefusal(plan.Membership, m.Name,
		"clusterup apply starts it, or adds it anew, and then gives it its vote", "the learner does not take part: %s", why)
}

// voting are all voters, and those of them that serve.
func (v view) voting() (voters, serve []string) {
	return v.voters(), v.Which(func(m inventory.Member, host facts.Host) bool { return v.votes(m) && v.stays(host) })
}

// named is a member of the inventory with its host; zero values where there is none of the name.
func (v view) named(name string) (found inventory.Member, host facts.Host) {
	v.Everyone(func(m inventory.Member, h facts.Host) {
		if m.Name == name {
			found, host = m, h
		}
	})
	return found, host
}
