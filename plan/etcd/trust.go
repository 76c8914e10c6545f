package etcd

import (
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/units"
)

// Trust is the state from which package trust decides, for callers that only ask about certificates.
func Trust(w Want, s facts.Snapshot) trust.State { return newView(w, s).trust }

// trustOf is that state without what newView adds to it, such as Formed.
func trustOf(w Want, s facts.Snapshot) trust.State { return look(w, s).trust }

func (v view) trustState() trust.State {
	w, s, c := v.want, v.seen, v.want.Cluster
	names := make([]string, 0, len(v.List))
	for _, m := range v.List {
		names = append(names, m.Name)
	}
	var clients, gateway []string
	for _, client := range c.Clients {
		clients = append(clients, client.Name)
		if client.User == "" {
			gateway = append(gateway, client.Name)
		}
	}
	var services []string
	for _, b := range c.Balancers {
		for _, n := range b.Nodes {
			services = append(services, inventory.NodeClient(n.Name, b.Name))
		}
	}
	return trust.State{
		Members: plan.Members[string]{List: names, Name: func(name string) string { return name }, Hosts: s.Hosts},
		Settings: trust.Settings{
			Cluster: c.Name, ConfigDir: ConfigDir(c), UnitPath: UnitPath(c), Peers: c.TLS.Peers, Clients: c.TLS.Clients,
			CALifetime: c.PKI.CALifetime, Lifetime: c.PKI.Lifetime, RenewBefore: c.PKI.RenewBefore, Algorithm: c.PKI.Algorithm,
			Origin: map[string]trust.Origin{"peer": originOf(c.PKI.PeerCA), "client": originOf(c.PKI.ClientCA)},
			OneCA:  oneCA(c.PKI.PeerCA, c.PKI.ClientCA),
			Named:  clients, Gateway: gateway, Services: services,
		},
		Wish: w.Wish, Accept: w.Accept, Seen: s, Units: units.Reader{},
	}
}

func originOf(ca *inventory.GivenCA) trust.Origin {
	switch {
	case ca == nil:
		return trust.Ours
	case ca.External != nil:
		return trust.Server
	}
	return trust.Given
}

// oneCA says that the inventory names the same CA for both roles.
func oneCA(peer, client *inventory.GivenCA) bool {
	switch {
	case peer == nil || client == nil:
		return false
	case peer.External != nil && client.External != nil:
		return *peer.External == *client.External
	}
	return peer.External == nil && client.External == nil && peer.Cert == client.Cert
}

// holder is a member as one that has certificates.
func (v view) holder(m inventory.Member, host facts.Host) trust.Holder {
	return trust.Holder{
		Name: m.Name, Names: v.names(m, host), Peer: m.PeerAddress, Client: m.ClientAddress, Seen: host,
		Readable: func(role string) bool { return len(v.directories(m, host)) == 0 && len(v.wrongModes(role, host)) == 0 },
	}
}

func (v view) command(host facts.Host) []string { return v.trust.Command(host) }

// starts is the command line that the unit file of a host has.
func (v view) starts(host facts.Host) []string { return v.trust.Starts(host) }

// renew replaces certificates that are good by better ones, one member after the other. A member that still shows its
// old certificate restarts before the next one's turn comes.
func (v view) renew() (*plan.Stage, error) {
	stale := v.Known(func(_ inventory.Member, host facts.Host) bool {
		return len(trust.Unproven(host)) > 0
	})
	if stale {
		return nil, nil
	}
	var stage *plan.Stage
	v.Each(func(m inventory.Member, host facts.Host) {
		if stage == nil && v.class(m, host) != ClassRemoved {
			stage = v.trust.Renew(v.holder(m, host))
		}
	})
	return stage, nil
}

func (v view) rotate() (*plan.Stage, error) { return v.trust.Rotate(), nil }

func (v view) rotateWaits() []plan.Wait { return v.trust.Waits() }

// authorityRefusals are the reasons not to change CAs as asked. A wish that takes a cluster is refused where there is
// none.
func (v view) authorityRefusals() []plan.Refusal {
	if v.want.Existing && !v.formed {
		return plan.OneRefusal(plan.NoCluster, "", "clusterup apply makes it", "there is no cluster %s yet",
			v.want.Cluster.Name)
	}
	return v.trust.Refusals()
}

func (v view) trusted(m inventory.Member, host facts.Host) []plan.Refusal {
	return v.trust.Foreign(m.Name, host)
}

func (v view) outdated(m inventory.Member, host facts.Host) []plan.Refusal {
	return v.trust.Outdated(m.Name, host)
}

// Waiting says what waits for a word of the operator when nothing else is left to do: a member that is held, a paused
// rotation.
func Waiting(w Want, s facts.Snapshot) []string {
	waiting := Trust(w, s).Waiting()
	if held := Holding(w, s); held != "" {
		waiting = append([]string{held}, waiting...)
	}
	return waiting
}
