package etcd

import (
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// etcd reads the list of revoked certificates anew at each handshake, compares serial numbers with it, and refuses everybody when it is not
// there (client/pkg/transport/listener_tls.go, checkCRL). So it is in the flags from the beginning, and revoking takes no restart.

// lists says whether members are given a list: the client CA can sign one, or could before.
func (v view) lists() bool {
	return v.want.Cluster.TLS.Clients && (v.canList() || len(v.seen.Operator.Revoked.List) > 0)
}

// canList says whether the CA that signs lists can: the newest, where it is not behind a server.
func (v view) canList() bool {
	live := v.live("client")
	if len(live) == 0 {
		given := v.want.Cluster.PKI.ClientCA
		return given == nil || given.External == nil
	}
	return live[len(live)-1].Lists
}

// listRevoked signs the list anew when it is not what it should be.
func (v view) listRevoked(made bool) []plan.Step {
	seen := v.seen.Operator.Revoked
	switch {
	case !v.want.Cluster.TLS.Clients || !v.canList():
		return nil
	case len(seen.List) == 0:
		return []plan.Step{{Kind: plan.ListRevoked, CA: "client", Why: "there is no list of revoked client certificates yet; with an empty one the first revocation takes no restart"}}
	case !seen.Current || made:
		return []plan.Step{{Kind: plan.ListRevoked, CA: "client", Why: "certificates were revoked, or another CA signs the list now"}}
	}
	return nil
}

// revoked is the list as a file.
func (v view) revoked() units.File {
	return units.CRL(ConfigDir(v.want.Cluster), v.seen.Operator.Revoked.List)
}

// revoke records what is to be refused from now on.
func (v view) revoke() []plan.Step {
	var steps []plan.Step
	for _, c := range v.want.Revoke {
		i := slices.IndexFunc(v.seen.Operator.Clients, func(is facts.Client) bool { return is.Serial == c.Serial && !is.Revoked })
		if i >= 0 {
			steps = append(steps, plan.Step{Kind: plan.RevokeClient, Client: c.Name, Serial: c.Serial, Why: "its certificate " + c.Serial + " is to be refused from now on"})
		}
	}
	return steps
}
