package etcd

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// settle removes members that serve nobody and are not to stay as they are, and puts aside what removed ones have left
// on hosts that are wanted.
func (v view) settle() (*plan.Stage, error) {
	if !v.formed || v.seen.Members == nil {
		return nil, nil
	}
	if stage := v.clear(); stage != nil {
		return stage, nil
	}
	var first error
	for _, entry := range v.seen.Members {
		why := v.goes(entry)
		if why == "" {
			continue
		}
		stage, err := v.removal(entry, why)
		if stage != nil {
			return stage, nil
		}
		first = cmp.Or(first, err)
	}
	if first != nil && !v.recovers() {
		return nil, first
	}
	return nil, nil
}

// recovers says that other members are to start, or about to serve: then more may be removed than now.
func (v view) recovers() bool {
	if v.bereft() {
		return false
	}
	starts, _ := v.start()
	awaits, _ := v.await()
	return starts != nil || awaits != nil
}

// bereft says that so many voters have lost their data that the others are no quorum: nothing that is started or waited
// for brings one back.
func (v view) bereft() bool {
	if !v.formed || v.seen.Members == nil {
		return false
	}
	lost := v.Which(func(m inventory.Member, host facts.Host) bool { return v.votes(m) && v.forgets(m, host) })
	return len(v.voters())-len(lost) < v.quorum()
}

// goes says why a listed member is removed right away; "": it is not.
func (v view) goes(entry facts.Listed) string {
	m, ok := v.ofEntry(entry)
	host := v.seen.Hosts[m.Name]
	switch {
	case !ok && v.given(entry):
		return "it is not in the inventory, and its machine was given up"
	case !ok:
		return ""
	case m.Absent && !v.takesPart(m, host):
		return "it is to leave"
	case m.Absent:
		return ""
	case v.relocates(m, host) && !v.forgets(m, host):
		if v.takesPart(m, host) || len(v.othersToCome(m)) > 0 {
			return ""
		}
		return v.whyRelocates(m, host)
	case host.Dark() && v.replaced(m):
		return "its host cannot be looked at, and it is to be replaced"
	case host.Dark():
		return ""
	case v.class(m, host) == ClassWiped && v.replaced(m) && !v.knownAt(m, entry):
		return "another machine takes its place, at " + v.peerURL(m)
	case v.class(m, host) == ClassStale && v.replaced(m):
		return "its data is older than what it has acknowledged, and it is to be replaced"
	case v.class(m, host) == ClassWiped && v.replaced(m):
		return "its data is lost, and it is to be replaced"
	case v.broken(m, host):
		return "it has lost its data before it was a member, so it is added anew"
	}
	return ""
}

// broken says that a learner has been started, has no data, and was never published: started again it may panic, since
// the leader knows of a log that it has not (etcd issue 21178). It has no vote, so it is removed and added anew.
func (v view) broken(m inventory.Member, host facts.Host) bool {
	return v.class(m, host) == ClassHalfJoined && v.learner(m) && !host.Data.WAL && host.Unit.Enabled == "enabled"
}

// removalWaits: a removal that would leave no quorum of members that are seen to serve waits for those that are dark.
func (v view) removalWaits() []plan.Wait {
	if !v.formed {
		return nil
	}
	found := v.replaceWaits()
	for _, entry := range v.seen.Members {
		m, _ := v.ofEntry(entry)
		if v.goes(entry) == "" && !m.Absent && !v.relocates(m, v.seen.Hosts[m.Name]) {
			continue
		}
		name := cmp.Or(m.Name, entry.Name, entry.ID.String())
		for _, r := range v.cannotRemove(entry, name) {
			found = append(found, v.waitFor("removing "+name, "%s", r.Reason)...)
		}
	}
	return found
}

func (v view) cannotRemove(entry facts.Listed, name string) []plan.Refusal {
	_, _, refused := v.mayRemove(entry, name)
	return refused
}

