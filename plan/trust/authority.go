package trust

import (
	"bytes"
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// Roles are the roles of CAs: each has CAs of its own.
var Roles = []string{"peer", "client"}

// LeafOf is the leaf of a member that the CA of a role signs: peers trust the peer CA alone, so nothing that the client
// CA signs can join as a peer.
var LeafOf = map[string]string{"peer": "peer", "client": "server"}

// BundleFlag is etcd's flag for the trust bundle of a role.
var BundleFlag = map[string]string{"peer": "peer-trusted-ca-file", "client": "trusted-ca-file"}

// CAs are the CAs of a role, oldest first; retired ones too.
func (s State) CAs(role string) []facts.CA {
	cas := make([]facts.CA, 0, len(s.Seen.Operator.CAs))
	for _, ca := range s.Seen.Operator.CAs {
		if ca.Role == role {
			cas = append(cas, ca)
		}
	}
	slices.SortFunc(cas, func(a, b facts.CA) int { return cmp.Compare(a.Generation, b.Generation) })
	return cas
}

// Live are the CAs of a role that are not retired, oldest first.
func (s State) Live(role string) []facts.CA {
	return slices.DeleteFunc(s.CAs(role), func(ca facts.CA) bool { return ca.Retired })
}

// newest is the highest generation of a role that is not retired; 0: there is none.
func (s State) newest(role string) int {
	live := s.Live(role)
	if len(live) == 0 {
		return 0
	}
	return live[len(live)-1].Generation
}

// Bundled are the CAs that a member is to trust: those that are not retired, and those that a leaf still needs. A
// retired CA that no member trusts stays out, even if a host comes back with an old leaf of it. While a host is dark, a
// member keeps the retired CAs that it trusts, since that host may need them.
func (s State) Bundled(role string, host facts.Host) []facts.CA {
	stays := func(ca facts.CA) bool {
		return s.needed(ca) && s.stillTrusted(ca) || len(s.Dark()) > 0 && s.relies(host, ca)
	}
	return slices.DeleteFunc(s.CAs(role), func(ca facts.CA) bool { return ca.Retired && !stays(ca) })
}

// has says whether a leaf of a CA lies on a host.
func has(host facts.Host, ca facts.CA) bool {
	leaf, ok := host.Leaves[LeafOf[ca.Role]]
	return ok && leaf.Issuer == ca.SHA256
}

// needed says whether a leaf of a CA was seen on a host. One that was revoked is not to be accepted, and needs nothing.
func (s State) needed(ca facts.CA) bool {
	role := LeafOf[ca.Role]
	return s.Known(func(_ string, host facts.Host) bool {
		return has(host, ca) && !s.revokedLeaf(role, host.Leaves[role])
	})
}

// Bundle is the trust bundle of a role as a file of a host. While a CA in it is yet to be made, its name has the
// generations in place of a digest: trust-peer-NEW-1+2.pem.
func (s State) Bundle(role string, host facts.Host) units.File {
	cas := s.Bundled(role, host)
	bundle := PEM(cas)
	var numbers []string
	for _, ca := range cas {
		numbers = append(numbers, fmt.Sprint(ca.Generation))
	}
	file := units.Trust(s.ConfigDir, role, bundle)
	switch {
	case len(cas) == 0:
		file.Path = path.Join(s.ConfigDir, "trust-"+role+"-NEW-1.pem")
	case bytes.Contains(bundle, []byte(plan.Placeholder)):
		file.Path = path.Join(s.ConfigDir, "trust-"+role+"-NEW-"+strings.Join(numbers, "+")+".pem")
	}
	return file
}

// Command is what a member runs with; where it does not run, what its unit would start it with; nil: neither is there.
func (s State) Command(host facts.Host) []string {
	if host.Process != nil {
		return host.Process.Args
	}
	return s.Starts(host)
}

// Starts is the command line that the unit file of a host has.
func (s State) Starts(host facts.Host) []string {
	return s.Units.Command(host.Files[s.UnitPath].Content)
}

// Trusts says whether a member accepts what a CA signs: the bundle that it was started with has the CA in it. etcd
// reads a bundle only once, and its name holds its digest, so a bundle that was changed since does not count.
func (s State) Trusts(host facts.Host, ca facts.CA) bool {
	command := s.Command(host)
	file := units.Flag(command, BundleFlag[ca.Role])
	if file == "" {
		return len(command) > 0 // without TLS it accepts everybody
	}
	content := host.Files[file].Content
	return s.Written(file, ca.Role, content) && bytes.Contains(content, ca.Trusted())
}

// Written says whether a file is a trust bundle of clusterup's with the content that it was written with. Names for CAs
// that are yet to be made count only in what is simulated.
func (s State) Written(file, role string, content []byte) bool {
	return units.Trust(path.Dir(file), role, content).Path == file ||
		s.Seen.Simulated && strings.Contains(path.Base(file), "trust-"+role+"-NEW-")
}

// trustedByAll is what law 5 asks of a CA before it signs.
func (s State) trustedByAll(ca facts.CA) bool {
	return s.All(func(_ string, host facts.Host) bool { return s.Trusts(host, ca) })
}

// Signer is the CA that signs leaves of a role now: the newest that every member trusts already and that no pause holds
// back, else the oldest. Before there is a cluster it is the newest. It is the newest, too, when all that members trust
// have ended, since their signatures are of no use. False: none can sign for the moment.
func (s State) Signer(role string) (facts.CA, bool) {
	live := s.Live(role)
	can := slices.DeleteFunc(slices.Clone(live), func(ca facts.CA) bool { return !ca.Signing })
	if len(can) == 0 {
		return facts.CA{}, false
	}
	newest, oldest := can[len(can)-1], live[0]
	if !s.Formed && !s.Started {
		return newest, true
	}
	for _, ca := range slices.Backward(can) {
		held := ca.Generation != oldest.Generation && s.hold(role) == HoldTrust && !s.over(oldest)
		if !held && !s.over(ca) && s.trustedByAll(ca) {
			return ca, true
		}
	}
	if s.Ended(role) {
		return newest, true
	}
	return oldest, oldest.Signing
}

// canSign says whether any CA of a role can.
func (s State) canSign(role string) bool {
	return slices.ContainsFunc(s.Live(role), func(ca facts.CA) bool { return ca.Signing })
}

// over says whether a CA has ended.
func (s State) over(ca facts.CA) bool { return !s.Seen.Taken.Before(ca.NotAfter) }

// Ended says that every CA of a role that all members trust has ended. It is false where no member asks for
// certificates.
func (s State) Ended(role string) bool {
	live := s.Live(role)
	if len(live) == 0 || !s.over(live[0]) {
		return false
	}
	asks := s.Known(func(_ string, host facts.Host) bool {
		return units.Flag(s.Command(host), BundleFlag[role]) != ""
	})
	good := slices.ContainsFunc(live, func(ca facts.CA) bool { return !s.over(ca) && s.trustedByAll(ca) })
	return asks && !good
}

// LetsIn says whether a member that runs lets any client in: it asks for no certificate, or a CA that it was started
// with has not ended.
func (s State) LetsIn(host facts.Host) bool {
	return units.Flag(s.Command(host), BundleFlag["client"]) == "" ||
		slices.ContainsFunc(s.CAs("client"), func(ca facts.CA) bool { return !s.over(ca) && s.Trusts(host, ca) })
}

// due says why the next generation of a role's CA has to be made; "": there is no need. A CA is rotated when less than
// Lifetime is left of it, since new leaves would have to end early. A CA with a short life is rotated after half of it.
// In any case it is rotated when less than RenewBefore is left.
func (s State) due(role string) string {
	live := s.Live(role)
	if len(live) == 0 {
		return ""
	}
	ca := live[len(live)-1]
	early := max(s.RenewBefore, min(s.Lifetime, ca.NotAfter.Sub(ca.NotBefore)/2))
	if ca.Given || ca.NotAfter.Sub(s.Seen.Taken) >= early {
		return ""
	}
	verb := "ends"
	if s.over(ca) {
		verb = "ended"
	}
	return fmt.Sprintf("%s %s on %s", caName(ca), verb, ca.NotAfter.Format(time.DateOnly))
}

func caName(ca facts.CA) string { return fmt.Sprintf("%s CA %d", ca.Role, ca.Generation) }

// Numbered is "peer CA 1 and 2".
func Numbered(role string, cas []facts.CA) string {
	var numbers []string
	for _, ca := range cas {
		numbers = append(numbers, fmt.Sprint(ca.Generation))
	}
	return role + " CA " + strings.Join(numbers, " and ")
}

// Changes says which CAs of a role a member comes to trust or drops: "to trust peer CA 2", "to drop peer CA 1".
func (s State) Changes(role string, host facts.Host) []string {
	var changes []string
	bundled := s.Bundled(role, host)
	for _, ca := range s.CAs(role) {
		trusted := s.Trusts(host, ca)
		will := slices.ContainsFunc(bundled, func(other facts.CA) bool { return bytes.Equal(other.Trusted(), ca.Trusted()) })
		switch {
		case will && !trusted:
			changes = append(changes, "to trust "+caName(ca))
		case trusted && !will:
			changes = append(changes, "to drop "+caName(ca))
		}
	}
	return changes
}
