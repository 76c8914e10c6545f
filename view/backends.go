package view

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/clusterup/clusterup/facts"
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

// followerObject is what one node tells of a balancer's servers, with --json.
type followerObject struct {
	Type     string `json:"type"` // "follower"
	Balancer string `json:"balancer"`
	Node     string `json:"node"`
	pool.Report
	Problem string `json:"problem,omitempty"` // why it has not what the keys say; empty: it has
}

// ShowBackends shows the servers of a balancer, of which the inventory names some, and who follows them.
func (c *Console) ShowBackends(balancer string, named []string, seen pool.Wanted, told []pool.Told) {
	all := map[string]backendObject{}
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
		c.backends(balancer, all, seen, told)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		one := all[name]
		one.Type, one.Balancer, one.Server = "backend", balancer, name
		c.Object(one)
	}
	for _, t := range told {
		c.Object(followerObject{"follower", balancer, t.Node, t.Report, t.Lacks(seen)})
	}
}

func (c *Console) backends(balancer string, all map[string]backendObject, seen pool.Wanted, told []pool.Told) {
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
	c.ShowFollowers(balancer, seen, told)
}

// ShowFollowers says which nodes have done what the keys of a balancer say, and why others have not.
func (c *Console) ShowFollowers(balancer string, seen pool.Wanted, told []pool.Told) {
	if len(told) == 0 {
		fprintf(c.Out, "Nobody follows the keys of %s.\n", balancer)
	}
	for _, t := range told {
		fprintf(c.Out, "%s: %s\n", t.Node, cmp.Or(clipped(t.Lacks(seen)), "has it"))
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
