package trust

import (
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// Refusals are the reasons not to change CAs as is asked for or due.
func (s State) Refusals() []plan.Refusal {
	var found []plan.Refusal
	for _, role := range Roles {
		given := s.givenRefusals(role)
		found = slices.Concat(found, given, s.lateRefusals(role))
		if len(given) == 0 {
			found = append(found, s.endedRefusals(role)...)
		}
	}
	return append(found, s.lockedOut()...)
}

// endedRefusals: replacing a CA that has ended takes consent.
func (s State) endedRefusals(role string) []plan.Refusal {
	if !s.Formed || !s.Ended(role) || s.accepts(plan.Downtime) {
		return nil
	}
	old := s.Live(role)[0]
	what := "members accept no certificate of it any more, so that all have to restart side by side with another CA, and the cluster does not answer meanwhile"
	if role == "client" {
		what = "the members cannot be asked any more, so they restart with another CA while the state of the others is not known"
	}
	return plan.OneRefusal(plan.NeedsConsent, "", "run again with --accept=downtime", "%s ended on %s: %s",
		caName(old), old.NotAfter.Format(time.DateOnly), what)
}

// givenRefusals: a CA from elsewhere must be fit for use, and clusterup cannot make its successor.
func (s State) givenRefusals(role string) []plan.Refusal {
	if why := s.Seen.Operator.Unfit[role]; why != "" && s.onTrial(role) {
		return []plan.Refusal{s.Unfit(role, why)}
	}
	live := s.Live(role)
	if len(live) == 0 || !live[len(live)-1].Given || s.Seen.Operator.Replaced[role] != "" {
		return nil
	}
	ca := live[len(live)-1]
	const remedy = "get the next one from whoever runs it, name it in pki of the inventory, and apply: the members are taken over to it"
	switch {
	case s.Wish.Generation[role] > ca.Generation:
		return plan.OneRefusal(plan.GivenCA, "", remedy,
			"%s was not made by clusterup, which cannot make its successor", caName(ca))
	case s.over(ca):
		return plan.OneRefusal(plan.GivenCA, "", remedy,
			"%s ended on %s, and was not made by clusterup, which cannot make its successor",
			caName(ca), ca.NotAfter.Format(time.DateOnly))
	}
	return nil
}

// lateRefusals: a rotation can be taken back until the old CA has ended or is retired.
func (s State) lateRefusals(role string) []plan.Refusal {
	live := s.Live(role)
	switch {
	case !slices.Contains(s.Wish.Abort, role) || !s.Rotating(role):
		return nil
	case s.over(live[0]):
		return plan.OneRefusal(plan.TooLate, "", fmt.Sprintf("clusterup rotate ca --%s goes on with it", role),
			"%s ended on %s, so there is no way back to it", caName(live[0]), live[0].NotAfter.Format(time.DateOnly))
	case len(live) > 1:
		return nil
	}
	i := slices.IndexFunc(s.CAs(role), func(ca facts.CA) bool {
		return ca.Retired && ca.Generation < live[0].Generation && s.stillTrusted(ca)
	})
	if i < 0 {
		return nil
	}
	return plan.OneRefusal(plan.TooLate, "",
		fmt.Sprintf("clusterup rotate ca --%s goes on with it; another rotation can follow", role),
		"%s is retired already, and nothing in use is of it any more", caName(s.CAs(role)[i]))
}

// lockedOut: clusterup itself is a client, and nothing can be asked with a certificate that members do not accept.
func (s State) lockedOut() []plan.Refusal {
	if !s.Formed || s.Ended("client") || !s.Clients || !s.canSign("client") || s.goesBack("client") {
		return nil
	}
	var stranger facts.CA
	for _, ca := range s.Live("client") {
		if !ca.Signing {
			stranger = ca
		}
	}
	running := func(ca facts.CA) bool {
		return !s.Known(func(_ string, host facts.Host) bool { return host.Process != nil && !s.Trusts(host, ca) })
	}
	if stranger.Generation == 0 || slices.ContainsFunc(s.Live("client"),
		func(ca facts.CA) bool { return ca.Signing && running(ca) }) {
		return nil
	}
	return plan.OneRefusal(plan.CAKeyMissing, "",
		fmt.Sprintf("put its key back %s, until the members have been taken over", keyPlace(stranger)),
		"the members trust %s alone, and its key is not at hand: until they trust the next CA, clusterup is a client of that one", caName(stranger))
}

// keyPlace is where a key has to be put back.
func keyPlace(ca facts.CA) string {
	if ca.KeyFile == "" {
		return "where it was"
	}
	return "at " + ca.KeyFile
}

// Keyless says which CA of the operator directory has lost its key, or is missing although the cluster id exists. To
// make another one here would split the cluster: all members have to trust a new CA before anything is signed by it
// (law 5).
func (s State) Keyless(id facts.ID) []plan.Refusal {
	var found []plan.Refusal
	for _, role := range []string{"peer", "client"} {
		switch {
		case s.canSign(role), s.Seen.Operator.Replaced[role] != "" && len(s.CAs(role)) > 0:
		case len(s.CAs(role)) > 0:
			found = append(found, plan.Refuse(plan.CAKeyMissing, "",
				"put the key back from your backup of the operator directory's ca/",
				"the operator directory has the certificate of the %s CA, but not its key", role))
		case s.Formed || s.Started:
			found = append(found, plan.Refuse(plan.ForeignCA, "",
				path.Join("put .clusterup", s.Cluster, "ca")+" back, as it was when this cluster was made",
				"cluster %s exists, and the operator directory has no %s CA", id, role))
		}
	}
	return found
}

// Foreign refuses a host that trusts only CAs of another operator directory: it must not get a second CA.
func (s State) Foreign(member string, host facts.Host) []plan.Refusal {
	ours, pattern := s.ours(), s.ConfigDir+"/trust-*.pem"
	var foreign []string
	for name, file := range host.Files {
		if ok, _ := path.Match(pattern, name); !ok {
			continue
		}
		sums := facts.Certificates(file.Content)
		if len(sums) > 0 && !slices.ContainsFunc(sums, func(sum string) bool { return ours[sum] }) {
			foreign = append(foreign, name)
		}
	}
	if len(foreign) == 0 {
		return nil
	}
	slices.Sort(foreign)
	return plan.OneRefusal(plan.ForeignCA, member,
		fmt.Sprintf("run it with the operator directory that made this cluster: %s, above all its ca/, beside the inventory",
			path.Join(".clusterup", s.Cluster)),
		"%s trusts a CA that is not in this operator directory", foreign[0])
}
