package etcd

import (
	"net"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strconv"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/version"
	"github.com/clusterup/clusterup/units"
)

// ConfigDir is where a cluster's files lie on its hosts.
func ConfigDir(c *inventory.Cluster) string { return path.Join("/etc/etcd", c.Name) }

// UnitPath is the unit file of a cluster's members.
func UnitPath(c *inventory.Cluster) string {
	return path.Join("/etc/systemd/system", c.UnitName+".service")
}

// BinDir is where a release lies. Its name has the version and the digest, so that other bytes make another command
// line, and with it a restart.
func BinDir(r plan.Release) string {
	return path.Join(facts.ReleaseDir, r.Version+"-"+r.SHA256[:min(8, len(r.SHA256))])
}

// walDir is the value of --wal-dir; "": it is not set. etcd replaces that directory by renaming another onto it
// (server/storage/wal, Create), so it must be able to write to the parent. The inventory names that parent.
func walDir(m inventory.Member) string {
	if m.WALDir == "" {
		return ""
	}
	return path.Join(m.WALDir, "wal")
}

// ClientURL is where clients reach a member.
func ClientURL(c *inventory.Cluster, m inventory.Member) string {
	return urlOf(c.TLS.Clients, m.ClientAddress, c.ClientPort)
}

// LockDir is where the locks of clusters lie on every host.
const LockDir = "/run/clusterup"

// OwnerFile is the file in which a run that holds a cluster's lock on a host says who it is.
func OwnerFile(cluster string) string { return path.Join(LockDir, cluster+".owner") }

// Asks says where to look on each host of a cluster.
func Asks(c *inventory.Cluster) map[string]facts.Ask {
	asks := make(map[string]facts.Ask, len(c.Members))
	for _, m := range c.Members {
		ports := []int{c.PeerPort, c.ClientPort}
		for _, port := range []int{c.MetricsPort, c.TLS.HTTPClientPort} {
			if port != 0 {
				ports = append(ports, port)
			}
		}
		var peers []netip.Addr
		for _, other := range c.Members {
			if peer, err := netip.ParseAddr(other.PeerAddress); err == nil && other.Name != m.Name {
				peers = append(peers, peer)
			}
		}
		asks[m.Name] = facts.Ask{
			Unit: c.UnitName, User: c.User, Former: formerMember(c), ConfigDir: ConfigDir(c), Owner: OwnerFile(c.Name),
			DataDir: m.DataDir, WALDir: walDir(m), Ports: ports, Peers: peers,
			Endpoint: ClientURL(c, m),
			Peer:     net.JoinHostPort(m.PeerAddress, strconv.Itoa(c.PeerPort)),
			V2Store:  version.CompareMinor(c.Version, "3.5") > 0,
			V2Log:    version.CompareMinor(c.Version, "3.6") > 0,
		}
	}
	return asks
}

// ListenAt is where a member listens for an address: etcd binds to IP addresses only, so a DNS name means all of them.
func ListenAt(address string) string {
	if _, err := netip.ParseAddr(address); err != nil {
		return "0.0.0.0"
	}
	return address
}

func listen(secure bool, address string, port int) string {
	return urlOf(secure, ListenAt(address), port)
}

// listenClient are the URLs at which a member serves clients: at its address, and at loopback for people who are logged
// in there. With http_client_port both come once more, without TLS.
func listenClient(c *inventory.Cluster, m inventory.Member) []string {
	urls := listenOn(c.TLS.Clients, m, c.ClientPort)
	if c.TLS.HTTPClientPort != 0 {
		urls = append(urls, listenOn(false, m, c.TLS.HTTPClientPort)...)
	}
	return urls
}

func listenOn(secure bool, m inventory.Member, port int) []string {
	first := listen(secure, m.ClientAddress, port)
	if ip, err := netip.ParseAddr(m.ClientAddress); err != nil || ip.IsUnspecified() || ip.IsLoopback() {
		return []string{first}
	}
	return []string{first, urlOf(secure, "127.0.0.1", port)}
}

// advertiseClient are the URLs of a member that the cluster tells clients.
func advertiseClient(c *inventory.Cluster, m inventory.Member) []string {
	urls := []string{ClientURL(c, m)}
	if c.TLS.HTTPClientPort != 0 {
		urls = append(urls, urlOf(false, m.ClientAddress, c.TLS.HTTPClientPort))
	}
	return urls
}

