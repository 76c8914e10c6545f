package trust

import (
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
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
func (s State) Rotations() []Rotation {
	var found []Rotation
	for _, role := range Roles {
		if s.Rotating(role) {
			found = append(found, s.rotation(role))
		}
	}
	return found
}

func (s State) rotation(role string) Rotation {
	cas, live := s.CAs(role), s.Live(role)
	newest := live[len(live)-1]
	if len(live) == 1 {
		other := cas[slices.IndexFunc(cas, func(ca facts.CA) bool { return ca.Retired && s.stillTrusted(ca) })]
		return Rotation{
			Role: role, From: other.Generation, To: newest.Generation, Phase: "drop",
			Back: other.Generation > newest.Generation,
		}
	}
	r := Rotation{Role: role, From: live[0].Generation, To: newest.Generation, Phase: "drop", Hold: s.hold(role)}
	signer, _ := s.Signer(role)
	switch {
	case !s.trustedByAll(newest):
		r.Phase = "trust"
	case signer.Generation != newest.Generation || s.needed(live[0]):
		r.Phase = "leaves"
	}
	if r.Phase == "leaves" && (r.Hold == HoldTrust || !newest.Signing || s.rejected(role) != "") || r.Phase == "drop" {
		r.Waits = s.waits(role)
	}
	return r
}

// Authority is one generation of a CA, and who relies on it.
type Authority struct {
	facts.CA
	Signs     bool     // it signs leaves now
	TrustedBy []string // members that accept what it signs
	Leaves    []string // members with a leaf of it
	Clients   []string // names of clients whose newest certificate is of it
}

// Authorities are all generations that are not retired, or that a member still trusts or has a leaf of; by role, oldest
// first.
func (s State) Authorities() []Authority {
	var found []Authority
	for _, role := range Roles {
		signer, _ := s.Signer(role)
		for _, ca := range s.CAs(role) {
			a := Authority{CA: ca, Signs: ca.SHA256 == signer.SHA256, Clients: s.hanging(ca)}
			a.TrustedBy = s.Which(func(_ string, host facts.Host) bool {
				return len(s.Command(host)) > 0 && s.Trusts(host, ca)
			})
			a.Leaves = s.Which(func(_ string, host facts.Host) bool {
				leaf, ok := host.Leaves[LeafOf[role]]
				return ok && leaf.Issuer == ca.SHA256
			})
			if !ca.Retired || len(a.Leaves) > 0 || s.stillTrusted(ca) {
				found = append(found, a)
			}
		}
	}
	return found
}

// Waits are the rotations, under way or about to begin, that need dark hosts.
func (s State) Waits() []plan.Wait {
	var found []plan.Wait
	wait := func(what, why string) { found = append(found, plan.Wait{What: what, For: s.Dark(), Why: why}) }
	for _, role := range Roles {
		replaced := s.Seen.Operator.Replaced[role] != "" && !s.goesBack(role)
		switch {
		case s.Rotating(role):
			r := s.rotation(role)
			wait(fmt.Sprintf("the rotation of the %s CA, %d → %d, in its phase %s as far as hosts answer,",
				role, r.From, r.To, r.Phase),
				"a CA signs when every member was seen to trust it, and is dropped when none was seen to need it")
		case replaced, len(s.begin(role)) > 0:
			wait("the next "+role+" CA", "it is made when all members are seen to run what is wanted")
		}
	}
	return found
}
