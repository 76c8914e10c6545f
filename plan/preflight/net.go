package preflight

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts/probe"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

// filters are services that write packet filter rules.
var filters = []string{"ufw", "firewalld"}

// reach says what a host could connect to. Peers must reach each other; clusterup itself reaches a member's API from
// the member's own host. Other hosts' client ports are for clients, which may well run elsewhere.
func (p about) reach(m inventory.Member, probe probe.Probe) {
	var reached []string
	for _, r := range probe.Reach {
		needed := r.To == m.Name && r.Door.Name == "client" || r.To != m.Name && r.Door.Name == "peer"
		what := fmt.Sprintf("%s at %s (%s)", r.To, r.Door.Address, r.Door.Name)
		switch {
		case r.OK():
			if r.To != m.Name {
				reached = append(reached, r.To)
			}
		case r.Barred:
			p.refuse(checkReach,
				"set AllowTcpForwarding to yes or local in the host's sshd_config: etcd is reached through it",
				"its sshd forwards no connections")
			return
		// once, and by the host that is concerned
		case r.Skipped != "" && r.Door.Shut == "" && r.To == m.Name && r.Door.Name == "peer":
			p.warn(checkReach, "run preflight again when this is mended; whether others reach this host is not known",
				"not checked: %s", strings.TrimPrefix(r.Skipped, m.Name+": "))
		case r.Skipped != "" || p.nameless(r.To, r.Door):
		case needed:
			p.refuse(checkReach, p.letIn(m, r), "does not reach %s: %s", what, cause(m, r))
		default:
			p.warn(checkReach, p.letIn(m, r), "does not reach %s: %s", what, cause(m, r))
		}
	}
	slices.Sort(reached)
	if reached = slices.Compact(reached); len(reached) > 0 && !p.has(checkReach) {
		p.fine(checkReach, "gets to %s", strings.Join(reached, ", "))
	}
}

// cause is why a connection failed, without what the finding says already.
func cause(m inventory.Member, r probe.Reach) string {
	text := strings.TrimPrefix(r.Error, m.Name+": ")
	return strings.TrimPrefix(text, "connect to "+r.Door.Address+": ")
}

// has says whether there is a finding that is not fine.
func (p about) has(check string) bool {
	return slices.ContainsFunc(p.findings,
		func(f Finding) bool { return f.Host == p.name && f.Check == check && f.Level != LevelFine })
}

// letIn is what to do about a connection that failed.
func (p about) letIn(from inventory.Member, r probe.Reach) string {
	if r.Clipped {
		host, _ := splitPort(r.Door.Address)
		return fmt.Sprintf(
			"on %s, ping -M do -s 1472 %s tells whether full packets get through: mend the MTU of interfaces and tunnels in between, "+
				"and let ICMP through", from.Name, strings.Trim(host, "[]"))
	}
	if r.To == from.Name {
		return "check the address in the inventory, and the packet filter on " + from.Name
	}
	_, port := splitPort(r.Door.Address)
	return fmt.Sprintf("let TCP from all members to port %s through: %s, and whatever filters in between", port,
		p.filterOf(r.To))
}

// filterOf is the command that opens a member's ports on its host, as far as the packet filter there is known.
func (p about) filterOf(name string) string {
	c := p.want.Cluster
	services, show := p.probes[name].Services, "nft list ruleset"
	for _, f := range p.probes[name].Firewall {
		if f.Tool != "nft" {
			show = f.Tool + "-save"
		}
	}
	switch {
	case slices.Contains(services, "firewalld"):
		return fmt.Sprintf("on %s, firewall-cmd --permanent --add-port=%d/tcp --add-port=%d/tcp && firewall-cmd --reload",
			name, c.PeerPort, c.ClientPort)
	case slices.Contains(services, "ufw"):
		return fmt.Sprintf("on %s, ufw allow %d,%d/tcp", name, c.PeerPort, c.ClientPort)
	}
	return fmt.Sprintf("the packet filter on %s (%s)", name, show)
}

func splitPort(address string) (host, port string) {
	i := strings.LastIndex(address, ":")
	return address[:max(i, 0)], address[i+1:]
}

// firewall says what rules were seen. What counts is whether connections get through; rules matter where they do not.
func (p about) firewall(probed probe.Probe) {
	var seen []string
	for _, service := range probed.Services {
		if slices.Contains(filters, service) {
			seen = append(seen, service)
		}
	}
	for _, f := range probed.Firewall {
		if f.Rules == 0 && !f.Drop {
			continue
		}
		text := fmt.Sprintf("%s: %s, %d of them for the member's ports", f.Tool, plan.Count(f.Rules, "rule"), f.Named)
		if f.Drop {
			text += ", the rest is dropped"
		}
		seen = append(seen, text)
	}
	found := strings.Join(seen, "; ")
	if found == "" {
		p.fine(checkFirewall, "no rules seen")
		return
	}
	for name, other := range p.probes {
		if name != p.name && slices.ContainsFunc(other.Reach,
			func(r probe.Reach) bool { return r.To == p.name && r.Error != "" }) {
			p.warn(checkFirewall, "see whether they keep other hosts out: "+p.filterOf(p.name),
				"%s; and not every host gets in", found)
			return
		}
	}
	p.fine(checkFirewall, "%s", found)
}

