package etcd

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// MaxClockOffset is how far a host's clock may be off: certificates are backdated by five minutes.
const MaxClockOffset = 4 * time.Minute

// refusals are all reasons not to touch anything; those of hosts are in the order of the inventory. If a newer
// clusterup wrote what lies on a host, only that is said, since everything else might follow from it. Before there is a
// cluster, nothing is checked while hosts are dark, for the same reason. Dark hosts alone refuse nothing, but are named
// beside other reasons.
func (v view) refusals() []plan.Refusal {
	dark := v.unreachables()
	if older := v.allOlder(); len(older) > 0 {
		return append(dark, older...)
	}
	if begun := v.underWay(); len(begun) > 0 {
		return append(dark, begun...)
	}
	if len(dark) > 0 && !v.formed {
		return nil
	}
	var found []plan.Refusal
	v.Each(func(m inventory.Member, host facts.Host) {
		if foreign := v.foreignUnit(m, host); len(foreign) > 0 { // process and data then say nothing of ours
			found = append(found, foreign...)
			return
		}
		for _, check := range []func(inventory.Member, facts.Host) []plan.Refusal{
			v.suitable, v.ground, v.sealed, v.sourced, v.ports, v.data, v.trusted, v.outdated, v.plainRefusals, v.v2Store,
			v.undiverted,
		} {
			found = append(found, check(m, host)...)
		}
	})
	all := slices.Concat(v.trust.Keyless(v.clusterID), v.authorityRefusals(), v.noUser(), v.authRefusals(),
		v.tokenRefusals(), v.versionRefusals(), found, v.membership())
	if len(all) > 0 {
		return append(dark, all...)
	}
	return nil
}

// unreachables name the hosts that are dark: those of members, and those of members that have left and are to be
// cleaned.
func (v view) unreachables() []plan.Refusal {
	var found []plan.Refusal
	v.Everyone(func(m inventory.Member, host facts.Host) {
		if host.Dark() {
			found = append(found, v.unreachable(m, host))
		}
	})
	v.leaving.Everyone(func(m inventory.Member, host facts.Host) {
		if host.Dark() && !v.stillMember(m) {
			found = append(found, v.unreachable(m, host))
		}
	})
	return found
}

// unreachable names a host that could not be looked at, or whose member could not be asked. Its error, which has the
// remedy, is in the facts.
func (v view) unreachable(m inventory.Member, host facts.Host) plan.Refusal {
	reason := cmp.Or(host.Unasked, strings.TrimPrefix(host.Unreachable, m.Name+": "))
	return plan.Refuse(plan.Unreachable, m.Name, "", "%s", reason)
}

// suitable says whether a host can run a member at all.
func (v view) suitable(m inventory.Member, host facts.Host) []plan.Refusal {
	var found []plan.Refusal
	if host.Systemd == 0 {
		found = append(found, plan.Refuse(plan.Unsuitable, m.Name, "use a host that systemd has booted",
			"PID 1 is not systemd"))
	}
	if way := v.route(); len(v.releases(host)) < len(way) {
		found = append(found, plan.Refuse(plan.Unsuitable, m.Name, "etcd is released for amd64, arm64, ppc64le and s390x",
			"there is no etcd %s for its architecture %s", strings.Join(way, ", "), host.Arch))
	}
	for _, tool := range host.Missing {
		if tool != "ss" { // without it ports cannot be attributed; etcd itself then says what is wrong
			found = append(found, plan.Refuse(plan.Unsuitable, m.Name, "install the package that holds "+tool,
				"the command %s is missing", tool))
		}
	}
	if off := host.ClockOffset; off.Abs() > MaxClockOffset {
		found = append(found, plan.Refuse(plan.ClockOff, m.Name,
			"set the clock right and keep it right with chrony or systemd-timesyncd",
			"its clock is %s %s this machine's, and certificates would not be valid there", spell(off.Abs()),
			plan.AheadOrBehind(off)))
	}
	return found
}

// spell is a time as people say it: days where it is long.
func spell(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day {
		return plan.Count(int(d.Round(day)/day), "day")
	}
	return d.Round(time.Second).String()
}

// ports says which process holds a port that the member needs.
func (v view) ports(m inventory.Member, host facts.Host) []plan.Refusal {
	if host.Process != nil || slices.Contains([]string{"activating", "active", "deactivating"}, host.Unit.Active) {
		return nil // the member holds them, or is about to end, or keeps restarting and has said which it could not get
	}
	var found []plan.Refusal
	for _, socket := range host.Sockets {
		if !Binds(v.want.Cluster, m, socket) || socket.Process == facts.ListenerName { // preflight's own, about to end
			continue
		}
		who := "another process"
		if socket.Process != "" {
			who = fmt.Sprintf("%s (PID %d)", socket.Process, socket.PID)
		}
		taken := plan.Refuse(plan.PortTaken, m.Name,
			fmt.Sprintf("stop it, or choose another port in the inventory; on the host: ss -ltnp 'sport = :%d'", socket.Port),
			"port %d is taken by %s", socket.Port, who)
		if !slices.Contains(found, taken) { // it may hold the port on several addresses
			found = append(found, taken)
		}
	}
	return found
}

// Binds says whether a member would bind to a socket's port on an address that collides.
func Binds(c *inventory.Cluster, m inventory.Member, socket facts.Socket) bool {
	addresses := []string{"127.0.0.1"}
	switch socket.Port {
	case c.PeerPort:
		addresses = []string{m.PeerAddress}
	case c.ClientPort, c.TLS.HTTPClientPort:
		addresses = append(addresses, m.ClientAddress)
	}
	return slices.ContainsFunc(addresses, func(address string) bool { return collide(address, socket.Address) })
}

// collide says whether a member's listener and that of another process get in each other's way on one port. The member
// listens on all of IPv4 where its address is a name. ss writes a socket of both families as *, one of IPv6 alone as
// [::].
func collide(wanted, taken string) bool {
	own, err := netip.ParseAddr(wanted)
	if err != nil {
		own = netip.IPv4Unspecified()
	}
	other, err := netip.ParseAddr(taken)
	if err != nil {
		return taken == "*"
	}
	own, other = own.Unmap(), other.Unmap()
	return own.Is4() == other.Is4() && (own == other || own.IsUnspecified() || other.IsUnspecified())
}

// sourced refuses, before there is a cluster, a host whose connections its peers would refuse.
func (v view) sourced(m inventory.Member, host facts.Host) []plan.Refusal {
	text := v.refusedByPeers(m, host)
	if v.formed || text == "" {
		return nil
	}
	return plan.OneRefusal(plan.Unsuitable, m.Name, NamesRemedy(m), "%s", text)
}
