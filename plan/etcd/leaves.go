package etcd

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// leafCA says which CA signs a leaf.
var leafCA = map[string]string{"peer": "peer", "server": "client"}

// leaves are the certificates that a host has to get at once: its member is not running, or cannot do with what it has. Others are
// renewed one member after the other, see renew.
func (v view) leaves(m inventory.Member, host facts.Host) []plan.Step {
	return v.issue(m, host, func(role string) bool { return !v.formed || host.Process == nil || v.useless(role, m, host) })
}

// renew replaces certificates that are good by better ones, one member after the other. Nothing restarts: a new handshake must show the
// new certificate, and a member that shows another one of its own restarts then.
func (v view) renew() (*plan.Stage, error) {
	var stage *plan.Stage
	stale := v.Known(func(_ inventory.Member, host facts.Host) bool {
		return v.unproven(host, "peer") != "" || v.unproven(host, "server") != ""
	})
	if stale {
		return nil, nil // that member restarts before the next one's turn comes
	}
	v.Each(func(m inventory.Member, host facts.Host) {
		if stage != nil {
			return
		}
		if steps := v.issue(m, host, func(string) bool { return true }); len(steps) > 0 {
			for i := range steps {
				steps[i].Host = m.Name
			}
			stage = &plan.Stage{
				Name: "renew the certificates of " + m.Name, Gate: "it takes them up without a restart; no other member is touched", Width: 1, Steps: steps,
			}
		}
	})
	return stage, nil
}

func (v view) issue(m inventory.Member, host facts.Host, now func(role string) bool) []plan.Step {
	var steps []plan.Step
	for _, role := range []string{"peer", "server"} {
		signer, ok := v.signer(leafCA[role])
		if !ok || !now(role) || signer.Generation == v.newest(leafCA[role]) && v.rejected(leafCA[role]) != "" {
			continue
		}
		if why := v.leafWanting(role, m, host, signer); why != "" {
			steps = append(steps, plan.Step{Kind: plan.IssueLeaf, Why: why, Leaf: v.leaf(role, m, signer)})
		}
	}
	return steps
}

// useless says that nobody accepts what a host has.
func (v view) useless(role string, m inventory.Member, host facts.Host) bool {
	leaf, ok := host.Leaves[role]
	if !ok || !leaf.Intact || v.noPair(role, m, host) || !v.within(leaf) || v.ended(leafCA[role]) || !slices.Contains(leaf.Names, dialled(role, m)) {
		return true
	}
	return !slices.ContainsFunc(v.bundled(leafCA[role], host), func(ca facts.CA) bool { return ca.SHA256 == leaf.Issuer })
}

// noPair says that a running member cannot show what lies on its host, whatever its digests say, and although it may read it.
func (v view) noPair(role string, m inventory.Member, host facts.Host) bool {
	return host.Process != nil && mute(role, host) && len(v.directories(m, host)) == 0 && len(v.wrongModes(role, host)) == 0
}

// mute says that a member's port ends handshakes, since it has no certificate that it can show.
func mute(role string, host facts.Host) bool {
	return slices.ContainsFunc(host.Serves[role], func(s facts.Served) bool { return s.Broken })
}

// dialled is the name by which others know a member, so that its certificate is no good without.
func dialled(role string, m inventory.Member) string {
	address := m.PeerAddress
	if role == "server" {
		address = m.ClientAddress
	}
	if ip, err := netip.ParseAddr(address); err == nil {
		return ip.String()
	}
	return address
}

// within says whether a leaf is valid now.
func (v view) within(leaf facts.Leaf) bool {
	return !v.seen.Taken.Before(leaf.NotBefore) && !v.seen.Taken.After(leaf.NotAfter)
}

