package trust

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// A CA of others is tried before anything rests on it, and as long as there is a way back from it (law 13).

// OnTrial are the roles that change to a CA from elsewhere, as long as it is not the only one that every member relies
// on.
func (s State) OnTrial() []string {
	not := func(role string) bool { return s.Origin[role] == Ours || !s.onTrial(role) }
	return slices.DeleteFunc(slices.Clone(Roles), not)
}

func (s State) onTrial(role string) bool {
	live := s.Live(role)
	switch {
	case s.goesBack(role):
		return false
	case len(live) == 0, s.Seen.Operator.Replaced[role] != "":
		return true
	}
	newest := live[len(live)-1]
	return newest.Given && (len(live) > 1 || !s.Formed || !s.trustedByAll(newest))
}

// Unfit is the refusal of a CA that could not sign what members need.
func (s State) Unfit(role, why string) plan.Refusal {
	remedy := "put its files right, or name another CA in pki of the inventory"
	if live := s.Live(role); len(live) > 1 && s.Seen.Operator.Replaced[role] == "" {
		remedy = "put its files right, or take it out of the inventory again: " +
			"then the members go back to " + caName(live[0])
	}
	return plan.Refuse(plan.GivenCA, "", remedy, "the %s CA that the inventory names cannot be used: %s", role, why)
}

// goesBack says that a rotation is taken back: that was asked for, or the inventory names an older CA again.
func (s State) goesBack(role string) bool {
	return slices.Contains(s.Wish.Abort, role) || s.reverts(role) > 0
}

// reverts is the generation that the inventory names again instead of a later one, if members can go back to it; else
// 0.
func (s State) reverts(role string) int {
	for _, ca := range s.Live(role) {
		if ca.Generation == s.Seen.Operator.Reverts[role] && ca.Signing && !s.over(ca) {
			return ca.Generation
		}
	}
	return 0
}

// takenBack retires the CAs of rotations that go back, and CAs that no host has anything of and that the inventory does
// not name.
func (s State) takenBack(role string) []plan.Step {
	live := s.Live(role)
	if len(live) < 2 {
		return nil
	}
	var steps []plan.Step
	add := func(why string, cas ...facts.CA) {
		for _, ca := range cas {
			steps = append(steps, plan.Step{Kind: plan.RetireCA, CA: role, Generation: ca.Generation, Why: why})
		}
	}
	newest, older := live[len(live)-1], live[:len(live)-1]
	switch back := s.reverts(role); {
	case slices.Contains(s.Wish.Abort, role):
		add("its rotation is taken back", live[1:]...)
	case back > 0:
		if s.Seen.Operator.Holds[role] != "" {
			steps = append(steps, s.holdStep(role, ""))
		}
		add(fmt.Sprintf("the inventory names %s CA %d again", role, back),
			slices.DeleteFunc(live, func(ca facts.CA) bool { return ca.Generation <= back })...)
	case s.Seen.Operator.Replaced[role] != "" && !s.onHosts(newest):
		add("no host has anything of it, and the inventory names another one", newest)
	case !s.Formed && !s.Started && newest.Signing:
		add("no host has anything of it, and the inventory names another one", slices.DeleteFunc(older, s.onHosts)...)
	}
	return steps
}

// onHosts says whether a bundle or a leaf of a CA may lie on any host.
func (s State) onHosts(ca facts.CA) bool {
	return s.May(func(_ string, host facts.Host) bool {
		for _, file := range host.Files {
			if bytes.Contains(file.Content, ca.Trusted()) {
				return true
			}
		}
		return has(host, ca)
	})
}

// rejected says why the newest CA of a role does not work although members trust it; "": no handshake has shown that. A
// member does not accept what it signs, or shows a certificate that is not good with that CA alone. No other
// certificate of it is issued then, and the old CA is not dropped.
func (s State) rejected(role string) string {
	live := s.Live(role)
	if len(live) < 2 {
		return ""
	}
	newest, why := live[len(live)-1], ""
	s.Each(func(name string, host facts.Host) {
		leaf := LeafOf[role]
		for _, view := range host.Serves[leaf] {
			switch {
			case why != "":
			case view.Refuses != "":
				why = fmt.Sprintf("%s does not accept a certificate of %s that is shown from %s: %s",
					name, caName(newest), view.From, view.Refuses)
			case view.Invalid != "" && host.Leaves[leaf].Issuer == newest.SHA256 &&
				view.SHA256 == host.Leaves[leaf].SHA256:
				why = fmt.Sprintf("the %s certificate of %s, as shown to %s, is not accepted with %s alone: %s",
					leaf, name, view.From, caName(newest), view.Invalid)
			}
		}
	})
	if why != "" {
		why += fmt.Sprintf(" (clusterup rotate ca --%s --abort goes back to %s)", role, caName(live[0]))
	}
	return why
}

// unseen says why no handshake has shown that a member works with the newest CA alone; "": one has, or nobody looks.
// Peers have to succeed from everywhere. For clients one success is enough, since what they dial may be a balancer.
func (s State) unseen(name string, host facts.Host, role string, newest facts.CA) string {
	leaf, why := LeafOf[role], ""
	if host.Process == nil {
		return ""
	}
	for _, view := range host.Serves[leaf] {
		problem := ""
		switch {
		case view.Error != "":
			problem = view.Error
		case view.SHA256 != host.Leaves[leaf].SHA256:
			problem = fmt.Sprintf("%s is shown a certificate of %q", view.From, view.Name)
		case view.Accepts != newest.SHA256 || !slices.Contains(view.Valid, newest.SHA256):
			problem = fmt.Sprintf("from %s it was not tried with %s", view.From, caName(newest))
		}
		switch {
		case problem == "" && role == "client":
			return ""
		case problem != "":
			why = fmt.Sprintf("no handshake has shown the %s certificate of %s: %s", leaf, name, problem)
		}
	}
	return why
}
