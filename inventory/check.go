package inventory

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// checkClusters holds the blocks of a file against each other.
func (p *problems) checkClusters(clusters []clusterRead) {
	for i, c := range clusters {
		for _, other := range clusters[:i] {
			if other.Name == c.Name {
				p.errorAt(c.name, "cluster given twice", "There is already a cluster %q at %s.", c.Name, at(other.name))
				continue
			}
			p.checkSharedHosts(other, c)
			p.checkSharedNodes(other, c)
		}
		p.checkSize(c)
		p.checkMembers(c)
		p.checkNodes(c)
	}
}

// checkSize counts the members that are to stay.
func (p *problems) checkSize(c clusterRead) {
	switch n := len(c.Present()); {
	case c.unsure:
	case n == 0 && len(c.members) > 0:
		p.errorAt(c.name, "no member is present",
			`All members of the cluster %q are absent, and a cluster keeps at least one; "clusterup destroy" ends a whole cluster.`,
			c.Name)
	case n == 0:
		p.errorAt(c.name, "no members", `The cluster %q needs at least one member "NAME" { address = "…" } block.`, c.Name)
	case n%2 == 0:
		p.warnAt(c.name, "even number of members",
			"A cluster of %d survives the loss of %d, just as one of %d does, and one more host can fail; 1, 3 or 5 members are usual.", n, (n-1)/2, n-1)
	case n > 7:
		p.warnAt(c.name, "many members",
			"Every write goes to a majority of the %d members; more than 7 only make writes slower.", n)
	}
}

// checkMembers looks for what two members of one cluster must not share. One that is absent has its name and its host
// until its block goes, so it counts like any other.
func (p *problems) checkMembers(c clusterRead) {
	for i, m := range c.members {
		if len(c.members) > 1 && loopback(m.Address) {
			p.errorAt(m.where("address"), "loopback address", "%s: the other members cannot reach %s.", m.Name, m.Address)
			continue
		}
		for _, other := range c.members[:i] {
			p.checkPair(other, m)
		}
	}
}

func (p *problems) checkPair(a, b memberRead) {
	if a.Name == b.Name {
		p.errorAt(b.where("name", ""), "member given twice", "There is already a member %q at %s.%s", b.Name, at(a.block),
			leaving(a.host(), b.host()))
	}
	for _, f := range []struct {
		attr string
		a, b string
	}{
		{"address", a.Address, b.Address},
		{"peer_address", a.PeerAddress, b.PeerAddress},
		{"client_address", a.ClientAddress, b.ClientAddress},
		{"ssh_address", sshKey(a.SSH, a.SSHAddress), sshKey(b.SSH, b.SSHAddress)},
	} {
		if f.a == f.b && f.b != "" {
			p.errorAt(b.where(f.attr, "address"), "address given twice",
				"%s: the member %s at %s already has this %s; each member needs a host of its own.%s", b.Name, a.Name,
				at(a.block), strings.ReplaceAll(f.attr, "_", " "), leaving(a.host(), b.host()))
			return
		}
	}
}

// host is where a member or a node is.
type host struct {
	name, address, sshAddress string
	ssh                       SSH
	absent                    bool
}

func (m memberRead) host() host { return host{m.Name, m.Address, m.SSHAddress, m.SSH, m.Absent} }

// leaving says how one of two blocks makes room for the other.
func leaving(a, b host) string {
	if a.absent == b.absent {
		return ""
	}
	if b.absent {
		a = b
	}
	return fmt.Sprintf(" Until its block is gone the absent %s keeps what it has: apply without the other one first.", a.name)
}

func loopback(address string) bool {
	ip, err := netip.ParseAddr(address)
	return err == nil && ip.IsLoopback() || address == "localhost" || strings.HasSuffix(address, ".localhost")
}

// sshKey is equal for two hosts when SSH leads to the same one: the same address and port, by the same way.
func sshKey(s SSH, address string) string {
	if address == "" {
		return ""
	}
	return fmt.Sprintf("%s|%d|%s", address, s.Port, jumpKey(s))
}

func jumpKey(s SSH) string {
	var b strings.Builder
	for _, j := range s.Jump {
		fmt.Fprintf(&b, "%s|%d,", j.Address, j.Port)
	}
	return b.String()
}

func sameHost(a, b host) bool {
	if a.address == "" || b.address == "" {
		return false
	}
	return sshKey(a.ssh, a.sshAddress) == sshKey(b.ssh, b.sshAddress) ||
		a.address == b.address && jumpKey(a.ssh) == jumpKey(b.ssh)
}

// checkSharedHosts looks for what two clusters must not share on one host. The first host says enough.
func (p *problems) checkSharedHosts(a, b clusterRead) {
	for _, m := range b.members {
		for _, other := range a.members {
			if sameHost(other.host(), m.host()) && p.checkSharedHost(a, other, b, m) {
				return
			}
		}
	}
}

func (p *problems) checkSharedHost(a clusterRead, x memberRead, b clusterRead, y memberRead) bool {
	var shared, remedies []string
	for _, port := range b.ports() {
		if slices.ContainsFunc(a.ports(), func(other namedPort) bool { return other.port == port.port }) {
			shared, remedies = append(shared, fmt.Sprintf("port %d", port.port)), append(remedies, port.name)
		}
	}
	if a.UnitName == b.UnitName {
		shared, remedies = append(shared, "the unit "+a.UnitName), append(remedies, "unit_name")
	}
	if dir := sharedDir(x, y); dir != "" {
		shared, remedies = append(shared, "the directory "+dir), append(remedies, "data_dir or wal_dir")
	}
	if len(shared) == 0 && a.User == b.User {
		p.warnAt(y.where("address"), "user shared by two clusters",
			"%s of %s and %s of %s (%s) are one host, and both clusters run as the user %s: either can read the other's keys and data.",
			y.Name, b.Name, x.Name, a.Name, at(x.block), b.User)
		return true
	}
	if len(shared) == 0 {
		return false
	}
	p.errorAt(y.where("address"), "host shared by two clusters",
		"%s of %s and %s of %s (%s) are one host, and both clusters use %s; give one of them another %s.",
		y.Name, b.Name, x.Name, a.Name, at(x.block), strings.Join(shared, ", "), strings.Join(remedies, ", "))
	return true
}

// sharedDir returns the first directory of y that lies in one of x, or the other way round.
func sharedDir(x, y memberRead) string {
	for _, dir := range []string{y.DataDir, y.WALDir} {
		for _, old := range []string{x.DataDir, x.WALDir} {
			if dir != "" && old != "" && (within(dir, old) || within(old, dir)) {
				return dir
			}
		}
	}
	return ""
}