func (v view) leaf(role string, m inventory.Member, signer facts.CA) *plan.Leaf {
	pki := v.want.Cluster.PKI
	cn := role + ":" + m.Name // never the name of a user: etcd takes a common name for one when authentication is on
	return &plan.Leaf{
		Role: role, CA: leafCA[role], Generation: signer.Generation, CN: cn[:min(len(cn), 64)], Names: NamesOf(m),
		Lifetime: pki.Lifetime, Algorithm: pki.Algorithm, ConfigDir: ConfigDir(v.want.Cluster),
	}
}

// leafWanting says why a leaf has to be issued; empty when it is good.
func (v view) leafWanting(role string, m inventory.Member, host facts.Host, signer facts.CA) string {
	leaf, ok := host.Leaves[role]
	wanted := v.leaf(role, m, signer)
	link := units.LeafLink(ConfigDir(v.want.Cluster), role)
	_, written := host.Files[path.Join(link, "cert.pem")]
	switch {
	case !ok && written:
		return role + " certificate cannot be read"
	case !ok:
		return "no " + role + " certificate"
	case path.Dir(leaf.Dir) != path.Dir(link):
		return role + " certificate does not lie behind the link " + link
	case !leaf.Intact:
		return role + " certificate or key is not as it was written"
	case v.noPair(role, m, host):
		return role + " certificate and key are no pair: the member can show nobody a certificate"
	case leaf.Issuer != signer.SHA256 && !v.ahead(leaf, signer):
		return role + " certificate is not of " + caName(signer)
	case !slices.Equal(leaf.Names, wanted.Names):
		return fmt.Sprintf("%s certificate is for %s, want %s", role, strings.Join(leaf.Names, " "), strings.Join(wanted.Names, " "))
	case leaf.Algorithm != wanted.Algorithm:
		return fmt.Sprintf("%s key is %s, want %s", role, leaf.Algorithm, wanted.Algorithm)
	case v.seen.Taken.After(leaf.NotAfter):
		return fmt.Sprintf("%s certificate ended on %s", role, leaf.NotAfter.Format(time.DateOnly))
	case v.seen.Taken.Before(leaf.NotBefore):
		return fmt.Sprintf("%s certificate is valid only from %s on", role, leaf.NotBefore.Format(time.DateOnly))
	case v.want.Replace[leaf.SHA256]:
		return fmt.Sprintf("a new %s certificate was asked for", role)
	}
	before, total := v.want.Cluster.PKI.RenewBefore, leaf.NotAfter.Sub(leaf.NotBefore)
	if before >= total { // how long it lives was not for clusterup to say
		before = total / 3
	}
	due := leaf.NotAfter.Add(-before)
	// A leaf that its CA's own end has cut short would be due at once again.
	if v.seen.Taken.After(due) && leaf.NotAfter.Before(signer.NotAfter) {
		return fmt.Sprintf("%s certificate ends on %s", role, leaf.NotAfter.Format(time.DateOnly))
	}
	return ""
}

// ahead says that a leaf is of a later CA than the one that signs while a host is dark, of which it is not known
// whether it trusts that one. All that are seen do.
func (v view) ahead(leaf facts.Leaf, signer facts.CA) bool {
	return len(v.Dark()) > 0 && slices.ContainsFunc(v.live(signer.Role), func(ca facts.CA) bool {
		distrusted := v.Known(func(_ inventory.Member, host facts.Host) bool { return !v.trusts(host, ca) })
		return ca.SHA256 == leaf.Issuer && ca.Generation > signer.Generation && !v.over(ca) && !distrusted
	})
}

// unproven says that a running member serves another certificate of its own than the one that lies on its host; "" when it does not, as far
// as could be seen. What shows somebody else's certificate stands before the member, such as a load balancer, and no restart changes that.
func (v view) unproven(host facts.Host, role string) string {
	leaf, ok := host.Leaves[role]
	if !ok || !leaf.Intact || host.Process == nil {
		return ""
	}
	for _, served := range host.Serves[role] {
		if served.SHA256 != "" && served.SHA256 != leaf.SHA256 && served.Name == leaf.Subject {
			return fmt.Sprintf("it serves another %s certificate than lies on its host, as seen from %s", role, served.From)
		}
	}
	return ""
}
