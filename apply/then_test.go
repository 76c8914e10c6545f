package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// sites are nodes beside a cluster, whose one service is to run, and the rules of them.
type sites struct {
	*world
	nodes   map[string]facts.Node
	first   string // a node whose service comes before anything else; empty: none does
	refused []plan.Refusal
	fault   func(node string) error // of a node whose service is started
	started []string
}

const siteUnit = "service"

func newSites(o *world, names ...string) *sites {
	n := &sites{world: o, nodes: map[string]facts.Node{}}
	for _, name := range names {
		n.nodes[name] = facts.Node{Machine: facts.Machine{Name: name}}
	}
	return n
}

func (n *sites) stage(names ...string) *plan.Stage {
	var steps []plan.Step
	for _, name := range names {
		steps = append(steps, plan.Step{Kind: plan.StartService, Host: name, Unit: siteUnit, Why: "not running"})
	}
	stage := plan.SideBySide("start nodes", "nothing is stopped", steps)
	if stage != nil {
		stage.Balancer = "front"
	}
	return stage
}

func (n *sites) First(s facts.Snapshot) *plan.Stage {
	if n.first == "" || s.Nodes[n.first].Units[siteUnit].Active == "active" {
		return nil
	}
	return n.stage(n.first)
}

func (n *sites) Next(s facts.Snapshot) (*plan.Stage, error) {
	var idle []string
	refusals := slices.Clone(n.refused)
	for _, name := range slices.Sorted(maps.Keys(s.Nodes)) {
		switch refused := slices.ContainsFunc(n.refused, func(r plan.Refusal) bool { return r.Host == name }); {
		case s.Nodes[name].Dark():
			refusals = append(refusals, plan.Refuse(plan.Unreachable, name, "", "no route"))
		case !refused && s.Nodes[name].Units[siteUnit].Active != "active":
			idle = append(idle, name)
		}
	}
	if stage := n.stage(idle...); stage != nil || len(refusals) == 0 {
		return stage, nil
	}
	return nil, &plan.Refused{Refusals: refusals}
}

func (n *sites) Simulate(s facts.Snapshot, _ plan.Stage) facts.Snapshot { return s }

func (n *sites) Unready(s facts.Snapshot) []string {
	var found []string
	for name, node := range s.Nodes {
		if node.Units[siteUnit].Result != "" {
			found = append(found, name+": "+node.Units[siteUnit].Result)
		}
	}
	return found
}

// siteHost is the host of a node, on which every script starts its service.
type siteHost struct {
	Host
	sites *sites
	name  string
}

func (h siteHost) Script(_ context.Context, script string) ([]byte, error) {
	h.sites.mu.Lock()
	defer h.sites.mu.Unlock()
	if !strings.Contains(script, siteUnit) {
		return nil, fmt.Errorf("what is it to do with\n%s", script)
	}
	if h.sites.fault != nil {
		if err := h.sites.fault(h.name); err != nil {
			return nil, err
		}
	}
	h.sites.started = append(h.sites.started, h.name)
	node := h.sites.nodes[h.name]
	node.Units = map[string]facts.Service{siteUnit: {Unit: facts.Unit{Active: "active"}}}
	h.sites.nodes[h.name] = node
	return nil, nil
}

// run is one of the world, with these nodes, and what it has told.
func (n *sites) run(token string) (r *Run, said *[]string) {
	r = n.world.run(token)
	gather, seam := r.Gather, r.Seam
	r.Gather = func(ctx context.Context, last *Last) (facts.Snapshot, error) {
		seen, err := gather(ctx, last)
		n.mu.Lock()
		defer n.mu.Unlock()
		seen.Nodes = map[string]facts.Node{}
		for name, node := range n.nodes {
			if n.dark[name] {
				node = facts.Node{Machine: facts.Machine{Name: name, Unreachable: "no route"}}
			}
			seen.Nodes[name] = node
		}
		for name := range n.dark {
			if _, isNode := n.nodes[name]; isNode {
				delete(seen.Hosts, name)
			}
		}
		return seen, err
	}
	r.Seam = seam
	for name := range n.nodes {
		r.Hosts[name] = siteHost{sites: n, name: name}
	}
	r.Then, said = n, new([]string)
	r.Emit = func(e Event) {
		if e.Type == Verified {
			*said = append(*said, e.Text)
		}
	}
	return r, said
}

