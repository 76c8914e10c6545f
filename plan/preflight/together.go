package preflight

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/clusterup/clusterup/facts/probe"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

// together checks what concerns the hosts with each other.
func (p about) together() {
	var reached []inventory.Member
	for _, m := range p.want.Cluster.Present() {
		if host := p.seen.Hosts[m.Name]; host.Unreachable == "" && host.Name != "" {
			reached = append(reached, m)
		}
	}
	p.refused(checkData, p.checks.Versions)
	if len(reached) < 2 {
		return
	}
	p.oneArchitecture(reached)
	p.clocks(reached)
	p.machines(reached)
	p.heartbeat(reached)
	for i, m := range reached {
		for _, other := range slices.Concat(reached[:i], reached[i+1:]) {
			p.notThere(m, other)
		}
	}
	p.refused(checkData, p.checks.Membership)
}

func (p about) oneArchitecture(reached []inventory.Member) {
	first := p.seen.Hosts[reached[0].Name].Arch
	for _, m := range reached[1:] {
		if arch := p.seen.Hosts[m.Name].Arch; arch != first {
			p.warn(checkArchitecture, "etcd's maintainers test clusters of one architecture only", "%s and %s", first, arch)
			return
		}
	}
}

func (p about) clocks(reached []inventory.Member) {
	byOffset := func(a, b inventory.Member) int {
		return int((p.seen.Hosts[a.Name].ClockOffset - p.seen.Hosts[b.Name].ClockOffset) / time.Millisecond)
	}
	slow, fast := slices.MinFunc(reached, byOffset), slices.MaxFunc(reached, byOffset)
	apart := p.seen.Hosts[fast.Name].ClockOffset - p.seen.Hosts[slow.Name].ClockOffset
	const do = "let the same time servers keep both"
	switch {
	case apart > etcd.MaxClockOffset:
		p.refuse(checkClock, do, "%s and %s are %s apart, and certificates may not be valid on both", slow.Name,
			fast.Name, apart.Round(time.Second))
	case apart > maxSkew:
		p.warn(checkClock, do, "%s and %s are %s apart", slow.Name, fast.Name, apart.Round(time.Millisecond))
	default:
		p.fine(checkClock, "within %s of each other", maxSkew)
	}
}

// machines finds clones, and hosts that are one and the same.
func (p about) machines(reached []inventory.Member) {
	clones := etcd.Alike(reached, func(name string) string { return p.seen.Hosts[name].MachineID })
	for _, names := range etcd.Alike(reached, p.boot) {
		p.refuse(checkMachineID, "give each member a host of its own: a host that fails would take all of them away",
			"%s are one machine", plan.Enumerate(names))
		clones = slices.DeleteFunc(clones, func(others []string) bool { return slices.Equal(others, names) })
	}
	for _, names := range clones {
		p.warn(checkMachineID, "on all but one of them: rm /etc/machine-id && systemd-machine-id-setup, and reboot",
			"%s have the same machine-id: they are clones of one machine", plan.Enumerate(names))
	}
	if !p.has(checkMachineID) {
		p.fine(checkMachineID, "all differ")
	}
}

// boot identifies a machine and its present boot; "": that cannot be told.
func (p about) boot(name string) string {
	host := p.seen.Hosts[name]
	if host.MachineID == "" || host.BootID == "" {
		return ""
	}
	return host.MachineID + " " + host.BootID
}

// notThere finds a member's address on another's host.
func (p about) notThere(m, other inventory.Member) {
	for _, address := range ownAddresses(m) {
		ip, err := netip.ParseAddr(address)
		if err != nil || ip.IsLoopback() || ip.IsUnspecified() {
			continue
		}
		if slices.ContainsFunc(p.probes[other.Name].Addresses,
			func(a probe.HostAddress) bool { return sameIP(a.IP, address) }) {
			about{p.preflight, other.Name}.refuse(checkAddress, "take it off one of the two, or correct the inventory",
				"the host has the address %s of %s", address, m.Name)
		}
	}
}

// heartbeat compares the longest way between two members with what the inventory says (etcd.io/docs, tuning: the
// heartbeat about as long as the longest round trip, the election timeout ten times that).
func (p about) heartbeat(reached []inventory.Member) {
	longest, known := time.Duration(0), false
	for _, from := range reached {
		for _, to := range reached {
			if rtt, ok := p.rtt(p.probes[from.Name], from, to); ok && from.Name != to.Name {
				longest, known = max(longest, rtt), true
			}
		}
	}
	if !known {
		return
	}
	asked := p.want.Cluster.Etcd
	beat := max(100*time.Millisecond, roundUp(longest, 10*time.Millisecond))
	do := fmt.Sprintf("set heartbeat_interval = %q and election_timeout = %q in the inventory's etcd block", beat,
		max(time.Second, 10*beat))
	said := fmt.Sprintf("the longest round trip is %s, heartbeat_interval %s, election_timeout %s", milliseconds(longest),
		asked.HeartbeatInterval, asked.ElectionTimeout)
	switch {
	case longest >= asked.ElectionTimeout:
		p.refuse(checkRoundTrip, do, "%s: no leader would be elected", said)
	case longest > 2*asked.HeartbeatInterval || 10*longest > asked.ElectionTimeout:
		p.warn(checkRoundTrip, do, "%s: too short for that", said)
	case asked.HeartbeatInterval > max(100*time.Millisecond, 2*longest):
		p.fine(checkRoundTrip, "%s: they could be shorter", said)
	default:
		p.fine(checkRoundTrip, "%s", said)
	}
}

func roundUp(d, unit time.Duration) time.Duration { return (d + unit - 1) / unit * unit }
