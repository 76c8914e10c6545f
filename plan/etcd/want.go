package etcd

import (
	"slices"

	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/trust"
)

// Want is what the operator wants, as far as it does not come from looking.
type Want struct {
	Cluster  *inventory.Cluster
	Releases map[string]plan.Release // by Release.Pin: those of Versions, for the architectures of the hosts seen
	// Token makes a cluster ID unique; it is used only when nothing that was seen has one. Empty in plans that are only
	// shown: Placeholder stands for it there, so that two equal plans look equal.
	Token  string
	Writer string      // version of this clusterup, for people
	Accept []plan.Risk // what the operator accepts by name
	// HoldLast leaves the last member at its minor version when the cluster goes to the next: until then one can turn
	// back.
	HoldLast bool

	Restore *Restoration // what the cluster is to be made from; nil: nothing, see NextRestore

	Existing bool // nothing is done unless there is a cluster already
	// members that this run has defragmented, and whether it has compacted: what is done is not done twice
	Defragmented []string
	Compacted    bool
	// member → PID of the process that is not to go on, so that its connections end. See EndConnections
	Restart map[string]int
	// TokenKeys is how many keys for tokens there are to have been; 0: one, where a user has a password. See RotateTokens
	TokenKeys int
	trust.Wish
}

func (w Want) accepts(r plan.Risk) bool { return slices.Contains(w.Accept, r) }

// acceptsOf is accepts for a consent that may be bound to a member's ID, whichever that is.
func (w Want) acceptsOf(r plan.Risk) bool {
	return slices.ContainsFunc(w.Accept, func(given plan.Risk) bool { return given.Is(r) })
}
