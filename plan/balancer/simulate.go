package balancer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	files "github.com/clusterup/clusterup/units/balancer"
)

// Simulate is what is to be seen after a stage.
func Simulate(w Want, s facts.Snapshot, stage plan.Stage) facts.Snapshot {
	for _, step := range stage.Steps {
		s = SimulateStep(w, s, stage.Balancer, step)
	}
	return s
}

// SimulateStep is what is to be seen after one step on a node of a balancer.
func SimulateStep(w Want, s facts.Snapshot, balancer string, step plan.Step) facts.Snapshot {
	if step.Kind.Traits().Where != plan.Node { // on the control machine
		return etcd.SimulateStep(w.Etcd, s, step)
	}
	s.Nodes = maps.Clone(s.Nodes)
	seen := s.Nodes[step.Host]
	seen.Software, seen.Units, seen.Users = maps.Clone(seen.Software), maps.Clone(seen.Units), maps.Clone(seen.Users)
	seen.Files, seen.Binaries, seen.Pairs = maps.Clone(seen.Files), maps.Clone(seen.Binaries), maps.Clone(seen.Pairs)
	s.Nodes[step.Host] = seen
	if step.Kind == plan.IssueClient {
		s.Operator.Clients = recorded(s, step)
	}
	for _, b := range w.Etcd.Cluster.Balancers {
		if b.Name != balancer {
			continue
		}
		for _, n := range nodesOf(w, s, b) {
			if n.Name == step.Host {
				s.Nodes[step.Host] = n.after(step, s)
			}
		}
	}
	return s
}

// recorded are the client certificates, with the one of a step.
func recorded(s facts.Snapshot, step plan.Step) []facts.Client {
	all := append(slices.Clone(s.Operator.Clients), facts.Client{
		Name: step.Client, Serial: plan.Placeholder, Generation: step.Leaf.Generation, NotBefore: s.Taken,
		NotAfter: s.Taken.Add(step.Leaf.Lifetime),
	})
	slices.SortStableFunc(all, func(a, b facts.Client) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.NotBefore.Compare(b.NotBefore))
	})
	return all
}

// after is what is seen of the node after a step.
func (n node) after(step plan.Step, s facts.Snapshot) facts.Node {
	seen := n.seen
	switch step.Kind {
	case plan.InstallPackages:
		for _, name := range step.Packages {
			p := seen.Software[name]
			if p.Version == "" {
				p.Version, p.Candidate = p.Candidate, ""
			}
			p.Held = true
			put(&seen.Software, name, p)
		}
	case plan.PrepareService:
		put(&seen.Users, step.Account, true)
		for _, p := range step.Paths {
			put(&seen.Files, p.Path, facts.File{Kind: facts.Dir, Owner: p.Owner, Group: p.Group, Mode: p.Mode})
		}
	case plan.PlaceProgram:
		put(&seen.Binaries, step.Program.Path, step.Program.SHA256)
	case plan.IssueClient:
		put(&seen.Pairs, files.PairLink(n.balancer.Name), n.issued(step.Leaf, s))
	case plan.WriteService:
		for _, c := range step.Changes {
			put(&seen.Files, c.Path, facts.File{
				Kind: facts.Regular, Owner: c.Owner, Group: c.Group, Mode: c.Mode, Size: int64(len(c.Data)), Content: c.Data,
			})
		}
		if step.Unit != "" {
			unit := seen.Units[step.Unit]
			unit.Load, unit.NeedsReload = "loaded", false
			put(&seen.Units, step.Unit, unit)
		}
	case plan.StartService, plan.RestartService, plan.ReloadService:
		n.running(step, &seen)
		remove(&seen, step.Paths)
	case plan.RemoveService:
		unit := seen.Units[step.Unit]
		unit.Active, unit.Enabled, unit.Process = "inactive", "disabled", nil
		put(&seen.Units, step.Unit, unit)
		remove(&seen, step.Paths)
	}
	return seen
}

// remove removes files, and directories with all that is in them.
func remove(seen *facts.Node, paths []plan.Path) {
	for _, p := range paths {
		within := func(at string) bool { return at == p.Path || strings.HasPrefix(at, p.Path+"/") }
		maps.DeleteFunc(seen.Files, func(at string, _ facts.File) bool { return within(at) })
		maps.DeleteFunc(seen.Pairs, func(at string, _ facts.Leaf) bool { return within(at) })
		maps.DeleteFunc(seen.Binaries, func(at, _ string) bool { return within(at) })
	}
}

func put[V any](to *map[string]V, key string, value V) {
	if *to == nil {
		*to = map[string]V{}
	}
	(*to)[key] = value
}

// running is a unit that runs with what was wanted of it.
func (n node) running(step plan.Step, seen *facts.Node) {
	unit := seen.Units[step.Unit]
	unit.Load, unit.Active, unit.Enabled = "loaded", "active", "enabled"
	process := facts.Process{PID: 1}
	if unit.Process != nil {
		process = *unit.Process
	}
	if step.Unit == n.unit() {
		process.Args = files.Args(n.runs)
	}
	unit.Process = &process
	put(&seen.Units, step.Unit, unit)
	if step.Loaded != "" {
		put(&seen.Files, step.Loaded, facts.File{
			Kind: facts.Regular, Owner: "root", Group: "root", Mode: 0o644,
			Content: []byte(digest(seen.Files[step.Config].Content) + "\n"),
		})
	}
}

// issued is a certificate as it will be.
func (n node) issued(leaf *plan.Leaf, s facts.Snapshot) facts.Leaf {
	issued := facts.Leaf{
		Role: leaf.Role, Dir: files.PairLink(n.balancer.Name) + "-" + plan.Placeholder, Intact: true, CN: leaf.CN,
		Algorithm: leaf.Algorithm, NotBefore: s.Taken.Add(-time.Minute), NotAfter: s.Taken.Add(leaf.Lifetime),
	}
	for _, ca := range s.Operator.CAs {
		if ca.Role == leaf.CA && ca.Generation == leaf.Generation {
			issued.Issuer = ca.SHA256
			if ca.NotAfter.Before(issued.NotAfter) && !ca.NotAfter.IsZero() {
				issued.NotAfter = ca.NotAfter
			}
		}
	}
	return issued
}

// Unready says what is wrong with nodes at which nothing is left to do, but for those that are left as they are.
func Unready(w Want, s facts.Snapshot) []string {
	var found []string
	for _, b := range w.Etcd.Cluster.Balancers {
		for _, n := range present(nodesOf(w, s, b)) {
			if len(n.refusals(s)) > 0 {
				continue
			}
			for _, unit := range []string{files.HAProxyUnit, n.unit()} {
				if active := n.seen.Units[unit].Active; active != "active" {
					found = append(found, fmt.Sprintf("%s: %s is %s", n.Name, unit, cmp.Or(active, "not there")))
				}
			}
		}
	}
	return found
}