// LeafNames are the SANs of the certificates of all members, each once, sorted.
func LeafNames(c *inventory.Cluster) []string {
	var names []string
	for _, m := range c.Members {
		names = append(names, NamesOf(m)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// NamesOf are the SANs of a member's certificates, sorted; loopback is always among them.
func NamesOf(m inventory.Member) []string {
	names := append([]string{"127.0.0.1", "::1", "localhost", m.Address, m.PeerAddress, m.ClientAddress}, m.Names...)
	for i, name := range names {
		if ip, err := netip.ParseAddr(name); err == nil {
			names[i] = ip.String()
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// names are the SANs of a member's certificates now. While it moves, its old address stays among them: it comes from
// there until it restarts, and as long as its host goes to peers from there, and peers compare the two. Only what a
// certificate of a CA of ours has named before is taken over, since a host may say anything.
func (v view) names(m inventory.Member, host facts.Host) []string {
	names, leaf := NamesOf(m), host.Leaves["peer"]
	ours := slices.ContainsFunc(v.seen.Operator.CAs, func(ca facts.CA) bool { return ca.SHA256 == leaf.Issuer })
	if !ours {
		return names
	}
	var from []string
	if entry, listed := v.entry(m); host.Process != nil && listed && !v.knownAt(m, entry) &&
		host.Data.MemberID == entry.ID {
		from = append(hostsIn(entry.PeerURLs), hostsIn(entry.ClientURLs)...)
	}
	for _, source := range host.Sources {
		from = append(from, source.Unmap().String())
	}
	for _, name := range from {
		if slices.Contains(leaf.Names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// hostsIn are the hosts of URLs.
func hostsIn(urls []string) []string {
	var hosts []string
	for _, text := range urls {
		if u, err := url.Parse(text); err == nil && u.Hostname() != "" {
			hosts = append(hosts, u.Hostname())
		}
	}
	return hosts
}

// unitMember is the wanted member with the release b, as package units takes it.
func (v view) unitMember(m inventory.Member, b bin) units.Member {
	c, host := v.want.Cluster, v.seen.Hosts[m.Name]
	at := v.settled(m, host)
	heartbeat, election := v.beat(host)
	state := "new"
	if v.formed {
		state = "existing"
	}
	wanted := units.Member{
		Cluster: c.Name, Name: m.Name, User: c.User, Writer: v.want.Writer, Unit: c.UnitName, BinDir: b.dir,
		Version: b.version, ConfigDir: ConfigDir(c),
		DataDir: at.DataDir, WALDir: walDir(at),
		ListenPeer: []string{listen(v.peersSecure(m), m.PeerAddress, c.PeerPort)}, ListenClient: listenClient(c, m),
		AdvertisePeer: []string{v.peerURL(m)}, AdvertiseClient: advertiseClient(c, m),
		Token: v.token, State: state,
		Heartbeat: heartbeat, Election: election, QuotaBackendBytes: c.Etcd.QuotaBackendBytes,
		AutoCompaction: c.Etcd.AutoCompaction, SnapshotCount: c.Etcd.SnapshotCount, Flags: v.flags(b.version),
	}
	if c.TLS.Peers {
		wanted.PeerTrust = v.trust.Bundle("peer", host).Path
	}
	if c.TLS.Clients {
		wanted.ClientTrust = v.trust.Bundle("client", host).Path
	}
	if v.trust.Lists("client") {
		wanted.ClientCRL = v.trust.Revoked("client").Path
	}
	if v.trust.Lists("peer") {
		wanted.PeerCRL = v.trust.Revoked("peer").Path
	}
	if v.flushes(host) {
		wanted.SnapshotCount = 1
	}
	if key, ok := v.tokenKey(); ok && v.wantsTokens() {
		wanted.TokenKey = units.TokenKeyPath(ConfigDir(c), key.SHA256)
	}
	if c.MetricsPort != 0 {
		wanted.ListenMetrics = "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(c.MetricsPort))
	}
	wanted.InitialCluster = v.initialCluster(m, host)
	return wanted
}

// initialCluster are the members that a member is told of. A joining one checks that they are just those of the member
// list, itself among them (server/etcdserver/api/membership/cluster.go, ValidateClusterAndAssignIDs). One that has data
// does not look at them any more, so they are those that are wanted.
func (v view) initialCluster(m inventory.Member, host facts.Host) []units.Peer {
	var peers []units.Peer
	if entry, listed := v.entry(m); v.formed && listed && !host.Data.WAL {
		for _, other := range v.seen.Members {
			name := other.Name
			if other.ID == entry.ID {
				name = m.Name
			}
			for _, at := range other.PeerURLs {
				peers = append(peers, units.Peer{Name: name, URL: at})
			}
		}
		return peers
	}
	v.Everyone(func(peer inventory.Member, _ facts.Host) {
		if !peer.Absent {
			peers = append(peers, units.Peer{Name: peer.Name, URL: v.peerURL(peer)})
		}
	})
	return peers
}

// unitFile is the unit that a host is to have now.
func (v view) unitFile(m inventory.Member, host facts.Host) units.File {
	wanted := v.unitMember(m, v.bin(host))
	if v.awaitsList(m, host) {
		wanted.PeerCRL = ""
	}
	wanted.Unchecked = v.unchecked(m, host)
	return units.Settled(units.Unit(wanted), host.Files[UnitPath(v.want.Cluster)].Content)
}
