package trust

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// leafCA says which CA signs a leaf.
var leafCA = map[string]string{"peer": "peer", "server": "client"}

// Leaves are the certificates that a host has to get at once: its member is not running, or cannot do with what it has.
// Others are renewed one member after the other, see Renew.
func (s State) Leaves(h Holder) []plan.Step {
	return s.issue(h, func(role string) bool { return !s.Formed || h.Seen.Process == nil || s.useless(role, h) })
}

// Renew replaces certificates of a member that are good by better ones; nil: it has the best. It restarts nothing. A
// member whose port still shows its old certificate afterwards is restarted then.
func (s State) Renew(h Holder) *plan.Stage {
	steps := s.issue(h, func(string) bool { return true })
	if len(steps) == 0 {
		return nil
	}
	for i := range steps {
		steps[i].Host = h.Name
	}
	return plan.SideBySide("renew the certificates of "+h.Name,
		"it takes them up without a restart; no other member is touched", steps)
}

func (s State) issue(h Holder, now func(role string) bool) []plan.Step {
	var steps []plan.Step
	for _, role := range []string{"peer", "server"} {
		signer, ok := s.Signer(leafCA[role])
		if !ok || !now(role) || signer.Generation == s.newest(leafCA[role]) && s.rejected(leafCA[role]) != "" {
			continue
		}
		if why := s.leafWanting(role, h, signer); why != "" {
			steps = append(steps, plan.Step{Kind: plan.IssueLeaf, Why: why, Leaf: s.leaf(role, h, signer)})
		}
	}
	return steps
}

// useless says that nobody accepts the leaf on a host, or that there is none.
func (s State) useless(role string, h Holder) bool {
	leaf, ok := h.Seen.Leaves[role]
	if !ok || !leaf.Intact || h.noPair(role) || !s.within(leaf) || s.revokedLeaf(role, leaf) || s.Ended(leafCA[role]) ||
		!slices.Contains(leaf.Names, h.dialled(role)) {
		return true
	}
	return !slices.ContainsFunc(s.Bundled(leafCA[role], h.Seen),
		func(ca facts.CA) bool { return ca.SHA256 == leaf.Issuer })
}

// noPair says that a running member can show no certificate, although it may read its files: the key is not that of the
// certificate, even where both are unchanged.
func (h Holder) noPair(role string) bool {
	return h.Seen.Process != nil && Mute(role, h.Seen) && h.Readable(role)
}

// Mute says that a member's port ends handshakes, since it has no certificate that it can show.
func Mute(role string, host facts.Host) bool {
	return slices.ContainsFunc(host.Serves[role], func(s facts.Served) bool { return s.Broken })
}

// within says whether a leaf is valid now.
func (s State) within(leaf facts.Leaf) bool {
	return !s.Seen.Taken.Before(leaf.NotBefore) && !s.Seen.Taken.After(leaf.NotAfter)
}

func (s State) leaf(role string, h Holder, signer facts.CA) *plan.Leaf {
	leaf := &plan.Leaf{
		Role: role, CA: leafCA[role], Generation: signer.Generation, CN: whose(role, h.Name), Names: h.Names,
		Lifetime: s.Lifetime, Algorithm: s.Algorithm, ConfigDir: s.ConfigDir,
	}
	if role == "server" { // see [facts.Whose]
		leaf.CN, leaf.OU = "", leaf.CN
	}
	return leaf
}

// whose is whose a leaf is. It is never the name of a user: etcd takes a common name for one when authentication is on.
func whose(role, member string) string {
	name := role + ":" + member
	return name[:min(len(name), 64)]
}

// leafWanting says why a leaf has to be issued; empty when it is good.
func (s State) leafWanting(role string, h Holder, signer facts.CA) string {
	leaf, ok := h.Seen.Leaves[role]
	wanted := s.leaf(role, h, signer)
	link := units.LeafLink(s.ConfigDir, role)
	_, written := h.Seen.Files[path.Join(link, "cert.pem")]
	switch {
	case !ok && written:
		return role + " certificate cannot be read"
	case !ok:
		return "no " + role + " certificate"
	case path.Dir(leaf.Dir) != path.Dir(link):
		return role + " certificate does not lie behind the link " + link
	case !leaf.Intact:
		return role + " certificate or key was changed after it was written"
	case s.revokedLeaf(role, leaf):
		return role + " certificate was revoked when the member of that name was removed"
	case h.noPair(role):
		return role + " certificate and key do not belong together: the member can show no certificate"
	case leaf.Issuer != signer.SHA256 && !s.ahead(leaf, signer):
		return role + " certificate is not of " + caName(signer)
	case !slices.Equal(leaf.Names, wanted.Names):
		return fmt.Sprintf("%s certificate is for %s, want %s", role, strings.Join(leaf.Names, " "),
			strings.Join(wanted.Names, " "))
	case leaf.Algorithm != wanted.Algorithm:
		return fmt.Sprintf("%s key is %s, want %s", role, leaf.Algorithm, wanted.Algorithm)
	case s.Seen.Taken.After(leaf.NotAfter):
		return fmt.Sprintf("%s certificate ended on %s", role, leaf.NotAfter.Format(time.DateOnly))
	case s.Seen.Taken.Before(leaf.NotBefore):
		return fmt.Sprintf("%s certificate is valid only from %s on", role, leaf.NotBefore.Format(time.DateOnly))
	case s.Wish.Replace[leaf.SHA256]:
		return fmt.Sprintf("a new %s certificate was asked for", role)
	}
	// A leaf that its CA's own end has cut short would be due at once again.
	if s.LeafEnds(leaf) && leaf.NotAfter.Before(signer.NotAfter) {
		return fmt.Sprintf("%s certificate ends on %s", role, leaf.NotAfter.Format(time.DateOnly))
	}
	return ""
}

// ahead says that a leaf of a later CA than the signer may stay. While a host is dark it is not known whether all
// members trust the later CA; all that are seen do.
func (s State) ahead(leaf facts.Leaf, signer facts.CA) bool {
	return len(s.Dark()) > 0 && slices.ContainsFunc(s.Live(signer.Role), func(ca facts.CA) bool {
		distrusted := s.Known(func(_ string, host facts.Host) bool { return !s.Trusts(host, ca) })
		return ca.SHA256 == leaf.Issuer && ca.Generation > signer.Generation && !s.over(ca) && !distrusted
	})
}

// Unproven says of each leaf of a running member that its port showed another one, so that it must restart.
func Unproven(host facts.Host) []string {
	var found []string
	for _, role := range []string{"peer", "server"} {
		if text := unproven(host, role); text != "" {
			found = append(found, text)
		}
	}
	return found
}

// unproven says that the port of a running member showed a certificate with its name that is not the one on its disk,
// so that it must restart; "" when it did not. A certificate with another name comes from a proxy in front, and counts
// for nothing.
func unproven(host facts.Host, role string) string {
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
