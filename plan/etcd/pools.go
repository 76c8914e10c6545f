package etcd

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/pool"
)

// The servers of a balancer are keys in etcd, which anybody may write who is allowed to. The inventory decides where
// the servers are that it names, and how much they get, and never whether they are in use: one that was drained stays
// drained. Servers that it does not name are left alone. What would leave too few servers is not written, since the
// nodes of the balancer would not go along.

// Backend is what a verb wants of one server of a balancer.
type Backend struct {
	Balancer, Server string
	Add              *pool.Server // it is to be there, as this; nil: see State
	State            pool.State   // that it is to have; empty: it is to go
}

// NextBackend is Next for a verb that changes one server of a balancer, and does nothing else. There is nothing to do
// where the server is as it is to be, or is not there; but where few are left of the servers and that is agreed to, it
// is confirmed, since a node may hold it back still.
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
		seen, through := v.pool(b.Balancer)
		why, failed := v.seen.PoolErrors[b.Balancer]
		switch alarms := v.alarms(); {
		case failed:
			return nil, &plan.Refused{Refusals: plan.OneRefusal(plan.Backends, "", poolRemedy(b.Balancer, why),
				"the servers of %s are not known: %s", b.Balancer, why)}
		case through == "":
			return nil, &plan.Refused{Refusals: plan.OneRefusal(plan.Backends, "",
				"bring the members back first: clusterup status INVENTORY shows what is wrong with them",
				"no member is known to serve, so the servers of %s are not known, and cannot be changed", b.Balancer)}
		case len(alarms) > 0:
			return nil, &plan.Refused{Refusals: plan.OneRefusal(plan.Alarmed, "", alarms[0].Remedy,
				"%s; servers change when the alarm is gone", alarms[0].Text)}
		}
		put, remove := b.change(seen, serversOf(w.Cluster.Balancers[at]))
		confirms := w.accepts(plan.Shrink) && seen.Generation.Confirm != pool.Digest(seen.Servers) &&
			pool.Taking(seen.Servers) > 0
		if len(put)+len(remove) == 0 && !confirms {
			return nil, nil
		}
		return v.changePool(through, seen, seen.Change(b.Balancer, put, remove...), put, "it is asked for")
	}
}

// change is what has to be put and removed; given are the servers of the inventory.
func (b Backend) change(seen pool.Wanted, given map[string]pool.Server) (put map[string]pool.Server, remove []string) {
	server, there := seen.Servers[b.Server]
	if !there {
		server, there = given[b.Server]
	}
	switch {
	case b.Add != nil && seen.Revisions[b.Server] == 0:
		return map[string]pool.Server{b.Server: *b.Add}, nil
	case b.Add != nil:
		return nil, nil
	case b.State == "" && seen.Revisions[b.Server] == 0:
		return nil, nil
	case b.State == "":
		return nil, []string{b.Server}
	case !there:
		return nil, nil
	}
	if server.State = b.State; seen.Servers[b.Server] == server {
		return nil, nil
	}
	return map[string]pool.Server{b.Server: server}, nil
}

// poolRemedy is what to do where the keys of a balancer cannot be read.
func poolRemedy(balancer, why string) string {
	if strings.Contains(why, pool.TooMany) {
		return "delete those that nobody needs: " + etcdctl("del /clusterup/"+balancer+"/server/NAME")
	}
	return askAgain
}

// pools is the next stage by which servers come to be as the inventory says, one balancer at a time. What is not known
// keeps nothing else from being done: notes tell of it.
func (v view) pools() (*plan.Stage, error) {
	for _, b := range v.want.Cluster.Balancers {
		seen, through := v.pool(b.Name)
		put := lackingServers(b, seen)
		if through == "" || len(put) == 0 || len(v.alarms()) > 0 {
			continue
		}
		return v.changePool(through, seen, seen.Change(b.Name, inPart(put)), put, whyServers(seen, put))
	}
	return nil, nil
}

// lackingServers are those that have to be put, but for those whose keys are not readable: whether these take clients
// is in their keys alone.
func lackingServers(b inventory.Balancer, seen pool.Wanted) map[string]pool.Server {
	put := map[string]pool.Server{}
	for name, server := range serversOf(b) {
		is := seen.Servers[name]
		if is.State != "" {
			server.State = is.State
		}
		if _, bad := seen.Bad[name]; !bad && is != server {
			put[name] = server
		}
	}
	return put
}