// addresses says whether a member's addresses are on its host: etcd binds to them.
func (p about) addresses(m inventory.Member, probed probe.Probe) {
	if probed.Addresses == nil {
		p.warn(checkAddress, "install the package that holds ip (iproute2)", "not checked: the command ip is missing")
		return
	}
	var own []string
	for _, address := range ownAddresses(m) {
		meant := []string{address}
		isName := false
		if _, err := netip.ParseAddr(address); err != nil {
			isName, meant = true, probed.Resolved[address]
		}
		i := slices.IndexFunc(probed.Addresses, func(a probe.HostAddress) bool {
			return slices.ContainsFunc(meant, func(ip string) bool { return sameIP(ip, a.IP) })
		})
		switch {
		case isName && len(meant) == 0:
			p.refuse(checkAddress, "put the name into DNS, or use an IP address",
				"the host does not resolve the name %s", address)
		case isName && !slices.ContainsFunc(meant, isIPv4):
			p.refuse(checkAddress, "use an IP address in the inventory, or give the name an address of IPv4",
				"the name %s is %s on the host: a member whose address is a name listens on IPv4 alone", address,
				strings.Join(meant, ", "))
		case i < 0 && isName:
			p.warn(checkAddress, "fine behind a load balancer or NAT; else mend the name",
				"%s is %s, which the host does not have",
				address, strings.Join(meant, ", "))
		case i < 0:
			p.refuse(checkAddress, "use one of the host's addresses in the inventory: "+addressList(probed),
				"the host does not have the address %s", address)
		case probed.Addresses[i].Duplicate:
			p.refuse(checkAddress, "give one of the two another address", "another machine on the network uses %s too",
				address)
		default:
			own = append(own, address)
		}
	}
	if !p.has(checkAddress) {
		p.fine(checkAddress, "%s", strings.Join(own, ", "))
	}
}

func isIPv4(text string) bool {
	ip, err := netip.ParseAddr(text)
	return err == nil && ip.Unmap().Is4()
}

// nameless says that a member's address is a name that its host resolves to no IPv4 address. The check of addresses
// says so already.
func (p about) nameless(name string, door probe.Door) bool {
	host, _ := splitPort(door.Address)
	meant, isName := p.probes[name].Resolved[host]
	return isName && !slices.ContainsFunc(meant, isIPv4)
}

// source refuses a host that peers saw come from an address outside the names of its certificate: etcd refuses such
// connections.
func (p about) source(m inventory.Member, probe probe.Probe) {
	if !p.want.Cluster.TLS.Peers {
		return
	}
	names := etcd.NamesOf(m)
	for _, meant := range probe.Resolved { // etcd looks names up as well
		names = append(names, meant...)
	}
	from, known := "", false
	var to []string
	for _, r := range probe.Reach {
		known = known || r.From != ""
		if r.To != m.Name && r.Door.Name == "peer" && r.From != "" && !slices.Contains(names, r.From) {
			from, to = r.From, append(to, r.To)
		}
	}
	switch {
	case !known:
		p.refused(checkAddress, p.checks.Hosts[p.name].Source)
	case len(to) > 0:
		p.refuse(checkAddress, etcd.NamesRemedy(m),
			"%s see it come from %s, which is not among the names of its certificate: they would refuse it",
			plan.Enumerate(to), from)
	}
}

// addressList are a host's addresses that may be of use.
func addressList(probe probe.Probe) string {
	var list []string
	for _, a := range probe.Addresses {
		if ip, err := netip.ParseAddr(a.IP); err == nil && ip.IsGlobalUnicast() {
			list = append(list, a.IP)
		}
	}
	return cmp.Or(strings.Join(list, ", "), "it has none")
}

// roundTrip says how far the others are.
func (p about) roundTrip(m inventory.Member, probe probe.Probe) {
	var times []string
	for _, other := range p.want.Cluster.Present() {
		if rtt, ok := p.rtt(probe, m, other); ok && other.Name != m.Name {
			times = append(times, other.Name+" "+milliseconds(rtt))
		}
	}
	if len(times) > 0 {
		p.fine(checkRoundTrip, "%s", strings.Join(times, ", "))
	}
}

// rtt is the mean round-trip time between two hosts: as ping says, else how much longer a connection to the other takes
// than one to oneself.
func (p about) rtt(probed probe.Probe, from, to inventory.Member) (time.Duration, bool) {
	if ping, ok := probed.Pings[to.PeerAddress]; ok {
		return ping, true
	}
	find := func(name string) int {
		return slices.IndexFunc(probed.Reach,
			func(r probe.Reach) bool { return r.To == name && r.Door.Name == "peer" && r.OK() })
	}
	near, far := find(from.Name), find(to.Name)
	if near < 0 || far < 0 {
		return 0, false
	}
	return max(0, probed.Reach[far].Took-probed.Reach[near].Took), true
}