// serving says whether all members serve.
func (n *sites) serving() bool {
	for _, host := range n.seen.Hosts {
		if !host.Reads {
			return false
		}
	}
	return true
}

// Nodes come after all that is done for the cluster, and before it is verified; what has to be first is.
func TestNodesComeLast(t *testing.T) {
	for _, first := range []string{"", "lb-2"} {
		inBubble(t, "first: "+first, func(t *testing.T) {
			n := newSites(newWorld(t, wanted(t, 3)), "lb-1", "lb-2")
			n.first = first
			n.fault = func(node string) error {
				if n.serving() == (node == first) || len(n.canary) > 0 {
					t.Errorf("%s is started; members serve: %t, keys were written through %v", node, n.serving(), n.canary)
				}
				return nil
			}
			r, said := n.run("first")
			result, err := r.Converge(t.Context())
			if err != nil || len(*said) != 1 || len(n.started) != 2 || len(n.canary) != 3 {
				t.Fatalf("%v, verified %q, started %v", err, *said, n.started)
			}
			if first != "" && n.started[0] != first {
				t.Errorf("started in the order %v", n.started)
			}
			if result.Steps == 0 {
				t.Error("no step was counted")
			}
			r, _ = n.run("second")
			if result, err := r.Converge(t.Context()); err != nil || result.Steps != 0 || len(n.started) != 2 {
				t.Errorf("law 9: %d steps, %v", result.Steps, err)
			}
		})
	}
}

// A refusal of a node ends the run once all else is done and verified. What verification finds comes first.
func TestNodeRefused(t *testing.T) {
	foreign := []plan.Refusal{plan.Refuse(plan.ForeignConfig, "lb-1", "move it away", "it is somebody else's")}
	inBubble(t, "verified", func(t *testing.T) {
		n := newSites(newWorld(t, wanted(t, 1)), "lb-1", "lb-2")
		n.refused = foreign
		r, said := n.run("first")
		_, err := r.Converge(t.Context())
		var refused *plan.Refused
		if !errors.As(err, &refused) || !refused.Beside || refused.Refusals[0].Kind != plan.ForeignConfig ||
			errors.As(err, new(*DarkError)) {
			t.Errorf("%v, want the refusal", err)
		}
		if len(*said) != 1 || !slices.Equal(n.started, []string{"lb-2"}) || !n.serving() {
			t.Errorf("verified %q, started %v", *said, n.started)
		}
	})
	inBubble(t, "not ready", func(t *testing.T) {
		n := newSites(newWorld(t, wanted(t, 1)), "lb-1", "lb-2")
		n.refused = foreign
		node := n.nodes["lb-2"]
		node.Units = map[string]facts.Service{siteUnit: {Unit: facts.Unit{Active: "active", Result: "is reloading"}}}
		n.nodes["lb-2"] = node
		r, _ := n.run("first")
		_, err := r.Converge(t.Context())
		var wrong *VerifyError
		if !errors.As(err, &wrong) || !slices.Equal(wrong.Findings, []string{"lb-2: is reloading"}) || len(wrong.Dark) > 0 {
			t.Errorf("%v, want what was found", err)
		}
	})
}

// A node that goes dark while something is done there is left out, and named in the end. So is one that can be seen and
// on which a step fails, and that step is the run's error.
func TestNodeGoesDark(t *testing.T) {
	for _, dark := range []bool{true, false} {
		inBubble(t, fmt.Sprintf("dark: %t", dark), func(t *testing.T) {
			n := newSites(newWorld(t, wanted(t, 1)), "lb-1", "lb-2")
			n.fault = func(node string) error {
				if node != "lb-1" {
					return nil
				}
				if dark {
					n.dark = map[string]bool{"lb-1": true}
				}
				return errFault
			}
			r, said := n.run("first")
			_, err := r.Converge(t.Context())
			if !dark {
				if !errors.As(err, new(*StageError)) || len(*said) != 1 || !slices.Contains(n.started, "lb-2") {
					t.Errorf("%v, verified %q, started %v", err, *said, n.started)
				}
				return
			}
			var end *DarkError
			if !errors.As(err, &end) || len(end.Refusals) != 1 || end.Refusals[0].Host != "lb-1" ||
				end.Unfinished != "start nodes" {
				t.Errorf("%v, want one of the dark node", err)
			}
			if !slices.Equal(n.started, []string{"lb-2"}) || len(*said) != 1 {
				t.Errorf("started %v, verified %q", n.started, *said)
			}
		})
	}
}
