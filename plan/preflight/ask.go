package preflight

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/probe"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/units"
)

// Asks says what to probe on the hosts of a cluster, given what was seen of them. Quick leaves out what takes long and
// can only end in a warning: how fast disks and the network are.
func Asks(c *inventory.Cluster, s facts.Snapshot, quick bool) map[string]probe.Ask {
	asks := make(map[string]probe.Ask, len(c.Members))
	for _, m := range c.Present() {
		host := s.Hosts[m.Name]
		ask := probe.Ask{
			DataDir: m.DataDir, WALDir: m.WALDir, Addresses: resolvable(m), Ports: []int{c.PeerPort, c.ClientPort},
			Writes: append(etcd.Places(c, m)[:2], path.Dir(etcd.UnitPath(c)), "/run/clusterup"),
			Doors:  []probe.Door{door(c, m, host, "peer"), door(c, m, host, "client")},
			Disk:   !quick && host.Process == nil, // a member that runs would feel it
		}
		if host.Process == nil || host.Data.Dir != "" {
			ask.Writes = append(ask.Writes, etcd.Places(c, m)[2:]...)
		}
		for _, other := range c.Present() {
			if !quick && other.Name != m.Name {
				ask.Ping = append(ask.Ping, other.PeerAddress)
			}
		}
		asks[m.Name] = ask
	}
	return asks
}

// ownAddresses are those that a member binds to.
func ownAddresses(m inventory.Member) []string {
	addresses := []string{m.PeerAddress, m.ClientAddress}
	slices.Sort(addresses)
	return slices.Compact(addresses)
}

// resolvable are the addresses that a member binds to, and all names of its certificates.
func resolvable(m inventory.Member) []string {
	all := ownAddresses(m)
	for _, name := range etcd.NamesOf(m) {
		if _, err := netip.ParseAddr(name); err != nil && name != "localhost" {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// door is where others get in at a member: at the member itself when it runs, else at a listener that stands in for it.
func door(c *inventory.Cluster, m inventory.Member, host facts.Host, name string) probe.Door {
	address, port, role := m.PeerAddress, c.PeerPort, "peer"
	if name == "client" {
		address, port, role = m.ClientAddress, c.ClientPort, "server"
	}
	door := probe.Door{Name: name, Address: net.JoinHostPort(address, strconv.Itoa(port))}
	if host.Unreachable != "" || host.Name == "" {
		door.Shut = "the host could not be looked at"
		return door
	}
	blind := slices.Contains(host.Missing, "ss")
	for _, socket := range host.Sockets {
		switch {
		case socket.Port != port || !etcd.Binds(c, m, socket):
		case host.Process != nil && socket.PID == host.Process.PID:
			door.Running = true
		default:
			door.Shut = fmt.Sprintf("port %d is taken", port)
		}
	}
	if door.Running || blind && host.Process != nil {
		door.Running, door.Leaf, door.Shut = true, host.Leaves[role].SHA256, ""
		door.Plain = host.Process != nil && strings.HasPrefix(units.Flag(host.Process.Args, "listen-"+name+"-urls"), "http:")
		return door
	}
	if door.Shut == "" {
		door.Listen = net.JoinHostPort(etcd.ListenAt(address), strconv.Itoa(port))
	}
	return door
}

// sameIP compares addresses, however they are written.
func sameIP(a, b string) bool {
	first, err := netip.ParseAddr(a)
	if err != nil {
		return false
	}
	second, err := netip.ParseAddr(b)
	return err == nil && first.Unmap() == second.Unmap()
}
