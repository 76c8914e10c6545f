package balancer

import (
	"bytes"
	"path"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/units"
	files "github.com/clusterup/clusterup/units/balancer"
)

// Want is what the operator wants of the nodes of a cluster's balancers.
type Want struct {
	Etcd     etcd.Want               // the cluster whose members they follow
	Programs map[string]plan.Program // clusterup-node, by architecture; one that is not there is not at hand
}

// packages are those that a node needs.
var packages = []string{"haproxy"}

// Asks says where to look on the host of each node, by name.
func Asks(c *inventory.Cluster) map[string]facts.NodeAsk {
	asks := map[string]facts.NodeAsk{}
	for _, b := range c.Balancers {
		dir, unit := files.ConfigDir(b.Name), files.FollowUnit(b.Name)
		ask := facts.NodeAsk{
			Owner: etcd.OwnerFile(c.Name), Packages: packages, Units: []string{files.HAProxyUnit, unit},
			Users: []string{files.FollowUser},
			Files: []string{files.HAProxyConfig, unitPath(unit), dir, files.StateDir(b.Name), path.Join(dir, "tls")},
			Dirs:  []string{dir}, Pairs: []string{files.PairLink(b.Name)}, Programs: files.Programs,
		}
		ask.Ports = []int{files.MetricsPort}
		for _, l := range b.Listens {
			ask.Ports = append(ask.Ports, l.Port)
		}
		for _, n := range b.Nodes {
			asks[n.Name] = ask
		}
	}
	return asks
}

func unitPath(unit string) string { return path.Join("/etc/systemd/system", unit+".service") }

// node is one node as it is wanted, and as it was seen.
type node struct {
	inventory.Node
	balancer inventory.Balancer
	seen     facts.Node
	program  plan.Program // zero: there is none for its architecture
	runs     files.Node
	want     Want
	trust    trust.State
}

// nodesOf are the nodes of one balancer, in the order of the inventory.
func nodesOf(w Want, s facts.Snapshot, b inventory.Balancer) []node {
	c, state := w.Etcd.Cluster, etcd.Trust(w.Etcd, s)
	as := files.Node{
		Cluster: c.Name, Balancer: b.Name, TLS: c.TLS.Clients, Writer: w.Etcd.Writer,
	}
	for _, m := range c.Present() {
		as.Endpoints = append(as.Endpoints, etcd.ClientURL(c, m))
	}
	for _, l := range b.Listens {
		as.Listens = append(as.Listens, files.Listen{Name: l.Name, Port: l.Port, PostgresUser: l.User})
	}
	var all []node
	for _, n := range b.Nodes {
		one := node{Node: n, balancer: b, seen: s.Nodes[n.Name], want: w, trust: state, runs: as}
		one.program = w.Programs[one.seen.Arch]
		if one.program.SHA256 == "" && slices.Contains(architectures, one.seen.Arch) {
			one.program = one.placed()
		}
		one.runs.Name, one.runs.Program = n.Name, one.program.Path
		all = append(all, one)
	}
	return all
}

// architectures are those that the program is built for.
var architectures = []string{"amd64", "arm64", "ppc64le", "s390x"}

// placed is the program that the follower runs, where it is one of clusterup's; it will do where none is at hand.
func (n node) placed() plan.Program {
	process := n.seen.Units[n.unit()].Process
	if process == nil || len(process.Args) == 0 {
		return plan.Program{}
	}
	at := process.Args[0]
	sum := n.seen.Binaries[at]
	if len(sum) != 64 || files.ProgramPath(sum) != at {
		return plan.Program{}
	}
	return plan.Program{Arch: n.seen.Arch, SHA256: sum, Path: at}
}

func (n node) unit() string   { return files.FollowUnit(n.balancer.Name) }
func (n node) dir() string    { return files.ConfigDir(n.balancer.Name) }
func (n node) loaded() string { return path.Join(n.dir(), "haproxy-loaded") }

// bundle are the CAs that the node is to trust: those that members may show certificates of.
func (n node) bundle() units.File {
	at := files.TrustPath(n.balancer.Name)
	cas := n.trust.ClientBundle(n.seen.Files[at].Content)
	return units.File{Path: at, Owner: "root", Group: "root", Mode: 0o644, Data: trust.PEM(cas)}
}

// pair is the certificate with which it asks etcd; nil: there is none.
func (n node) pair(s facts.Snapshot) *facts.ClientPair {
	leaf, ok := n.seen.Pairs[files.PairLink(n.balancer.Name)]
	switch {
	case !ok:
		return nil
	case !leaf.Intact:
		return &facts.ClientPair{Broken: "certificate and key are not the pair that was written"}
	}
	pair := &facts.ClientPair{
		Client: facts.Client{
			Name: inventory.NodeClient(n.Name, n.balancer.Name), Serial: leaf.Serial,
			NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter,
		},
		User: leaf.CN, Algorithm: leaf.Algorithm,
	}
	for _, ca := range s.Operator.CAs {
		if ca.Role == "client" && ca.SHA256 == leaf.Issuer {
			pair.Generation = ca.Generation
		}
	}
	for _, c := range s.Operator.Clients {
		pair.Revoked = pair.Revoked || c.Serial == leaf.Serial && c.Name == pair.Name && c.Revoked
	}
	return pair
}

// change is a file that is to be as it is wanted; ok is false where it is.
func (n node) change(want units.File) (plan.Change, bool) {
	have, there := n.seen.Files[want.Path]
	want = units.Settled(want, have.Content)
	same := there && have.Kind == facts.Regular && have.Owner == want.Owner && have.Group == want.Group &&
		have.Mode == want.Mode && bytes.Equal(have.Content, want.Data)
	return plan.Change{File: want, Was: have.Content, Existed: there}, !same
}

// changes are those of some files that are not as they are wanted.
func (n node) changes(wanted ...units.File) []plan.Change {
	var found []plan.Change
	for _, want := range wanted {
		if change, differs := n.change(want); differs {
			found = append(found, change)
		}
	}
	return found
}

// runsNow says whether a unit has a process.
func (n node) runsNow(unit string) bool { return n.seen.Units[unit].Process != nil }

// present are those that are to be in use.
func present(nodes []node) []node {
	return slices.DeleteFunc(slices.Clone(nodes), func(n node) bool { return n.Absent })
}
