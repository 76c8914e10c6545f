package trust

import (
	"net/netip"
	"slices"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// State is what decisions about trust rest on: what was seen, and what is wanted of certificates.
type State struct {
	plan.Members[string] // by name
	Settings
	Wish   Wish
	Accept []plan.Risk
	Seen   facts.Snapshot
	Units  units.Reader

	Formed  bool // there is a cluster
	Started bool // its bootstrap is under way
	Mixed   bool // members are of two minor versions
	Held    bool // a member is held at the minor version that the others have left
}

// Settings are what the inventory says of certificates, and where they lie on hosts.
type Settings struct {
	Cluster, ConfigDir, UnitPath      string
	Peers, Clients                    bool // TLS is wanted
	CALifetime, Lifetime, RenewBefore time.Duration
	Algorithm                         string
	Origin                            map[string]Origin // of the CAs of roles
	OneCA                             bool              // the inventory names one CA for both roles
	Named                             []string          // clients that the inventory names
	Gateway                           []string          // of these, those without a common name, for etcd's HTTP gateway
	Services                          []string          // clients that apply itself gives new certificates, on their hosts
}

// Origin says where the CA of a role comes from.
type Origin int

// The origins of CAs.
const (
	Ours   Origin = iota // clusterup makes it
	Given                // the inventory names its files
	Server               // it signs behind a server, and signs no lists of revoked certificates
)

// Wish is what an operator asks for beyond the inventory.
type Wish struct {
	Generation map[string]int // role → the least generation of its CA; one that is not there is made. See State.Rotate
	// role → the phase after which the rotation of its CA waits, "": none; a role that is not in it stays as it is
	Hold    map[string]string
	Abort   []string        // roles of CAs whose rotation is to be taken back
	Revoke  []facts.Client  // client certificates that are to be refused
	Replace map[string]bool // SHA-256 of leaves that are not to stay in use
}

// Holder is a member that has certificates, or is to have them.
type Holder struct {
	Name         string
	Names        []string // SANs of its certificates, sorted
	Peer, Client string   // the addresses at which peers and clients know it
	Seen         facts.Host
	Readable     func(role string) bool // whether the member can read what lies there
}

// dialled is the name by which others know a member, so that its certificate is no good without.
func (h Holder) dialled(role string) string {
	address := h.Peer
	if role == "server" {
		address = h.Client
	}
	if ip, err := netip.ParseAddr(address); err == nil {
		return ip.String()
	}
	return address
}

func (s State) accepts(r plan.Risk) bool { return slices.Contains(s.Accept, r) }
