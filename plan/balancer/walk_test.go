package balancer

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	files "github.com/clusterup/clusterup/units/balancer"
)

// walker walks states, and holds every decision of Next on the way against the laws.
type walker struct {
	t    *testing.T
	w    Want
	seen map[string]bool // states that lead to an end
	ends int
	kind map[plan.Kind]bool // of all steps that were wanted
}

func (k *walker) fail(way, format string, args ...any) {
	k.t.Helper()
	k.t.Fatalf("%s\nafter: %s", fmt.Sprintf(format, args...), way)
}

// walk goes on from a state to its end: with each stage whole, cut after each step on each host, in the middle of a
// step, and with each node dark.
func (k *walker) walk(s facts.Snapshot, way string) {
	k.t.Helper()
	id := text(k.t, s.Nodes) + text(k.t, s.Operator.Clients)
	if k.seen[id] {
		return
	}
	k.seen[id] = true
	if strings.Count(way, "→") > 60 {
		k.fail(way, "no end")
	}
	stage, err := Next(k.w, s)
	if again, errAgain := Next(k.w, s); text(k.t, again) != text(k.t, stage) || !reflect.DeepEqual(err, errAgain) {
		k.fail(way, "twice the same facts, and two plans")
	}
	if stage == nil {
		k.ended(s, err, way)
		return
	}
	if err != nil {
		k.fail(way, "a stage, and %v", err)
	}
	if err := lawful(k.w, s, *stage); err != nil {
		k.fail(way, "%s: %v", stage.Name, err)
	}
	for _, step := range stage.Steps {
		k.kind[step.Kind] = true
	}
	k.walk(Simulate(k.w, s, *stage), way+" → "+stage.Name)
	for i, part := range cut(*stage) {
		k.walk(Simulate(k.w, s, part), fmt.Sprintf("%s → %s, cut %d", way, stage.Name, i))
	}
	for _, n := range k.w.Etcd.Cluster.Nodes() {
		if !s.Nodes[n.Name].Dark() {
			k.without(s, n.Name, way)
		}
	}
}

// ended holds the end of a way: nodes that are seen are as they are wanted, and those that are not are named.
func (k *walker) ended(s facts.Snapshot, err error, way string) {
	k.t.Helper()
	k.ends++
	if err != nil {
		k.fail(way, "%v", err)
	}
	if found := Unready(k.w, s); len(found) > 0 {
		k.fail(way, "nothing is left to do, and %q", found)
	}
	if err := finished(k.w, s); err != nil {
		k.fail(way, "%v", err)
	}
}

// without goes to the end with a node that cannot be seen: the others do not wait for it.
func (k *walker) without(s facts.Snapshot, name, way string) {
	k.t.Helper()
	before := s.Nodes[name]
	s = dark(s, name)
	for range 60 {
		stage, err := Next(k.w, s)
		if stage == nil {
			var refused *plan.Refused
			if !errors.As(err, &refused) || !refused.Only(plan.Unreachable) || len(refused.Refusals) != 1 ||
				refused.Refusals[0].Host != name {
				k.fail(way, "with %s dark it ends with %v", name, err)
			}
			if err := finished(k.w, s); err != nil {
				k.fail(way, "with %s dark: %v", name, err)
			}
			s = with(s, name, func(n *facts.Node) { *n = before })
			k.walk(s, way+" → all but "+name)
			return
		}
		if err := lawful(k.w, s, *stage); err != nil {
			k.fail(way, "%s, with %s dark: %v", stage.Name, name, err)
		}
		s = Simulate(k.w, s, *stage)
	}
	k.fail(way, "no end with %s dark", name)
}

