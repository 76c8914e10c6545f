package trust

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// Each CA lists what it has signed and what is to be refused: the peer CA certificates that members show each other,
// the client CA those of clients and those that members show clients. etcd reads a list anew at each handshake,
// compares serial numbers with it, and refuses everybody when it is not there (client/pkg/transport/listener_tls.go,
// checkCRL). So the flag is there from the beginning, and revoking takes no restart. A member of a cluster of before
// gets the flag for peers when it restarts for another reason.

// CRLFlag is etcd's flag for the list of a role's CA.
var CRLFlag = map[string]string{"peer": "peer-crl-file", "client": "client-crl-file"}

// Lists says whether members are given the list of a role's CA: it can sign one, or could before.
func (s State) Lists(role string) bool {
	return s.secure(role) && (s.canList(role) || len(s.Seen.Operator.Revoked[role].List) > 0)
}

// secure says whether TLS is wanted where certificates of a role's CA are shown.
func (s State) secure(role string) bool {
	return role == "peer" && s.Peers || role == "client" && s.Clients
}

// canList says whether the newest CA of a role can sign lists: one behind a server cannot. There is none of peers where
// members trust one CA for both roles, since whatever that signs passes for a peer.
func (s State) canList(role string) bool {
	live := s.Live(role)
	switch {
	case role == "peer" && s.oneCA():
		return false
	case len(live) == 0:
		return s.willList(role)
	}
	return live[len(live)-1].Lists
}

// willList says whether the CA that is made or taken over next can sign lists.
func (s State) willList(role string) bool {
	return s.Origin[role] != Server && !s.Seen.Operator.Listless[role]
}

// oneCA says that what lets clients in lets peers in as well.
func (s State) oneCA() bool {
	return s.OneCA || slices.ContainsFunc(s.Live("peer"), func(peer facts.CA) bool {
		return len(peer.Trusted()) > 0 && slices.ContainsFunc(s.Live("client"),
			func(client facts.CA) bool { return bytes.Equal(client.Trusted(), peer.Trusted()) })
	})
}

// List signs the list of a role's CA anew where it is missing or outdated. made says that the steps before it outdate
// it.
func (s State) List(role string, made bool) []plan.Step {
	seen := s.Seen.Operator.Revoked[role]
	switch {
	case !s.secure(role) || !s.canList(role):
		return nil
	case len(seen.List) == 0:
		return []plan.Step{{
			Kind: plan.ListRevoked, CA: role,
			Why: "there is no list of revoked " + role + " certificates yet; " +
				"an empty one saves a restart at the first revocation",
		}}
	case !seen.Current || made:
		return []plan.Step{{
			Kind: plan.ListRevoked, CA: role,
			Why: "certificates were revoked, or another CA signs the list now",
		}}
	}
	return nil
}

// Relists says whether the list of a role's CA is to be signed anew after steps in the operator directory.
func Relists(steps []plan.Step, role string) bool {
	return slices.ContainsFunc(steps, func(step plan.Step) bool {
		return step.Kind.Traits().Relists && cmp.Or(step.CA, "client") == role
	})
}

