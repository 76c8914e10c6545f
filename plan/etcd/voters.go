package etcd

import (
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
)

// voters are the names of members that have a vote: as the cluster lists them, else all of the inventory. A member that
// is listed without a name has not started yet, and goes by its ID.
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
	v.Everyone(func(m inventory.Member, _ facts.Host) { names = append(names, m.Name) })
	return names
}

// votes says whether a member has a vote.
func (v view) votes(m inventory.Member) bool { return slices.Contains(v.voters(), m.Name) }

// quorum is how many voters decide.
func (v view) quorum() int { return len(v.voters())/2 + 1 }
