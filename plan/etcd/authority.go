package etcd

import (
	"bytes"
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// caRoles are what CAs are for.
var caRoles = []string{"peer", "client"}

// leafOf is the leaf of a member that the CA of a role signs: peers trust the peer CA alone, so nothing that the client CA signs can join
// as a peer.
var leafOf = map[string]string{"peer": "peer", "client": "server"}

// trustFlag is the flag that names the bundle of a role.
var trustFlag = map[string]string{"peer": "peer-trusted-ca-file", "client": "trusted-ca-file"}

// cas are the CAs of a role, oldest first; retired ones too.
func (v view) cas(role string) []facts.CA {
	var cas []facts.CA
	for _, ca := range v.seen.Operator.CAs {
		if ca.Role == role {
			cas = append(cas, ca)
		}
	}
	slices.SortFunc(cas, func(a, b facts.CA) int { return cmp.Compare(a.Generation, b.Generation) })
	return cas
}

// live are those that are not retired.
func (v view) live(role string) []facts.CA {
	return slices.DeleteFunc(v.cas(role), func(ca facts.CA) bool { return ca.Retired })
}

// newest is the highest generation of a role that is not retired.
func (v view) newest(role string) int {
	live := v.live(role)
	if len(live) == 0 {
		return 0
	}
	return live[len(live)-1].Generation
}

// bundled are the CAs that a member is to trust: those that are not retired, and those that a leaf still needs. One
// that nobody trusts any more is not trusted again for a leaf of old that has turned up. While a host is dark, which
// may need it, a member goes on to trust what it trusts.
func (v view) bundled(role string, host facts.Host) []facts.CA {
	return slices.DeleteFunc(v.cas(role), func(ca facts.CA) bool {
		stays := v.needed(ca) && v.stillTrusted(ca) || len(v.Dark()) > 0 && v.relies(host, ca)
		return ca.Retired && !stays
	})
}

// has says whether a leaf of a CA lies on a host.
func has(host facts.Host, ca facts.CA) bool {
	leaf, ok := host.Leaves[leafOf[ca.Role]]
	return ok && leaf.Issuer == ca.SHA256
}

// needed says whether a leaf of a CA was seen on a host.
func (v view) needed(ca facts.CA) bool {
	return v.Known(func(_ inventory.Member, host facts.Host) bool { return has(host, ca) })
}

// trust is the bundle of a role as a file of a host. As long as a CA in it is yet to be made, it goes by the numbers of
// its generations.
func (v view) trust(role string, host facts.Host) units.File {
	var bundle []byte
	var numbers []string
	cas := v.bundled(role, host)
	for _, ca := range cas {
		if !bytes.Contains(bundle, ca.Trusted()) { // intermediates may share their root
			bundle = append(bundle, ca.Trusted()...)
		}
		numbers = append(numbers, fmt.Sprint(ca.Generation))
	}
	file := units.Trust(ConfigDir(v.want.Cluster), role, bundle)
	switch {
	case len(cas) == 0:
		file.Path = path.Join(ConfigDir(v.want.Cluster), "trust-"+role+"-NEW-1.pem")
	case bytes.Contains(bundle, []byte(plan.Placeholder)):
		file.Path = path.Join(ConfigDir(v.want.Cluster), "trust-"+role+"-NEW-"+strings.Join(numbers, "+")+".pem")
	}
	return file
}

// command is what a member runs with; where it does not run, what its unit would start it with; nil: neither is there.
func (v view) command(host facts.Host) []string {
	if host.Process != nil {
		return host.Process.Args
	}
	return units.Command(host.Files[UnitPath(v.want.Cluster)].Content)
}

// trusts says whether a member accepts what a CA signs: the bundle that it was started with has the CA in it. A bundle is read once, and
// its name holds its digest, so one that was changed since says nothing.
func (v view) trusts(host facts.Host, ca facts.CA) bool {
	command := v.command(host)
	file := units.Flag(command, trustFlag[ca.Role])
	if file == "" {
		return len(command) > 0 // without TLS it accepts everybody
	}
	content := host.Files[file].Content
	return v.asWritten(file, ca.Role, content) && bytes.Contains(content, ca.Trusted())
}

// asWritten says whether a bundle is one of clusterup's, and holds what it was written with. Names for CAs that are yet to be made count
// in what is simulated, and on no host.
func (v view) asWritten(file, role string, content []byte) bool {
	return units.Trust(path.Dir(file), role, content).Path == file ||
		v.seen.Simulated && strings.Contains(path.Base(file), "trust-"+role+"-NEW-")
}

// trustedByAll is what law 5 asks of a CA before it signs.
func (v view) trustedByAll(ca facts.CA) bool {
	return v.All(func(_ inventory.Member, host facts.Host) bool { return v.trusts(host, ca) })
}

// signer is the CA that signs leaves of a role now: the newest that every member trusts already. Before there is a cluster it is the
// newest; when all that members trust have ended, it is the newest too, since nothing that those would sign is of any use. There may be
// none for the moment.
func (v view) signer(role string) (facts.CA, bool) {
	live := v.live(role)
	can := slices.DeleteFunc(slices.Clone(live), func(ca facts.CA) bool { return !ca.Signing })
	if len(can) == 0 {
		return facts.CA{}, false
	}
	newest, oldest := can[len(can)-1], live[0]
	if !v.formed && !v.started {
		return newest, true
	}
	for _, ca := range slices.Backward(can) {
		held := ca.Generation != oldest.Generation && v.hold(role) == HoldTrust && !v.over(oldest)
		if !held && !v.over(ca) && v.trustedByAll(ca) {
			return ca, true
		}
	}
	if v.ended(role) {
		return newest, true
	}
	return oldest, oldest.Signing
}

// canSign says whether any CA of a role can.
func (v view) canSign(role string) bool {
	return slices.ContainsFunc(v.live(role), func(ca facts.CA) bool { return ca.Signing })
}

// over says whether a CA has ended.
func (v view) over(ca facts.CA) bool { return !v.seen.Taken.Before(ca.NotAfter) }

// ended says that every CA of a role has ended that all members trust. Where no member asks for certificates, none can have.
func (v view) ended(role string) bool {
	live := v.live(role)
	asks := v.Known(func(_ inventory.Member, host facts.Host) bool {
		return units.Flag(v.command(host), trustFlag[role]) != ""
	})
	good := slices.ContainsFunc(live, func(ca facts.CA) bool { return !v.over(ca) && v.trustedByAll(ca) })
	return asks && len(live) > 0 && !good && v.over(live[0])
}

// due says why the next generation of a role's CA has to be made; "" when there is no need. A CA is rotated before a leaf that it signs
// would have to end early, and in any case while no leaf is near its end.
func (v view) due(role string) string {
	live := v.live(role)
	if len(live) == 0 {
		return ""
	}
	ca := live[len(live)-1]
	pki := v.want.Cluster.PKI
	early := max(pki.RenewBefore, min(pki.Lifetime, ca.NotAfter.Sub(ca.NotBefore)/2))
	if ca.Given || ca.NotAfter.Sub(v.seen.Taken) >= early {
		return ""
	}
	verb := "ends"
	if v.over(ca) {
		verb = "ended"
	}
	return fmt.Sprintf("%s %s on %s", caName(ca), verb, ca.NotAfter.Format(time.DateOnly))
}

func caName(ca facts.CA) string { return fmt.Sprintf("%s CA %d", ca.Role, ca.Generation) }

// numbered is "peer CA 1 and 2".
func numbered(role string, cas []facts.CA) string {
	var numbers []string
	for _, ca := range cas {
		numbers = append(numbers, fmt.Sprint(ca.Generation))
	}
	return role + " CA " + strings.Join(numbers, " and ")
}
