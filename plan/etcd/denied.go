package etcd

import (
	"fmt"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/version"
)

// With etcd's permissions on, clusterup is the user root, by the name in its certificate. Where clients speak http
// there are no certificates, so clusterup has no user. A member then shows only, by how it refuses, that it serves
// linearizable reads.

// shut says that a member serves, but tells clusterup nothing else. etcd checks permissions only after the cluster has
// confirmed a read (server/etcdserver/v3_server.go, Range), so a member that refuses one has caught up.
func (v view) shut(host facts.Host) bool {
	return host.Process != nil && host.Denied && host.Reads && host.Data.WAL && host.Data.ClusterID == v.clusterID
}

// stays says whether a member counts towards the quorum that is left while another one is down.
func (v view) stays(host facts.Host) bool { return v.serves(host) || v.shut(host) }

// denied are the members that tell clusterup nothing.
func (v view) denied() []string {
	return v.Which(func(_ inventory.Member, host facts.Host) bool { return host.Process != nil && host.Denied })
}

// noUser refuses changes that need to know more of members than that they serve. To switch clients to https needs no
// more, and each member answers again after its restart for it.
func (v view) noUser() []plan.Refusal {
	names, c := v.denied(), v.want.Cluster
	if len(names) == 0 {
		return nil
	}
	reason := "etcd's permissions are on, and refuse clusterup: " + plan.Enumerate(names) +
		" tell it nothing, but serve others"
	switch {
	case !c.TLS.Clients:
		return plan.OneRefusal(plan.NoUser, "",
			fmt.Sprintf("with https it is the user root: in the inventory, take clients = false "+
				"out of the block tls, keep http for its clients meanwhile with http_client_port = %d and another client_port, "+
				"write auth {}, and apply; or switch permissions off: ", c.ClientPort)+etcdctl("--user root auth disable"),
			"%s; without TLS it has no user", reason)
	case v.low != "" && !version.SameMinor(c.Version, v.high):
		return plan.OneRefusal(plan.NoUser, "",
			"apply with version "+v.high+" first, which switches clients to https; "+
				"then ask for "+c.Version+" again",
			"%s; without TLS it has no user, and another minor version takes one", reason)
	}
	return nil
}
