package etcd

import (
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
)

// Rotation is a rotation of a role's CA that is under way.
type Rotation struct {
	Role  string `json:"role"`
	From  int    `json:"from"`            // generation
	To    int    `json:"to"`              // generation
	Phase string `json:"phase"`           // trust, leaves or drop: what is being done, or is to be done next
	Back  bool   `json:"back,omitempty"`  // it is taken back
	Hold  string `json:"hold,omitempty"`  // the phase after which it is held
	Waits string `json:"waits,omitempty"` // why an apply does not go on with it; empty: it does
}

// Rotations are those under way, peers first.
func Rotations(w Want, s facts.Snapshot) []Rotation {
	v := newView(w, s)
	var found []Rotation
	for _, role := range caRoles {
		if v.rotating(role) {
			found = append(found, v.rotation(role))
		}
	}
	return found
}

func (v view) rotation(role string) Rotation {
	cas, live := v.cas(role), v.live(role)
	newest := live[len(live)-1]
	if len(live) == 1 {
		other := cas[slices.IndexFunc(cas, func(ca facts.CA) bool { return ca.Retired && v.stillTrusted(ca) })]
		return Rotation{Role: role, From: other.Generation, To: newest.Generation, Phase: "drop", Back: other.Generation > newest.Generation}
	}
	r := Rotation{Role: role, From: live[0].Generation, To: newest.Generation, Phase: "drop", Hold: v.hold(role)}
	signer, _ := v.signer(role)
	switch {
	case !v.trustedByAll(newest):
		r.Phase = "trust"
	case signer.Generation != newest.Generation || v.needed(live[0]):
		r.Phase = "leaves"
	}
	if r.Phase == "leaves" && (r.Hold == HoldTrust || !newest.Signing || v.rejected(role) != "") || r.Phase == "drop" {
		r.Waits = v.waits(role)
	}
	return r
}

// Authority is how one generation of a CA stands.
type Authority struct {
	facts.CA
	Signs     bool     // it signs leaves now
	TrustedBy []string // members that accept what it signs
	Leaves    []string // members with a leaf of it
	Clients   []string // names of clients whose newest certificate is of it
}

// Authorities are all generations that are not gone: not retired, or still trusted by a member; by role, oldest first.
func Authorities(w Want, s facts.Snapshot) []Authority {
	v := newView(w, s)
	var found []Authority
	for _, role := range caRoles {
		signer, _ := v.signer(role)
		for _, ca := range v.cas(role) {
			a := Authority{CA: ca, Signs: ca.SHA256 == signer.SHA256, Clients: v.hanging(ca)}
			v.Each(func(m inventory.Member, host facts.Host) {
				if len(v.command(host)) > 0 && v.trusts(host, ca) {
					a.TrustedBy = append(a.TrustedBy, m.Name)
				}
				if leaf, ok := host.Leaves[leafOf[role]]; ok && leaf.Issuer == ca.SHA256 {
					a.Leaves = append(a.Leaves, m.Name)
				}
			})
			if !ca.Retired || len(a.Leaves) > 0 || v.stillTrusted(ca) {
				found = append(found, a)
			}
		}
	}
	return found
}

// ClientSigner is the CA that is to sign a client's certificate now: the newest that every member is known to trust, since it was seen to, or
// since a member has a certificate of it already (law 5). While hosts are dark that may be none: then it is the oldest that is not retired,
// which every member trusts. False: no CA can sign now.
func ClientSigner(w Want, s facts.Snapshot) (facts.CA, bool) {
	v := newView(w, s)
	var oldest facts.CA
	for _, ca := range slices.Backward(v.live("client")) {
		if !ca.Signing || v.over(ca) {
			continue
		}
		if v.trustedByAll(ca) || v.needed(ca) {
			return ca, true
		}
		oldest = ca
	}
	return oldest, len(v.Dark()) > 0 && oldest.Generation > 0
}