// removal removes one member from the list (law 2). A learner has no vote, so nothing rests on it.
func (v view) removal(entry facts.Listed, why string) (*plan.Stage, error) {
	m, _ := v.ofEntry(entry)
	name := cmp.Or(m.Name, entry.Name, entry.ID.String())
	if stage := v.awaitLeader(); stage != nil {
		return stage, nil
	}
	gate, needs, refused := v.mayRemove(entry, name)
	switch {
	case len(refused) > 0 && len(v.Dark()) > 0: // it waits
		return nil, nil
	case len(refused) > 0:
		return nil, &plan.Refused{Refusals: refused}
	}
	if to, ok := v.successor(candidate{member: m, order: 3}); ok && v.leads(v.seen.Hosts[m.Name]) {
		return plan.SideBySide("move the leader away from "+m.Name, gate, []plan.Step{{
			Kind: plan.MoveLeader, Host: m.Name, To: to, Why: why + "; " + to + " serves, and has applied most",
		}}), nil
	}
	return plan.SideBySide("remove "+name+" from the cluster", gate, []plan.Step{{
		Kind: plan.RemoveMember, Host: name, Member: entry.ID, Through: v.through(m), Why: why, Needs: needs,
	}}), nil
}

// mayRemove is law 2: no voter is removed unless the others that serve are a quorum of those that are left.
func (v view) mayRemove(entry facts.Listed, name string) (gate string, needs *plan.Needs, refused []plan.Refusal) {
	if entry.Learner {
		return "a learner has no vote", nil, nil
	}
	others := v.Which(func(other inventory.Member, host facts.Host) bool {
		own, _ := v.entry(other)
		return own.ID != entry.ID && v.votes(other) && v.stays(host)
	})
	left := len(v.voters()) - 1
	if quorum := left/2 + 1; left > 0 && len(others) >= quorum {
		return fmt.Sprintf("%d of the %s left serve; a quorum is %d", len(others), plan.Count(left, "voter"), quorum),
			&plan.Needs{Least: quorum, Serve: others}, nil
	}
	if left == 0 {
		return "", nil, plan.OneRefusal(plan.QuorumAtRisk, name,
			"add another member first; or end the cluster with clusterup destroy", "it is the last voter of the cluster")
	}
	remedy := "bring the other members back first: clusterup status shows what is wrong with them"
	if v.bereft() {
		remedy = anew
	}
	return "", nil, plan.OneRefusal(plan.QuorumAtRisk, name, remedy,
		"without it %s are left, of which %d serve, and a quorum is %d", plan.Count(left, "voter"), len(others), left/2+1)
}

// clear puts aside what a removed member has left on a host that is to have a member again: its marker, with which no
// member without data starts, and its data, where the operator has agreed (law 3).
func (v view) clear() *plan.Stage {
	var steps []plan.Step
	v.Each(func(m inventory.Member, host facts.Host) {
		_, listed := v.entry(m)
		switch v.class(m, host) {
		case ClassRemoved:
			if !m.Absent && (v.replaced(m) || !host.Data.WAL) {
				steps = append(steps, v.aside(m, host, "it is of a member that was removed from the cluster")...)
			}
		case ClassNeverStarted: // else a unit that is enabled says that it has been started as the learner that it is to be
			if !listed && !m.Absent && host.Unit.Enabled == "enabled" {
				steps = append(steps, plan.Step{
					Kind: plan.StopMember, Host: m.Name, Unit: v.want.Cluster.UnitName, Why: "it is not a member yet",
				})
			}
		}
	})
	return plan.SideBySide("put aside what removed members have left", "the cluster does not list those members",
		one(steps))
}

// one are the steps of the first host alone, if any of them stops a member.
func one(steps []plan.Step) []plan.Step {
	if !slices.ContainsFunc(steps, func(s plan.Step) bool { return s.Kind == plan.StopMember }) {
		return steps
	}
	return slices.DeleteFunc(steps, func(s plan.Step) bool { return s.Host != steps[0].Host })
}

// aside stops what runs, and renames what it has.
func (v view) aside(m inventory.Member, host facts.Host, why string) []plan.Step {
	var steps []plan.Step
	if host.Process != nil || host.Unit.Enabled == "enabled" ||
		host.Unit.Active == "activating" || host.Unit.Active == "active" {
		steps = append(steps, plan.Step{Kind: plan.StopMember, Host: m.Name, Unit: v.want.Cluster.UnitName, Why: why})
	}
	paths := v.dataPaths(m, host)
	if _, marked := host.Files[v.birthPath()]; marked && !m.Absent { // else it goes with the rest
		paths = append(paths, plan.Path{Path: v.birthPath()})
	}
	if len(paths) > 0 {
		steps = append(steps, plan.Step{
			Kind: plan.MoveAside, Host: m.Name, Why: why + "; renamed, not deleted", Paths: paths,
		})
	}
	return steps
}
