package etcd

import (
	"fmt"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// mayStop is law 1: no step takes a voter down unless the voters that stay up and healthy are still a quorum. If they
// are no quorum, even a member that looks down is restarted only with --accept=downtime: it may only be between two
// leaders. A cluster of one or two may restart with it if all members serve, which shows that each can come back.
func (v view) mayStop(m inventory.Member) (gate string, needs *plan.Needs, refused []plan.Refusal) {
	return v.mayBeDown(m, "restarting")
}

// mayBeDown is mayStop for anything that keeps a member from serving for a while, in a word.
func (v view) mayBeDown(m inventory.Member, doing string) (gate string, needs *plan.Needs, refused []plan.Refusal) {
	others := v.Which(func(other inventory.Member, host facts.Host) bool {
		return other.Name != m.Name && v.votes(other) && v.stays(host)
	})
	voters, stay := len(v.voters()), len(others)
	quorum, serves := v.quorum(), v.stays(v.seen.Hosts[m.Name])
	small := voters-1 < quorum && stay == voters-1
	switch consent := v.want.accepts(plan.Downtime); {
	case stay >= quorum:
		return fmt.Sprintf("%d of %d voters stay up and serve; a quorum is %d", stay, voters, quorum),
			&plan.Needs{Least: quorum, Serve: others}, nil
	case consent && !serves:
		return "downtime was accepted", nil, nil
	case consent && voters == 1:
		return "downtime was accepted; it serves, so it can come back", nil, nil
	case consent && small:
		return "downtime was accepted; both members serve, so each can come back", &plan.Needs{Least: stay, Serve: others},
			nil
	case !serves:
		return "", nil, plan.OneRefusal(plan.NeedsConsent, m.Name,
			"bring it or the others back first, or run again with --accept=downtime",
			"%s; the other members are no quorum, so it is not known whether the cluster needs it",
			v.ailment(v.seen.Hosts[m.Name]))
	case voters == 1:
		return "", nil, plan.OneRefusal(plan.NeedsConsent, m.Name, "run again with --accept=downtime",
			"%s the only member stops the cluster for that time", doing)
	case small:
		return "", nil, plan.OneRefusal(plan.NeedsConsent, m.Name,
			"run again with --accept=downtime; a third member would make it needless",
			"%s one of two members stops the cluster for that time: a quorum of %d is %d", doing, voters, quorum)
	}
	return "", nil, plan.OneRefusal(plan.QuorumAtRisk, m.Name,
		"bring the other members back first: clusterup status shows what is wrong with them",
		"%s it would leave %d of %d voters, and a quorum is %d", doing, stay, voters, quorum)
}
