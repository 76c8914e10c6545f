package etcd

import (
	"fmt"
	"maps"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/pool"
)

// The servers of a balancer are keys in etcd, which anybody may write who is allowed to. The inventory decides where the
// servers are that it names, and how much they get, and never whether they are in use: one that was drained stays
// drained. Servers that it does not name are left alone. What would leave too few servers is not written, since the
// nodes of the balancer would not go along.

// Backend is what a verb wants of one server of a balancer.
type Backend struct {
	Balancer, Server string
	Add              *pool.Server // it is to be there, as this; nil: see State
	State            pool.State   // that it is to have; empty: it is to go
}

// NextBackend is Next for a verb that changes one server of a balancer, and does nothing else. There is nothing to do
// where the server is as it is to be, or is not there.
func NextBackend(b Backend) func(Want, facts.Snapshot) (*plan.Stage, error) {
	return func(w Want, s facts.Snapshot) (*plan.Stage, error) {
		v := newView(w, s)
		if refusals := v.singleRefusals(); len(refusals) > 0 {
			return nil, &plan.Refused{Refusals: refusals}
		}
		at := slices.IndexFunc(w.Cluster.Balancers, func(has inventory.Balancer) bool { return has.Name == b.Balancer })
		if at < 0 {
			return nil, nil
		}
		seen, through, err := v.pool(b.Balancer)
		if err != nil || through == "" {
			return nil, err
		}
		server, there := seen.Servers[b.Server]
		wanted := server
		switch {
		case b.Add != nil && there:
			return nil, nil
		case b.Add != nil:
			wanted = *b.Add
		case b.State == "":
			if seen.Revisions[b.Server] == 0 {
				return nil, nil
			}
			return v.changePool(through, seen, seen.Change(b.Balancer, nil, b.Server), "it is asked for")
		case !there:
			given, is := serversOf(w.Cluster.Balancers[at])[b.Server]
			if !is {
				return nil, nil
			}
			wanted = given
		}
		if b.Add == nil {
			wanted.State = b.State
		}
		if there && wanted == server {
			return nil, nil
		}
		return v.changePool(through, seen, seen.Change(b.Balancer, map[string]pool.Server{b.Server: wanted}),
			"it is asked for")
	}
}

// pools is the next stage by which servers come to be as the inventory says, one balancer at a time.
func (v view) pools() (*plan.Stage, error) {
	for _, b := range v.want.Cluster.Balancers {
		seen, through, err := v.pool(b.Name)
		if err != nil || through == "" {
			return nil, err
		}
		put := map[string]pool.Server{}
		wanted := serversOf(b)
		for _, name := range slices.Sorted(maps.Keys(wanted)) {
			server, is := wanted[name], seen.Servers[name]
			if is.State != "" {
				server.State = is.State
			}
			if _, bad := seen.Bad[name]; bad {
				return nil, &plan.Refused{Refusals: plan.OneRefusal(plan.Backends, "",
					fmt.Sprintf("say which it is to be: clusterup backend ready %s %s INVENTORY, or drain, or maint", b.Name, name),
					"the key of the server %s of %s is not readable (%s), so it is not known whether it is to take clients", name,
					b.Name, seen.Bad[name])}
			}
			if is != server && len(put) < pool.MaxChange {
				put[name] = server
			}
		}
		if len(put) > 0 {
			return v.changePool(through, seen, seen.Change(b.Name, put), whyServers(seen, put))
		}
	}
	return nil, nil
}

func whyServers(seen pool.Wanted, put map[string]pool.Server) string {
	var added, changed []string
	for _, name := range slices.Sorted(maps.Keys(put)) {
		if _, there := seen.Servers[name]; there {
			changed = append(changed, name)
		} else {
			added = append(added, name)
		}
	}
	switch {
	case len(changed) == 0:
		return "the inventory has " + plan.Enumerate(added)
	case len(added) == 0:
		return "the inventory has " + plan.Enumerate(changed) + " otherwise"
	}
	return fmt.Sprintf("the inventory has %s, and %s otherwise", plan.Enumerate(added), plan.Enumerate(changed))
}

