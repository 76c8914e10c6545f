package view

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/pool"
)

// backendObject is one server of a balancer, with --json.
type backendObject struct {
	Type      string `json:"type"` // "backend"
	Balancer  string `json:"balancer"`
	Server    string `json:"server"`
	Inventory bool   `json:"inventory"` // the inventory names it
	// nil: there is no key, or its value is not as it must be
	Key     *pool.Server `json:"key,omitempty"`
	Problem string       `json:"problem,omitempty"`
}

// balancerStatus is how the servers of a balancer stand.
type balancerStatus struct {
	Name string `json:"name"`
	// why they are not known, so that all else is zero; empty: they are
	Problem string `json:"problem,omitempty"`
	Servers int    `json:"servers,omitempty"` // with a key that is as it must be
	Taking  int    `json:"taking,omitempty"`  // of these, how many take clients
	// servers that the inventory does not name, or whose keys are not as they must be
	Stray          []string `json:"stray,omitempty"`
	Unreadable     []string `json:"unreadable,omitempty"`
	PendingChanges []string `json:"pending_changes,omitempty"`
}

// balancers are those of the inventory.
func (l Look) balancers() []balancerStatus {
	var all []balancerStatus
	for _, b := range l.Want.Cluster.Balancers {
		seen, known := l.Seen.Pools[b.Name]
		problem := l.Seen.PoolErrors[b.Name]
		switch {
		case known || problem != "":
		case l.Ports || l.Observer != nil:
			problem = "an observer may not read its keys"
		default:
			problem = "no member is known to serve"
		}
		status := balancerStatus{
			Name: b.Name, Problem: problem, Servers: len(seen.Servers), Taking: pool.Taking(seen.Servers),
			Stray: etcd.StrayServers(b, seen),
		}
		for _, name := range slices.Sorted(maps.Keys(seen.Bad)) {
			status.Unreadable = append(status.Unreadable, facts.Shown(name))
		}
		for _, stage := range l.Plan.Stages {
			for _, step := range stage.Steps {
				if step.Pool != nil && step.Pool.Balancer == b.Name {
					status.PendingChanges = append(status.PendingChanges, clusterChange(step))
				}
			}
		}
		all = append(all, status)
	}
	return all
}

// show says in a line how they stand, and what is to change.
func (b balancerStatus) show(out io.Writer) {
	if b.Problem != "" {
		fprintf(out, "Balancer %s: not known: %s\n", b.Name, clipped(b.Problem))
		return
	}
	text := fmt.Sprintf("%s, of which %d take clients", Plural(b.Servers, "server"), b.Taking)
	if n := len(b.Unreadable); n > 0 {
		text += fmt.Sprintf("; %s not readable", Plural(n, "key"))
	}
	fprintf(out, "Balancer %s: %s.\n", b.Name, text)
	for _, change := range b.PendingChanges {
		fprintf(out, "%s: %s\n", b.Name, change)
	}
}

// followerObject is what one node tells of a balancer's servers, with --json.
type followerObject struct {
	Type     string `json:"type"` // "follower"
	Balancer string `json:"balancer"`
	Node     string `json:"node"`
	pool.Report
	Problem string `json:"problem,omitempty"` // why it has not what the keys say; empty: it has
}

// Follows is what is known of those who follow the keys of a balancer.
type Follows struct {
	Seen  pool.Wanted // the keys
	Told  []pool.Told
	Nodes []string // that the inventory wants
}

// lacks says of each node why it has not what the keys say; empty: it has. Those that tell nothing are at the end.
func (f Follows) lacks() (all []followerObject) {
	told := map[string]bool{}
	for _, t := range f.Told {
		told[t.Node] = true
		all = append(all, followerObject{"follower", "", t.Node, t.Report, t.Lacks(f.Seen)})
	}
	for _, name := range f.Nodes {
		if !told[name] {
			all = append(all, followerObject{Type: "follower", Node: name, Problem: "no report"})
		}
	}
	return all
}

// ShowBackends shows the servers of a balancer, of which the inventory names some, and who follows them.
func (c *Console) ShowBackends(balancer string, named []string, f Follows) {
	seen, all := f.Seen, map[string]backendObject{}
	for _, name := range named {
		all[name] = backendObject{Inventory: true, Problem: "it has no key yet"}
	}
	for name := range seen.Revisions {
		one := backendObject{Inventory: slices.Contains(named, name), Problem: seen.Bad[name]}
		if server, good := seen.Servers[name]; good {
			one.Key = &server
		}
		all[name] = one
	}
	if !c.JSON {
		c.backends(balancer, all, f)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		one := all[name]
		one.Type, one.Balancer, one.Server = "backend", balancer, name
		c.Object(one)
	}
	for _, node := range f.lacks() {
		node.Balancer = balancer
		c.Object(node)
	}
}

func (c *Console) backends(balancer string, all map[string]backendObject, f Follows) {
	if len(all) == 0 {
		fprintf(c.Out, "%s has no servers.\n", balancer)
	} else {
		table := c.Table("SERVER", "ADDRESS", "CHECK", "WEIGHT", "STATE", "INVENTORY")
		for _, name := range slices.Sorted(maps.Keys(all)) {
			one, has := all[name], "-"
			if one.Inventory {
				has = "yes"
			}
			if one.Key == nil {
				table.Row(facts.Shown(name), "-", "-", "-", "-", has)
				continue
			}
			table.Row(name, netip.AddrPortFrom(one.Key.Address, one.Key.Port).String(), strconv.Itoa(int(one.Key.Check)),
				strconv.Itoa(one.Key.Weight), string(one.Key.State), has)
		}
		_ = table.End()
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if problem := all[name].Problem; problem != "" {
			fprintf(c.Out, "%s: %s\n", facts.Shown(name), problem)
		}
	}
	c.ShowFollowers(balancer, f)
}

// ShowFollowers says which nodes have done what the keys of a balancer say, and why others have not.
func (c *Console) ShowFollowers(balancer string, f Follows) {
	all := f.lacks()
	if len(all) == 0 {
		fprintf(c.Out, "Nobody follows the keys of %s.\n", balancer)
	}
	for _, node := range all {
		fprintf(c.Out, "%s: %s\n", node.Node, cmp.Or(clipped(node.Problem), "has it"))
	}
}

// clipped is a text of somebody else's program on one line.
func clipped(text string) string {
	const most = 300 // bytes
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
