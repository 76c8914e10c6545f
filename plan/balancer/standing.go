package balancer

import (
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan/etcd"
	files "github.com/clusterup/clusterup/units/balancer"
)

// Standing is how one node stands. All but the node and its balancer is zero while its host is dark.
type Standing struct {
	inventory.Node
	Balancer string
	Seen     facts.Node
	Units    []Unit    // HAProxy's, then the follower's
	Version  string    // of HAProxy's package; empty: it is not installed
	Ends     time.Time // when the follower's certificate does; zero: it has none
	Bare     bool      // nothing of clusterup is there
}

// Client is what the certificate of its follower is called.
func (s Standing) Client() string { return inventory.NodeClient(s.Name, s.Balancer) }

// Unit is a unit that a node runs.
type Unit struct {
	Name string // without .service
	facts.Service
}

// Runs says whether it has started, and not ended.
func (u Unit) Runs() bool { return u.Process != nil && u.Active == "active" }

// Nodes are the nodes of all balancers as they stand, in the order of the inventory.
func Nodes(c *inventory.Cluster, s facts.Snapshot) []Standing {
	var all []Standing
	for _, b := range c.Balancers {
		for _, n := range b.Nodes {
			one := Standing{Node: n, Balancer: b.Name, Seen: s.Nodes[n.Name]}
			if !one.Seen.Dark() {
				one.look(c, b)
			}
			all = append(all, one)
		}
	}
	return all
}

func (s *Standing) look(c *inventory.Cluster, b inventory.Balancer) {
	n := node{Node: s.Node, balancer: b, seen: s.Seen, want: Want{Etcd: etcd.Want{Cluster: c}}}
	for _, name := range []string{files.HAProxyUnit, n.unit()} {
		s.Units = append(s.Units, Unit{name, n.seen.Units[name]})
	}
	s.Version = n.seen.Software["haproxy"].Version
	s.Ends = n.seen.Pairs[files.PairLink(b.Name)].NotAfter
	s.Bare = len(n.remains()) == 0
}
