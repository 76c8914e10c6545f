package etcd

import (
	"fmt"
	"slices"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// authorityRefusals are the reasons not to do with the CAs what is asked for.
func (v view) authorityRefusals() []plan.Refusal {
	if v.want.Existing && !v.formed {
		return []plan.Refusal{plan.Refuse(plan.NoCluster, "", "clusterup apply makes it", "there is no cluster %s yet", v.want.Cluster.Name)}
	}
	var found []plan.Refusal
	for _, role := range caRoles {
		given := v.givenRefusals(role)
		found = slices.Concat(found, given, v.lateRefusals(role))
		if len(given) == 0 {
			found = append(found, v.endedRefusals(role)...)
		}
	}
	return append(found, v.lockedOut()...)
}

// endedRefusals: what has to be done when a CA has ended is not done without consent.
func (v view) endedRefusals(role string) []plan.Refusal {
	if !v.formed || !v.ended(role) || v.want.accepts(plan.Downtime) {
		return nil
	}
	old := v.live(role)[0]
	what := "members accept no certificate of it any more, so that all have to restart side by side with another CA, and the cluster does not answer meanwhile"
	if role == "client" {
		what = "nobody can ask the members anything any more, so that they have to restart with another CA without its being known how the others are"
	}
	return []plan.Refusal{plan.Refuse(plan.NeedsConsent, "", "run again with --accept=downtime", "%s ended on %s: %s", caName(old), old.NotAfter.Format(time.DateOnly), what)}
}

// givenRefusals: a CA that comes from elsewhere has to be one that can be used, and has no successor that could be made here.
func (v view) givenRefusals(role string) []plan.Refusal {
	if why := v.seen.Operator.Unfit[role]; why != "" && v.onTrial(role) {
		return []plan.Refusal{v.unfit(role, why)}
	}
	live := v.live(role)
	if len(live) == 0 || !live[len(live)-1].Given || v.seen.Operator.Replaced[role] != "" {
		return nil
	}
	ca := live[len(live)-1]
	const remedy = "ask whoever runs it for the next one, name that in pki of the inventory, and apply: the members are taken over to it"
	switch {
	case v.want.Generation[role] > ca.Generation:
		return []plan.Refusal{plan.Refuse(plan.GivenCA, "", remedy, "%s was not made by clusterup, which cannot make its successor", caName(ca))}
	case v.over(ca):
		return []plan.Refusal{plan.Refuse(plan.GivenCA, "", remedy, "%s ended on %s, and was not made by clusterup, which cannot make its successor",
			caName(ca), ca.NotAfter.Format(time.DateOnly))}
	}
	return nil
}

// lateRefusals: a rotation can be taken back until the old CA has ended or is retired.
func (v view) lateRefusals(role string) []plan.Refusal {
	live := v.live(role)
	switch {
	case !slices.Contains(v.want.Abort, role) || !v.rotating(role):
		return nil
	case v.over(live[0]):
		return []plan.Refusal{plan.Refuse(plan.TooLate, "", fmt.Sprintf("clusterup rotate ca --%s goes on with it", role),
			"%s ended on %s, so there is no way back to it", caName(live[0]), live[0].NotAfter.Format(time.DateOnly))}
	case len(live) > 1:
		return nil
	}
	i := slices.IndexFunc(v.cas(role), func(ca facts.CA) bool { return ca.Retired && ca.Generation < live[0].Generation && v.stillTrusted(ca) })
	if i < 0 {
		return nil
	}
	return []plan.Refusal{plan.Refuse(plan.TooLate, "", fmt.Sprintf("clusterup rotate ca --%s goes on with it; another rotation can follow", role),
		"%s is retired already, and nothing in use is of it any more", caName(v.cas(role)[i]))}
}

// lockedOut: clusterup itself is a client, and nothing can be asked with a certificate that members do not accept.
func (v view) lockedOut() []plan.Refusal {
	if !v.formed || v.ended("client") || !v.want.Cluster.TLS.Clients || !v.canSign("client") || v.goesBack("client") {
		return nil
	}
	var stranger facts.CA
	for _, ca := range v.live("client") {
		if !ca.Signing {
			stranger = ca
		}
	}
	running := func(ca facts.CA) bool {
		return !v.Known(func(_ inventory.Member, host facts.Host) bool { return host.Process != nil && !v.trusts(host, ca) })
	}
	if stranger.Generation == 0 || slices.ContainsFunc(v.live("client"), func(ca facts.CA) bool { return ca.Signing && running(ca) }) {
		return nil
	}
	return []plan.Refusal{plan.Refuse(plan.CAKeyMissing, "", fmt.Sprintf("put its key back %s, until the members have been taken over", keyPlace(stranger)),
		"the members trust %s alone, and its key is not at hand: until they trust the next CA, clusterup is a client of that one", caName(stranger))}
}

// keyPlace is where a key has to be put back.
func keyPlace(ca facts.CA) string {
	if ca.KeyFile == "" {
		return "where it was"
	}
	return "at " + ca.KeyFile
}