// serversOf are the servers that the inventory names, as new ones.
func serversOf(b inventory.Balancer) map[string]pool.Server {
	all := map[string]pool.Server{}
	for _, s := range b.Servers {
		all[s.Name] = pool.Server{
			Address: s.Address, Port: uint16(s.Port), Check: uint16(s.Check), Weight: s.Weight, State: pool.Ready,
		}
	}
	return all
}

// pool is what the keys of a balancer say, and a member through which they can be changed; "": none serves, or nobody
// has read them, since none served.
func (v view) pool(balancer string) (seen pool.Wanted, through string, err error) {
	serving := v.Which(func(m inventory.Member, host facts.Host) bool { return v.votes(m) && v.serves(host) })
	if !v.formed || len(serving) == 0 {
		return pool.Wanted{}, "", nil
	}
	if why, failed := v.seen.PoolErrors[balancer]; failed {
		return pool.Wanted{}, "", &plan.Refused{Refusals: plan.OneRefusal(plan.Backends, "",
			"run the same command again; if it stays so, clusterup logs INVENTORY shows what the members say of it",
			"the servers of %s are not known: %s", balancer, why)}
	}
	seen, read := v.seen.Pools[balancer]
	if !read && !v.seen.Simulated {
		return pool.Wanted{}, "", nil
	}
	return seen, serving[0], nil
}

// changePool is the stage of one change, unless nodes would hold it back, or etcd takes no writes now.
func (v view) changePool(through string, seen pool.Wanted, change pool.Change, why string) (*plan.Stage, error) {
	if alarms := v.alarms(); len(alarms) > 0 {
		return nil, &plan.Refused{Refusals: plan.OneRefusal(plan.Alarmed, "", alarms[0].Remedy,
			"%s; servers change when the alarm is gone", alarms[0].Text)}
	}
	gate := "one transaction, unless somebody else has changed these keys since they were read"
	switch short, confirmable := change.Shrinks(seen); {
	case short == "":
	case !confirmable:
		return nil, &plan.Refused{Refusals: plan.OneRefusal(plan.Backends, "",
			fmt.Sprintf("add another server first: clusterup backend add %s NAME --address A:P INVENTORY; or stop HAProxy on its nodes",
				change.Balancer),
			"%s: %s, and its nodes never go along with that", change.Balancer, short)}
	case !v.want.accepts(plan.Shrink):
		return nil, &plan.Refused{Refusals: plan.OneRefusal(plan.NeedsConsent, "",
			"run again with --accept="+string(plan.Shrink), "%s: %s at once, and its nodes go along with that only where it is confirmed",
			change.Balancer, short)}
	default:
		change.Confirm = pool.Digest(change.After(seen).Servers)
		gate = "--accept=" + string(plan.Shrink) + " was given; " + gate
	}
	return plan.SideBySide("servers of "+change.Balancer, gate, []plan.Step{{
		Kind: plan.PutServers, Host: through, Pool: &change, Why: why,
	}}), nil
}

// poolNotes say what there is that the inventory has not, and stays.
func (v view) poolNotes() []string {
	var found []string
	for _, b := range v.want.Cluster.Balancers {
		if strays := StrayServers(b, v.seen.Pools[b.Name]); len(strays) > 0 {
			found = append(found, fmt.Sprintf("%s has servers that the inventory does not name, and they stay: %s", b.Name,
				some(strays, ", ")))
		}
	}
	return found
}

// StrayServers are those, as they are shown, whose keys are there and that the inventory does not name.
func StrayServers(b inventory.Balancer, seen pool.Wanted) []string {
	wanted := serversOf(b)
	var strays []string
	for _, name := range slices.Sorted(maps.Keys(seen.Revisions)) {
		if _, is := wanted[name]; !is {
			strays = append(strays, facts.Shown(name))
		}
	}
	return strays
}
