package etcd

import (
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
)

// Decisions loop over members through these quantifiers alone. Of a host that is dark nothing is known: "for all" is
// false of it, and "there is one" is true (law 11). Its zero value decides nothing.

// everyone calls all members, dark ones too: for whoever says which are dark, and decides nothing.
func (v view) everyone(do func(inventory.Member, facts.Host)) {
	for _, m := range v.want.Cluster.Members {
		do(m, v.seen.Hosts[m.Name])
	}
}

// each calls what was seen of the members, in the order of the inventory. Dark ones are left out.
func (v view) each(do func(inventory.Member, facts.Host)) {
	v.everyone(func(m inventory.Member, host facts.Host) {
		if !host.Dark() {
			do(m, host)
		}
	})
}

// all says that something is known to hold for every member: false as soon as one is dark.
func (v view) all(is func(inventory.Member, facts.Host) bool) bool {
	return !v.may(func(m inventory.Member, host facts.Host) bool { return !is(m, host) })
}

// may says that something is not known to hold for no member: true as soon as one is dark.
func (v view) may(is func(inventory.Member, facts.Host) bool) bool {
	return len(v.dark()) > 0 || v.known(is)
}

// known says that something was seen to hold for a member. Dark ones count for nothing, either way.
func (v view) known(is func(inventory.Member, facts.Host) bool) bool {
	found := false
	v.each(func(m inventory.Member, host facts.Host) { found = found || is(m, host) })
	return found
}

// dark are the members whose hosts could not be looked at, in the order of the inventory.
func (v view) dark() []string {
	var names []string
	v.everyone(func(m inventory.Member, host facts.Host) {
		if host.Dark() {
			names = append(names, m.Name)
		}
	})
	return names
}

// voters are the members that have a vote, by name: those that the cluster lists, and those of the inventory as long as
// nobody can tell. One that the cluster lists without a name has not started yet, and goes by its ID.
func (v view) voters() []string {
	var names []string
	for _, listed := range v.seen.Members {
		switch {
		case listed.Learner:
		case listed.Name == "":
			names = append(names, listed.ID.String())
		default:
			names = append(names, listed.Name)
		}
	}
	if len(names) > 0 {
		return names
	}
	v.everyone(func(m inventory.Member, _ facts.Host) { names = append(names, m.Name) })
	return names
}

// votes says whether a member has a vote.
func (v view) votes(m inventory.Member) bool { return slices.Contains(v.voters(), m.Name) }

// quorum is how many voters decide.
func (v view) quorum() int { return len(v.voters())/2 + 1 }
