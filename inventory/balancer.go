package inventory

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// Balancer is a set of servers that clients are sent to. The servers are keys in etcd, and may be more than those that
// the inventory names.
type Balancer struct {
	Name    string // as names of members are
	Servers []Server
	Listens []Listen
	Nodes   []Node
	Range   Range
}

// Listen is a port on which nodes take clients.
type Listen struct {
	Name  string // as names of servers are
	Port  int
	Check string // how a server is tried: CheckTCP or CheckPostgres
	User  string // with CheckPostgres: whom the check logs in as; nobody needs to have that name
}

// The ways in which servers are tried: whether the port can be connected to, and whether a PostgreSQL server answers
// there. Neither tells a primary from a replica.
const (
	CheckTCP      = "tcp"
	CheckPostgres = "postgres"
)

// Node is a host that takes clients for a balancer.
type Node struct {
	Name       string // as names of members are
	Address    string // an IP address or DNS name, at which clients reach it
	SSHAddress string // default Address
	SSHPort    int
	SSH        SSH
	Absent     bool // it is to be taken out of use, and made clean
	Range      Range
}

// Server is a server of a balancer.
type Server struct {
	Name    string     // at most 63 of A-Z, a-z, 0-9, ".", "_" and "-"
	Address netip.Addr // of that server alone
	Port    int
	Check   int // the port that health checks go to; default Port
	Weight  int // 0 to MaxWeight; default UsualWeight
}

// The weights of servers: HAProxy's largest, and what one has of which nobody says more.
const (
	MaxWeight   = 256
	UsualWeight = 100
)

// maxCommonName is how long the common name of a certificate may be.
const maxCommonName = 64

// maxServers is how many servers a balancer may have.
const maxServers = 1000

// FollowUser is the user of etcd who may follow a balancer's keys, and the role that lets it.
func FollowUser(balancer string) string { return "follow-" + balancer }

// NodeClient is what the certificate is called with which a node follows them.
func NodeClient(node, balancer string) string { return node + "@" + balancer }

var (
	balancerSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "listen", LabelNames: []string{"name"}},
		{Type: "server", LabelNames: []string{"name"}},
		{Type: "node", LabelNames: []string{"name"}},
	}}
	serverSchema = &hcl.BodySchema{Attributes: attributes("address", "port", "check_port", "weight")}

	serverName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
)

// balancerRead is a balancer with the places that checks across blocks point at.
type balancerRead struct {
	Balancer
	listens []listenRead
	nodes   []nodeRead
}

// readBalancers reads the balancers of a cluster, whose nodes are reached as ssh says where they say nothing else.
func (s scope) readBalancers(blocks hcl.Blocks, ssh SSH) []balancerRead {
	var out []balancerRead
	first := map[string]hcl.Range{}
	for _, b := range blocks {
		name := b.Labels[0]
		if err := checkName(name); err != nil {
			s.problems.errorAt(b.LabelRanges[0], "bad balancer name", "%q: %s.", clip(name), err)
		} else if len(FollowUser(name)) > maxCommonName {
			s.problems.errorAt(b.LabelRanges[0], "bad balancer name",
				"%q: who follows its keys is %s, and such a name ends at %d characters.", clip(name), FollowUser(name), maxCommonName)
		} else if old, twice := first[name]; twice {
			s.problems.errorAt(b.LabelRanges[0], "balancer given twice", "The balancer %q is already at %s.", name, at(old))
		}
		first[name] = b.LabelRanges[0]
		out = append(out, s.readBalancer(b, ssh))
	}
	return out
}

func (s scope) readBalancer(b *hcl.Block, ssh SSH) balancerRead {
	v, content := s.newValues(b, balancerSchema)
	blocks := content.Blocks.ByType()
	out := balancerRead{
		Balancer: Balancer{Name: b.Labels[0], Servers: s.readServers(blocks["server"]), Range: rangeOf(b.DefRange)},
		listens:  s.readListens(blocks["listen"]),
		nodes:    s.readNodes(blocks["node"], b.Labels[0], ssh),
	}
	idle := true
	for _, l := range out.listens {
		out.Listens = append(out.Listens, l.Listen)
	}
	for _, n := range out.nodes {
		out.Nodes = append(out.Nodes, n.Node)
		idle = idle && n.Absent
	}
	if len(out.listens) == 0 && !idle && !v.dirty {
		s.problems.errorAt(b.DefRange, "no listen",
			"Its nodes would take no clients; write a block for each port: listen \"NAME\" { port = … }.")
	}
	return out
}

