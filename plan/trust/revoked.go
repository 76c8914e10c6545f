package trust

import (
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// etcd reads the list of revoked certificates anew at each handshake, compares serial numbers with it, and refuses
// everybody when it is not there (client/pkg/transport/listener_tls.go, checkCRL). So it is in the flags from the
// beginning, and revoking takes no restart.

// Lists says whether members are given a list: the client CA can sign one, or could before.
func (s State) Lists() bool {
	return s.Clients && (s.canList() || len(s.Seen.Operator.Revoked.List) > 0)
}

// canList says whether the newest client CA can sign lists; one behind a server cannot.
func (s State) canList() bool {
	live := s.Live("client")
	if len(live) == 0 {
		return s.Origin["client"] != Server
	}
	return live[len(live)-1].Lists
}

// List signs the list anew where it is missing or outdated. made says that the steps before it outdate it.
func (s State) List(made bool) []plan.Step {
	seen := s.Seen.Operator.Revoked
	switch {
	case !s.Clients || !s.canList():
		return nil
	case len(seen.List) == 0:
		return []plan.Step{{
			Kind: plan.ListRevoked, CA: "client",
			Why: "there is no list of revoked client certificates yet; an empty one saves a restart at the first revocation",
		}}
	case !seen.Current || made:
		return []plan.Step{{
			Kind: plan.ListRevoked, CA: "client",
			Why: "certificates were revoked, or another CA signs the list now",
		}}
	}
	return nil
}

// Revoked is the list as a file.
func (s State) Revoked() units.File {
	return units.CRL(s.ConfigDir, s.Seen.Operator.Revoked.List)
}

// Revoke records what is to be refused from now on.
func (s State) Revoke() []plan.Step {
	var steps []plan.Step
	for _, c := range s.Wish.Revoke {
		i := slices.IndexFunc(s.Seen.Operator.Clients,
			func(is facts.Client) bool { return is.Serial == c.Serial && !is.Revoked })
		if i >= 0 {
			steps = append(steps, plan.Step{
				Kind: plan.RevokeClient, Client: c.Name, Serial: c.Serial,
				Why: "its certificate " + c.Serial + " is to be refused from now on",
			})
		}
	}
	return steps
}
