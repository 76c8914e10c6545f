package inventory

import (
	"fmt"
	"slices"
)

// nodes are those of all balancers of the cluster.
func (c clusterRead) nodes() []nodeRead {
	var out []nodeRead
	for _, b := range c.balancers {
		out = append(out, b.nodes...)
	}
	return out
}

// checkNodes looks for what a node must not share with another node or with a member. One that is absent has its name
// and its host until its block goes, so it counts like any other.
func (p *problems) checkNodes(c clusterRead) {
	nodes := c.nodes()
	for i, n := range nodes {
		p.checkNode(nodes[:i], n)
		p.checkNodeName(c.members, n)
	}
	p.checkListens(c, c)
}

// checkNode holds a node against those before it. The first that it cannot be beside says enough.
func (p *problems) checkNode(before []nodeRead, n nodeRead) {
	for _, old := range before {
		same := sameHost(old.host(), n.host())
		if !same && old.Name != n.Name {
			continue
		}
		leaves := leaving(old.host(), n.host())
		switch {
		case old.Name == n.Name && old.balancer == n.balancer:
			p.errorAt(n.label, "node given twice", "There is already a node %q at %s.%s", n.Name, at(old.label), leaves)
		case old.balancer == n.balancer:
			p.errorAt(n.place(old.host()), "address given twice",
				"%s: the node %s at %s already has this address; each node needs a host of its own.%s", n.Name, old.Name,
				at(old.label), leaves)
		case same:
			p.errorAt(n.place(old.host()), "node of two balancers", oneHAProxy, n.Name, "the balancer "+n.balancer, old.Name,
				"the balancer "+old.balancer, at(old.label), leaves)
		default:
			p.errorAt(n.label, "node of two balancers",
				"There is already a node %q of the balancer %q at %s, and a name stands for one host; call this one otherwise.%s",
				n.Name, old.balancer, at(old.label), leaves)
		}
		return
	}
}

const oneHAProxy = "%s of %s and %s of %s (%s) are one host, and one HAProxy runs on a host; give each balancer hosts of " +
	"its own.%s"

// checkNodeName holds the names of hosts together: a host that is both a node and a member has one name, by which it is
// reached in one way.
func (p *problems) checkNodeName(members []memberRead, n nodeRead) {
	if n.Address == "" {
		return
	}
	for _, m := range members {
		switch {
		case m.Address == "":
		case m.Name == n.Name && sshKey(m.SSH, m.SSHAddress) != sshKey(n.SSH, n.SSHAddress):
			p.errorAt(n.label, "node called like a member", "SSH goes to the member %s (%s) at %s, and to this node at %s; "+
				"if they are one host, write the same ssh_address, ssh_port and jump here, else call the node otherwise.",
				m.Name, at(m.block), sshWords(m.host()), sshWords(n.host()))
		case m.Name != n.Name && sameHost(m.host(), n.host()):
			p.errorAt(n.label, "host by two names", "%s is the host of the member %s (%s), and a host has one name; write node %q.",
				n.Name, m.Name, at(m.block), m.Name)
		}
	}
}

// sshWords say where SSH goes.
func sshWords(h host) string {
	words := fmt.Sprintf("%s port %d", h.sshAddress, h.ssh.Port)
	for i, j := range h.ssh.Jump {
		words += []string{" by way of ", ", "}[min(i, 1)] + j.Address
	}
	return words
}

// checkSharedNodes looks for what two clusters must not share on the hosts of nodes. The first host says enough.
func (p *problems) checkSharedNodes(a, b clusterRead) {
	p.checkListens(a, b)
	p.checkListens(b, a)
	for _, n := range b.nodes() {
		for _, old := range a.nodes() {
			if sameHost(old.host(), n.host()) {
				p.errorAt(n.place(old.host()), "node of two balancers", oneHAProxy, n.Name, n.balancer+" in "+b.Name, old.Name,
					old.balancer+" in "+a.Name, at(old.label), leaving(old.host(), n.host()))
				return
			}
		}
	}
}

// checkListens looks for ports of a cluster's balancers that members of a cluster have on the same host. The first host
// with a port says enough.
func (p *problems) checkListens(c, owner clusterRead) {
	for _, b := range c.balancers {
		for _, l := range b.listens {
			taken := slices.IndexFunc(owner.ports(), func(port namedPort) bool { return port.port == l.Port })
			if taken >= 0 {
				p.checkListen(l, b.nodes, owner, owner.ports()[taken].name)
			}
		}
	}
}

func (p *problems) checkListen(l listenRead, nodes []nodeRead, owner clusterRead, port string) {
	for _, n := range nodes {
		for _, m := range owner.members {
			if sameHost(m.host(), n.host()) {
				p.errorAt(l.port, "port used twice", "%d is the %s of the cluster %s, whose member %s (%s) is on the host of the node "+
					"%s; give one of them another.", l.Port, port, owner.Name, m.Name, at(m.block), n.Name)
				return
			}
		}
	}
}
