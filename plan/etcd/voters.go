package etcd

import (
	"cmp"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
)

// voters are the names of members that have a vote: as the cluster lists them, sorted, else all of the inventory. The
// inventory's name for a listed address counts. A member that has none, and has not started yet, goes by its ID.
func (v view) voters() []string {
	if v.known.voters == nil {
		v.known.voters = v.findVoters()
	}
	return slices.Clone(v.known.voters)
}

func (v view) findVoters() []string {
	var names []string
	for _, listed := range v.seen.Members {
		if listed.Learner {
			continue
		}
		m, _ := v.hostOf(listed)
		names = append(names, cmp.Or(m.Name, listed.Name, listed.ID.String()))
	}
	slices.Sort(names) // the list is in the order of IDs, which are others for each cluster
	if len(names) > 0 {
		return names
	}
	v.Everyone(func(m inventory.Member, _ facts.Host) { names = append(names, m.Name) })
	return names
}

// votes says whether a member has a vote.
func (v view) votes(m inventory.Member) bool { return slices.Contains(v.voters(), m.Name) }

// quorum is how many voters decide.
func (v view) quorum() int { return len(v.voters())/2 + 1 }