func (s scope) readServers(blocks hcl.Blocks) []Server {
	p := s.problems
	var out []Server
	first := map[string]hcl.Range{}
	for _, b := range blocks {
		name := b.Labels[0]
		if !serverName.MatchString(name) {
			p.errorAt(b.LabelRanges[0], "bad server name",
				"%q: use up to 63 letters, digits, \".\", \"_\" and \"-\", starting with a letter or digit.", clip(name))
		} else if old, twice := first[name]; twice {
			p.errorAt(b.LabelRanges[0], "server given twice", "The server %q is already at %s.", name, at(old))
		}
		first[name] = b.LabelRanges[0]
		server := s.readServer(b)
		same := func(other Server) bool {
			return server.Address.IsValid() && other.Address == server.Address && other.Port == server.Port
		}
		if i := slices.IndexFunc(out, same); i >= 0 {
			p.errorAt(b.DefRange, "server given twice", "%s has the address and port of %s, so it would get twice as many clients; "+
				"weight says how many a server gets.", name, out[i].Name)
		}
		out = append(out, server)
	}
	if len(blocks) > maxServers {
		p.errorAt(blocks[maxServers].DefRange, "too many servers", "A balancer has at most %d servers.", maxServers)
	}
	return out
}

func (s scope) readServer(b *hcl.Block) Server {
	v, _ := s.newValues(b, serverSchema)
	server := Server{Name: b.Labels[0], Weight: UsualWeight}
	v.require("address", b.DefRange, "A server needs the IP address that clients are sent to.")
	v.require("port", b.DefRange, "A server needs the port that clients are sent to.")
	var address string
	if v.text("address", &address) {
		var err error
		if server.Address, err = parseServerAddress(address); err != nil {
			v.bad("address", "bad address", "%q: %s.", clip(address), err)
		}
	}
	v.port("port", &server.Port)
	server.Check = server.Port
	v.port("check_port", &server.Check)
	v.number("weight", &server.Weight, 0, MaxWeight)
	return server
}

// parseServerAddress reads an IP address that is the same server's wherever it is dialled.
func parseServerAddress(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil || a.Zone() != "":
		return netip.Addr{}, fmt.Errorf("write an IP address: HAProxy takes no names for servers that come and go")
	case a.Unmap().IsUnspecified(), a.Unmap().IsMulticast(), a.Unmap() == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return netip.Addr{}, fmt.Errorf("it is of no one server")
	case a.Unmap().IsLoopback(), a.Unmap().IsLinkLocalUnicast():
		return netip.Addr{}, fmt.Errorf("it is another server's on each host")
	}
	return a.Unmap(), nil
}

// grantFollowers adds, where there are permissions, for each balancer the user who may follow its keys, by a
// certificate alone: it reads them, and writes what it has done.
func (p *problems) grantFollowers(a authRead, c *Cluster) {
	if a.Auth == nil {
		return
	}
	for _, b := range c.Balancers {
		name := FollowUser(b.Name)
		if i := slices.IndexFunc(c.Members, func(m Member) bool { return m.Name == name }); i >= 0 {
			p.errorAt(a.block, "user called like a member",
				"%q is the name of a member, and of who follows the keys of the balancer %q; call one of them otherwise.", name, b.Name)
		}
		if i := slices.IndexFunc(a.Users, func(u AuthUser) bool { return u.Name == name }); i >= 0 {
			p.errorAt(a.users[i], "user of a balancer",
				"%q follows the keys of the balancer %q, and gets just the rights for that by itself; take this block away.",
				name, b.Name)
			continue
		}
		if i := slices.IndexFunc(a.Roles, func(r AuthRole) bool { return r.Name == name }); i >= 0 {
			p.errorAt(a.block, "role of a balancer",
				"The role %q is that of who follows the keys of the balancer %q, and is made by itself; call this one otherwise.",
				name, b.Name)
			continue
		}
		root := "/clusterup/" + b.Name + "/"
		role := AuthRole{Name: name, Permissions: []Permission{{Key: root + "generation", Read: true}}}
		for _, prefix := range []string{"follower/", "server/"} {
			key, end := prefixRange(root + prefix)
			role.Permissions = append(role.Permissions, Permission{
				Key: key, End: end, Read: prefix == "server/", Write: prefix == "follower/",
			})
		}
		a.Auth.Roles = append(a.Auth.Roles, role)
		a.Auth.Users = append(a.Auth.Users, AuthUser{Name: name, Roles: []string{name}})
	}
}