// Revoked is the list of a role's CA as a file.
func (s State) Revoked(role string) units.File {
	return units.CRL(s.ConfigDir, role, s.Seen.Operator.Revoked[role].List)
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

// Gone are members that the cluster does not list, by name. True: one is to join, so that the certificate which lies on
// its host is its own. Nil: nobody tells who is a member.
type Gone map[string]bool

// RevokeGone records that the certificates of members that have left are to be refused: those that were issued to them,
// and, of clusters of before that recorded none, those that their hosts show. One that has ended is refused anyway.
func (s State) RevokeGone(gone Gone) []plan.Step {
	var steps []plan.Step
	for _, r := range slices.Concat(s.Seen.Operator.Leaves, s.shown(gone)) {
		if !s.stale(gone, r) || !s.Lists(leafCA[r.Role]) {
			continue
		}
		steps = append(steps, plan.Step{
			Kind: plan.RevokeLeaf, CA: leafCA[r.Role], Revoke: &r,
			Why: "the cluster does not list " + r.Member + ", which it was issued to: it is to be refused from now on",
		})
	}
	return steps
}

// stale says that a certificate lets somebody in who is not a member, and lies on no host of one.
func (s State) stale(gone Gone, r facts.Recorded) bool {
	joins, left := gone[r.Member]
	ended := !r.NotAfter.IsZero() && !s.Seen.Taken.Before(r.NotAfter)
	return left && !r.Revoked && !ended && !s.inUse(gone, r, joins)
}

// inUse says that a certificate lies on the host of a member, or of the one that is to join with it.
func (s State) inUse(gone Gone, r facts.Recorded, joins bool) bool {
	return s.Known(func(name string, host facts.Host) bool {
		_, left := gone[name]
		return host.Leaves[r.Role].Serial == r.Serial && (!left || joins && name == r.Member)
	})
}

// shown are certificates that hosts of members which have left show, and that are recorded nowhere. A certificate tells
// whose it is, and our CA has signed that: a host may show the one of another member.
func (s State) shown(gone Gone) []facts.Recorded {
	var found []facts.Recorded
	for _, name := range slices.Sorted(maps.Keys(gone)) {
		if gone[name] { // it is to join
			continue
		}
		for _, role := range []string{"peer", "server"} {
			leaf := s.Seen.Hosts[name].Leaves[role]
			known := slices.ContainsFunc(s.Seen.Operator.Leaves, func(r facts.Recorded) bool { return r.Serial == leaf.Serial })
			at := slices.IndexFunc(s.CAs(leafCA[role]), func(ca facts.CA) bool { return ca.SHA256 == leaf.Issuer })
			if leaf.Serial == "" || known || at < 0 || leaf.Subject != whose(role, name) {
				continue
			}
			found = append(found, facts.Recorded{
				Member: name, Role: role, Serial: leaf.Serial, Generation: s.CAs(leafCA[role])[at].Generation,
				NotAfter: leaf.NotAfter,
			})
		}
	}
	return found
}

// revokedLeaf says that the certificate on a host was revoked, as is that of a member which comes back after it was
// removed.
func (s State) revokedLeaf(role string, leaf facts.Leaf) bool {
	return slices.ContainsFunc(s.Seen.Operator.Leaves, func(r facts.Recorded) bool {
		return r.Revoked && r.Role == role && r.Serial == leaf.Serial
	})
}

// Lasting is when the last certificate of a role ends that members accept of one that has left, or is to leave, where
// no list can name it; zero: there is none.
func (s State) Lasting(role, member string, gone Gone) time.Time {
	var end time.Time
	list := s.Seen.Operator.Revoked[role]
	if !s.secure(role) || s.Lists(role) && (s.canList(role) || list.Current) {
		return end
	}
	named := serials(list.List)
	leaf := LeafOf[role]
	joins := gone[member]
	lies := s.Seen.Hosts[member].Leaves[leaf]
	for _, r := range s.Seen.Operator.Leaves {
		retired := slices.ContainsFunc(s.CAs(role), func(ca facts.CA) bool {
			return ca.Generation == r.Generation && ca.Retired && !s.stillTrusted(ca)
		})
		if r.Member == member && r.Role == leaf && !slices.Contains(named, r.Serial) && !retired &&
			!(joins && lies.Serial == r.Serial) &&
			s.Seen.Taken.Before(r.NotAfter) && r.NotAfter.After(end) {
			end = r.NotAfter
		}
	}
	if !joins && lies.NotAfter.After(end) && s.Seen.Taken.Before(lies.NotAfter) && !slices.Contains(named, lies.Serial) {
		end = lies.NotAfter
	}
	return end
}

// WhyListless says why no list names what the CA of a role has signed.
func (s State) WhyListless(role string) string {
	if role == "peer" && s.oneCA() {
		return "members trust one CA for both roles, and go by no list of revoked peers then"
	}
	return "the " + role + " CA signs no list of revoked certificates here"
}

// EndsKeys says how keys are ended that no list names.
func (s State) EndsKeys(role string) string {
	if live := s.Live(role); len(live) > 0 && live[len(live)-1].Given || s.Origin[role] != Ours {
		return "tell whoever runs that CA, and to end the key earlier, name another CA in pki of the inventory, and apply: " +
			"the members are taken over to it"
	}
	return "clusterup rotate ca --" + role + " ends it"
}

// Unlisted are members that run without the list of a role's CA although there is one that names certificates: they
// accept those until they restart.
func (s State) Unlisted(role string) []string {
	named := slices.ContainsFunc(s.Seen.Operator.Leaves, func(r facts.Recorded) bool {
		return r.Revoked && leafCA[r.Role] == role && (r.NotAfter.IsZero() || s.Seen.Taken.Before(r.NotAfter))
	})
	if !named || !s.Lists(role) {
		return nil
	}
	return s.Which(func(_ string, host facts.Host) bool {
		return host.Process != nil && units.Flag(host.Process.Args, BundleFlag[role]) != "" &&
			units.Flag(host.Process.Args, CRLFlag[role]) == ""
	})
}