// inPart are as many servers as one transaction takes, those first that take clients.
func inPart(put map[string]pool.Server) map[string]pool.Server {
	names := slices.Sorted(maps.Keys(put))
	slices.SortStableFunc(names, func(a, b string) int {
		switch {
		case put[a].Takes() == put[b].Takes():
			return 0
		case put[a].Takes():
			return -1
		}
		return 1
	})
	part := map[string]pool.Server{}
	for _, name := range names[:min(len(names), pool.MaxChange)] {
		part[name] = put[name]
	}
	return part
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

// pool is what the keys of a balancer say, and a member through which they can be changed; "": none is known to serve,
// or nobody has read them.
func (v view) pool(balancer string) (seen pool.Wanted, through string) {
	serving := v.Which(func(m inventory.Member, host facts.Host) bool { return v.votes(m) && v.serves(host) })
	seen, read := v.seen.Pools[balancer]
	_, failed := v.seen.PoolErrors[balancer]
	if !v.formed || len(serving) == 0 || failed || !read && !v.seen.Simulated {
		return pool.Wanted{}, ""
	}
	return seen, serving[0]
}

// changePool is the stage of one change, which is a part of all that is to be put, unless nodes would hold that back.
func (v view) changePool(through string, seen pool.Wanted, change pool.Change, put map[string]pool.Server, why string,
) (*plan.Stage, error) {
	whole := seen.Change(change.Balancer, put, change.Remove...)
	gate := "one transaction, unless somebody else has changed servers since they were read"
	agreed := v.want.accepts(plan.Shrink)
	switch short, confirmable := whole.Shrinks(seen); {
	case len(whole.After(seen).Revisions) > pool.MaxServers:
		return nil, &plan.Refused{Refusals: plan.OneRefusal(plan.Backends, "",
			fmt.Sprintf("remove those that nobody needs first: clusterup backend remove %s NAME INVENTORY", change.Balancer),
			"%s would have more than %d servers, and its nodes would follow none of them", change.Balancer, pool.MaxServers)}
	case short == "":
	case !confirmable:
		return nil, &plan.Refused{Refusals: plan.OneRefusal(plan.Backends, "",
			fmt.Sprintf("add another server first: clusterup backend add %s NAME --address A:P INVENTORY; or stop HAProxy on its nodes",
				change.Balancer),
			"%s: %s, and its nodes never go along with that", change.Balancer, short)}
	case !agreed:
		return nil, &plan.Refused{Refusals: plan.OneRefusal(plan.NeedsConsent, "",
			"run again with --accept="+string(plan.Shrink), "%s: %s at once, and its nodes go along with that only where it is confirmed",
			change.Balancer, short)}
	}
	left := change.After(seen)
	digest := pool.Digest(left.Servers)
	part, _ := change.Shrinks(seen)
	if part != "" || agreed || seen.Generation.Confirm == digest { // which a node may need still
		change.Confirm = digest
	}
	if agreed {
		gate = "--accept=" + string(plan.Shrink) + " was given; " + gate
	}
	if pool.Taking(left.Servers) < pool.Taking(seen.Servers) {
		change.Rest(seen)
	}
	return plan.SideBySide("servers of "+change.Balancer, gate, []plan.Step{{
		Kind: plan.PutServers, Host: through, Pool: &change, Why: why,
	}}), nil
}

// poolNotes say what there is that the inventory has not, and stays.
func (v view) poolNotes() []string {
	var found []string
	for _, b := range v.want.Cluster.Balancers {
		seen, through := v.pool(b.Name)
		if why, failed := v.seen.PoolErrors[b.Name]; failed {
			found = append(found, fmt.Sprintf("the servers of %s are not known, and not compared with the inventory: %s; %s", b.Name,
				why, poolRemedy(b.Name, why)))
		}
		for _, server := range b.Servers {
			if why, bad := seen.Bad[server.Name]; bad {
				found = append(found, UnreadableServer(b.Name, server.Name, why))
			}
		}
		if through != "" && len(v.alarms()) > 0 && len(lackingServers(b, seen)) > 0 {
			found = append(found, fmt.Sprintf("servers of %s change when the alarm %s is gone", b.Name, v.alarms()[0].Type))
		}
		if strays := StrayServers(b, seen); len(strays) > 0 {
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

// UnreadableServer says what to do about a server of the inventory whose key is not readable.
func UnreadableServer(balancer, name, why string) string {
	return fmt.Sprintf("the key of the server %s of %s is not readable (%s), so it is not known whether it is to take clients: "+
		"clusterup backend ready %s %s INVENTORY writes it anew, or drain, or maint", name, balancer, why, balancer, name)
}
