package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
)

// leafCA says which CA signs a leaf: peers trust the peer CA alone, so nothing that the client CA signs can join as a peer.
var leafCA = map[string]string{"peer": "peer", "server": "client"}

// leaves are the certificates that a host lacks, or holds otherwise than wanted.
func (v view) leaves(m inventory.Member, host facts.Host) []Step {
	var steps []Step
	for _, role := range []string{"peer", "server"} {
		if why := v.leafWanting(role, m, host); why != "" {
			steps = append(steps, Step{Kind: IssueLeaf, Why: why, Leaf: v.leaf(role, m)})
		}
	}
	return steps
}

func (v view) leaf(role string, m inventory.Member) *Leaf {
	pki := v.want.Cluster.PKI
	cn := role + ":" + m.Name // never the name of a user: etcd takes a common name for one when authentication is on
	return &Leaf{
		Role: role, CA: leafCA[role], CN: cn[:min(len(cn), 64)], Names: leafNames(m),
		Lifetime: pki.Lifetime, Algorithm: pki.Algorithm, ConfigDir: ConfigDir(v.want.Cluster),
	}
}

// leafWanting says why a leaf has to be issued; empty when it is good.
func (v view) leafWanting(role string, m inventory.Member, host facts.Host) string {
	leaf, ok := host.Leaves[role]
	wanted := v.leaf(role, m)
	signer, _ := v.signer(wanted.CA)
	switch {
	case !ok:
		return "no " + role + " certificate"
	case !leaf.Intact:
		return role + " certificate or key is not as it was written"
	case leaf.Issuer != signer.SHA256:
		return role + " certificate is not of the " + wanted.CA + " CA in use"
	case !slices.Equal(leaf.Names, wanted.Names):
		return fmt.Sprintf("%s certificate is for %s, want %s", role, strings.Join(leaf.Names, " "), strings.Join(wanted.Names, " "))
	case leaf.Algorithm != wanted.Algorithm:
		return fmt.Sprintf("%s key is %s, want %s", role, leaf.Algorithm, wanted.Algorithm)
	case v.seen.Taken.After(leaf.NotAfter):
		return fmt.Sprintf("%s certificate has expired on %s", role, leaf.NotAfter.Format("2006-01-02"))
	}
	due := leaf.NotAfter.Add(-v.want.Cluster.PKI.RenewBefore)
	// A leaf that its CA's own end has cut short would be due at once again.
	if v.seen.Taken.After(due) && leaf.NotAfter.Before(signer.NotAfter) {
		return fmt.Sprintf("%s certificate ends on %s", role, leaf.NotAfter.Format("2006-01-02"))
	}
	return ""
}