func text(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// cut are the parts of a stage that may have been done when a run dies: for each host, its first steps, beside none and
// all of the others'; of a step that does several things, the first of them.
func cut(stage plan.Stage) []plan.Stage {
	byHost := map[string][]plan.Step{}
	for _, step := range stage.Steps {
		byHost[step.Host] = append(byHost[step.Host], step)
	}
	var parts []plan.Stage
	part := func(steps []plan.Step) {
		p := stage
		p.Steps = steps
		parts = append(parts, p)
	}
	for host, steps := range byHost {
		others := slices.DeleteFunc(slices.Clone(stage.Steps), func(step plan.Step) bool { return step.Host == host })
		for n := range len(steps) {
			part(steps[:n])
			part(append(slices.Clone(others), steps[:n]...))
			for _, half := range halves(steps[n]) {
				part(append(slices.Clone(steps[:n]), half))
			}
		}
	}
	return parts
}

// halves are the ways in which a step may have been done in part.
func halves(step plan.Step) []plan.Step {
	var out []plan.Step
	half := func(change func(*plan.Step)) {
		h := step
		change(&h)
		out = append(out, h)
	}
	switch step.Kind {
	case plan.StartService, plan.RestartService, plan.ReloadService, plan.RemoveService:
		for n := range len(step.Paths) {
			half(func(h *plan.Step) { h.Paths = h.Paths[:n] })
		}
		if step.Loaded != "" {
			half(func(h *plan.Step) { h.Config, h.Loaded = "", "" })
		}
	case plan.WriteService:
		for n := range len(step.Changes) {
			half(func(h *plan.Step) { h.Unit, h.Changes = "", h.Changes[:n] })
		}
	}
	return out
}

// lawful says what is wrong with a stage.
func lawful(w Want, s facts.Snapshot, stage plan.Stage) error {
	hosts, one := map[string]bool{}, false
	for _, step := range stage.Steps {
		hosts[step.Host] = true
		one = one || slices.Contains([]plan.Kind{plan.ReloadService, plan.RestartService, plan.RemoveService}, step.Kind)
	}
	switch {
	case len(stage.Steps) == 0 || stage.Name == "" || stage.Gate == "" || stage.Balancer == "":
		return fmt.Errorf("a stage without an end: %+v", stage)
	case one && (len(hosts) > 1 || stage.Width != 1):
		return fmt.Errorf("%d nodes are changed at once", len(hosts))
	case stage.Width < 1 || stage.Width > len(hosts):
		return fmt.Errorf("width %d for %d hosts", stage.Width, len(hosts))
	}
	for i, step := range stage.Steps {
		if step.Kind == plan.RevokeClient && step.Host == "" && step.Why != "" { // on the control machine
			continue
		}
		if step.Kind.Traits().Where != plan.Node || step.Why == "" || s.Nodes[step.Host].Dark() {
			return fmt.Errorf("a step that is none of these rules, has no reason, or is on a dark node: %+v", step)
		}
		raw, err := json.Marshal(step)
		if err != nil || strings.Contains(string(raw), "PRIVATE KEY") {
			return fmt.Errorf("a secret in %s, or %w", step.ID(), err)
		}
		if err := lawfulStep(w, s, stage.Balancer, step, stage.Steps[i+1:]); err != nil {
			return fmt.Errorf("%s: %w", step.ID(), err)
		}
		s = SimulateStep(w, s, stage.Balancer, step)
	}
	return nil
}

// lawfulStep says what is wrong with a step, right before it is done.
func lawfulStep(w Want, s facts.Snapshot, balancer string, step plan.Step, rest []plan.Step) error {
	n := named(w, s, balancer, step.Host)
	starts := step.Kind == plan.StartService || step.Kind == plan.RestartService || step.Kind == plan.ReloadService
	if starts {
		if lack := n.missing(s, step.Unit); lack != "" {
			return errors.New("brought up without " + lack)
		}
	}
	for _, p := range step.Paths {
		if step.Kind != plan.PrepareService && (p.Path == files.Follow(n.runs).Path ||
			strings.HasPrefix(n.program.Path, p.Path+"/")) && !n.Absent {
			return errors.New("what is wanted is removed: " + p.Path)
		}
	}
	for _, c := range step.Changes {
		if c.Path != files.HAProxyConfig {
			continue
		}
		reloads := slices.ContainsFunc(rest, func(then plan.Step) bool {
			return then.Kind == plan.ReloadService && then.Host == step.Host
		})
		if len(step.Try) == 0 || n.runsNow(files.HAProxyUnit) && !reloads {
			return errors.New("a configuration of HAProxy that is not tried, or not read")
		}
	}
	return nil
}

// named is one node of a balancer.
func named(w Want, s facts.Snapshot, balancer, name string) node {
	for _, b := range w.Etcd.Cluster.Balancers {
		for _, n := range nodesOf(w, s, b) {
			if b.Name == balancer && n.Name == name {
				return n
			}
		}
	}
	panic("no node " + name + " of " + balancer)
}

// missing is something without which a unit would not run as it is wanted; empty: nothing is missing.
func (n node) missing(s facts.Snapshot, unit string) string {
	at := func(path string) bool { return len(n.seen.Files[path].Content) > 0 }
	pair := n.pair(s)
	switch {
	case n.seen.Software["haproxy"].Version == "" || !n.seen.Software["haproxy"].Held:
		return "its package"
	case unit == files.HAProxyUnit && !at(files.HAProxyConfig):
		return "its configuration"
	case unit == files.HAProxyUnit:
		return ""
	case !n.seen.Users[files.FollowUser]:
		return "its user"
	case n.seen.Binaries[n.program.Path] != n.program.SHA256:
		return "its program"
	case !at(files.Follow(n.runs).Path) || !at(unitPath(n.unit())):
		return "its configuration or unit"
	case n.runs.TLS && (!at(files.TrustPath(n.balancer.Name)) || pair == nil || pair.Broken != ""):
		return "what it trusts, or its pair"
	}
	return ""
}

// finished says what is not as it is wanted on nodes that are seen.
func finished(w Want, s facts.Snapshot) error {
	for _, b := range w.Etcd.Cluster.Balancers {
		for _, n := range nodesOf(w, s, b) {
			if n.seen.Dark() {
				continue
			}
			if n.Absent {
				if err := n.gone(); err != nil {
					return fmt.Errorf("%s: %w", n.Name, err)
				}
				continue
			}
			for _, unit := range []string{files.HAProxyUnit, n.unit()} {
				if lack := n.missing(s, unit); lack != "" || n.seen.Units[unit].Enabled != "enabled" {
					return fmt.Errorf("%s: %s is not as it is wanted: %s", n.Name, unit, lack)
				}
			}
			has := n.seen.Files[files.HAProxyConfig].Content
			if string(has) != string(files.HAProxy(n.runs).Data) ||
				strings.TrimSpace(string(n.seen.Files[n.loaded()].Content)) != digest(has) {
				return fmt.Errorf("%s: HAProxy runs with something else", n.Name)
			}
			if !n.follows() || len(n.spent()) > 0 {
				return fmt.Errorf("%s: the follower runs with something else, or has left something: %v", n.Name, n.spent())
			}
		}
	}
	return nil
}

// gone says what is left of a node that is to be absent.
func (n node) gone() error {
	for at := range n.seen.Files {
		if at != "/etc/haproxy" {
			return errors.New("there is " + at)
		}
	}
	for name, unit := range n.seen.Units {
		if unit.Process != nil || unit.Enabled == "enabled" {
			return errors.New(name + " is in use")
		}
	}
	if len(n.seen.Pairs) > 0 {
		return fmt.Errorf("there are %v", n.seen.Pairs)
	}
	return nil
}

// Every way from bare nodes, and from nodes that are to change, ends with nodes as they are wanted, whatever dies on
// the way and whichever node is dark meanwhile.
func TestWalk(t *testing.T) {
	type site struct {
		nodes map[string]int
		tls   bool
	}
	kinds := map[plan.Kind]bool{}
	for _, at := range []site{
		{map[string]int{"front": 1}, false},
		{map[string]int{"front": 2}, true},
		{map[string]int{"front": 3}, false},
		{map[string]int{"front": 2, "back": 1}, true},
	} {
		t.Run(fmt.Sprintf("%v TLS %v", at.nodes, at.tls), func(t *testing.T) {
			w := wanted(t, at.tls, at.nodes)
			k := &walker{t: t, w: w, seen: map[string]bool{}, kind: kinds}
			k.walk(bare(t, w), "bare")
			from := settled(t, w)
			for name, then := range map[string]Want{
				"another port":   wanted(t, at.tls, at.nodes, "port = 5000", "port = 6000"),
				"another listen": wanted(t, at.tls, at.nodes, `listen "write"`, `listen "other"`),
				"a node to go": wanted(t, at.tls, at.nodes, `address = "10.0.1.1"`,
					"address = \"10.0.1.1\"\n state = \"absent\""),
				"another program": w,
			} {
				if name == "another program" {
					then.Programs = map[string]plan.Program{"amd64": program("b")}
				}
				k := &walker{t: t, w: then, seen: map[string]bool{}, kind: kinds}
				k.walk(from, name)
				if stage, err := Next(then, from); stage == nil {
					t.Errorf("%s: nothing is to be done, %v", name, err)
				}
				t.Logf("%s: %d states, %d ends", name, len(k.seen), k.ends)
			}
			t.Logf("bare: %d states, %d ends", len(k.seen), k.ends)
		})
	}
	for _, kind := range plan.Kinds() {
		if kind.Traits().Where == plan.Node && !kinds[kind] {
			t.Errorf("no rule wants %s", kind)
		}
	}
}
