package balancer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/units"
	files "github.com/clusterup/clusterup/units/balancer"
)

// rule is one thing that Next sees to, for the nodes of one balancer that may be changed.
type rule struct {
	name string
	next func(s facts.Snapshot, nodes []node) *plan.Stage
}

// rules is their order: what runs is not touched before all that it needs is there, and one node is changed after the
// other, so that the others take clients meanwhile. Nodes that are to go are cleaned last.
var rules = []rule{
	{"prepare", prepare},
	{"start", start},
	{"change", change},
	{"clean", clean},
}

// revoke has members refuse the certificates of nodes that are to be absent, once they are clean, or cannot be seen.
func revoke(s facts.Snapshot, nodes []node) *plan.Stage {
	var steps []plan.Step
	for _, n := range nodes {
		if !n.Absent || !n.seen.Dark() && len(n.remains()) > 0 {
			continue
		}
		name := inventory.NodeClient(n.Name, n.balancer.Name)
		for _, c := range s.Operator.Clients {
			if c.Name == name && !c.Revoked && s.Taken.Before(c.NotAfter) {
				steps = append(steps, plan.Step{
					Kind: plan.RevokeClient, Client: name, Serial: c.Serial, Why: n.Name + " is to be absent",
				})
			}
		}
	}
	return plan.SideBySide("certificates of nodes that go", "no host is touched", steps)
}

// Next is the stage to run now, or nil when there is nothing to do. Nodes that cannot be seen or must not be changed
// are left out; when nothing else is left, they are in a *plan.Refused error.
func Next(w Want, s facts.Snapshot) (*plan.Stage, error) {
	if tls := w.Etcd.Cluster.TLS.Clients; tls && len(etcd.Trust(w.Etcd, s).Live("client")) == 0 {
		return nil, nil // there is no cluster to follow yet
	}
	if etcd.Quorate(w.Etcd, s, seen(s)) != nil {
		return nil, nil // no run changes any host
	}
	var refusals []plan.Refusal
	for _, b := range w.Etcd.Cluster.Balancers {
		all := nodesOf(w, s, b)
		var fit []node
		for _, n := range all {
			found := n.refusals(s)
			refusals = append(refusals, found...)
			if len(found) == 0 {
				fit = append(fit, n)
			}
		}
		for _, r := range rules {
			if stage := r.next(s, fit); stage != nil {
				stage.Balancer = b.Name
				return stage, nil
			}
		}
		if stage := revoke(s, all); stage != nil {
			stage.Balancer = b.Name
			return stage, nil
		}
	}
	if len(refusals) > 0 {
		return nil, &plan.Refused{Refusals: refusals}
	}
	return nil, nil
}

// Rules are those of the nodes of all balancers, see [plan.Rules].
type Rules struct{ Want }

// First is [First].
func (r Rules) First(s facts.Snapshot) *plan.Stage { return First(r.Want, s) }

// Next is [Next].
func (r Rules) Next(s facts.Snapshot) (*plan.Stage, error) { return Next(r.Want, s) }

// Simulate is [Simulate].
func (r Rules) Simulate(s facts.Snapshot, stage plan.Stage) facts.Snapshot {
	return Simulate(r.Want, s, stage)
}

// Unready is [Unready].
func (r Rules) Unready(s facts.Snapshot) []string { return Unready(r.Want, s) }

// First has nodes trust a client CA that they do not know yet: members take certificates of it next, and nodes that did
// not trust them would lose sight of the keys.
func First(w Want, s facts.Snapshot) *plan.Stage {
	if !w.Etcd.Cluster.TLS.Clients {
		return nil
	}
	for _, b := range w.Etcd.Cluster.Balancers {
		var steps []plan.Step
		for _, n := range present(nodesOf(w, s, b)) {
			has := n.seen.Files[files.TrustPath(b.Name)]
			if n.seen.Dark() || len(n.older()) > 0 || len(has.Content) == 0 || !n.missesCA(has.Content) {
				continue
			}
			steps = append(steps, plan.Step{
				Kind: plan.WriteService, Host: n.Name, Changes: n.changes(n.bundle()), Why: "members are about to have certificates of a new client CA",
			})
		}
		stage := plan.SideBySide("trust of the nodes of "+b.Name, "CAs are added, and none is taken away", steps)
		if stage != nil {
			stage.Balancer = b.Name
			return stage
		}
	}
	return nil
}

// missesCA says that a live client CA is not in a bundle.
func (n node) missesCA(bundle []byte) bool {
	return slices.ContainsFunc(n.trust.Live("client"), func(ca facts.CA) bool { return !bytes.Contains(bundle, ca.Trusted()) })
}

// seen are the hosts that could be looked at.
func seen(s facts.Snapshot) []string {
	var names []string
	for name, host := range s.Hosts {
		if !host.Dark() {
			names = append(names, name)
		}
	}
	return names
}

// prepare puts on all nodes side by side what they lack, and starts and stops nothing. What HAProxy and the follower
// run with is not touched on nodes where they run.
func prepare(s facts.Snapshot, nodes []node) *plan.Stage {
	var steps []plan.Step
	for _, n := range present(nodes) {
		for _, step := range n.lacks(s) {
			step.Host = n.Name
			steps = append(steps, step)
		}
	}
	return plan.SideBySide(
		"prepare the nodes of "+nameOf(nodes), "nothing that runs is started, stopped or changed", steps)
}

func nameOf(nodes []node) string {
	if len(nodes) == 0 {
		return ""
	}
	return nodes[0].balancer.Name
}

func (n node) lacks(s facts.Snapshot) []plan.Step {
	var steps []plan.Step
	var missing, loose []string
	for _, name := range packages {
		switch p := n.seen.Software[name]; {
		case p.Version == "":
			missing = append(missing, name)
		case !p.Held:
			loose = append(loose, name)
		}
	}
	switch {
	case len(missing) > 0:
		steps = append(steps, plan.Step{
			Kind: plan.InstallPackages, Packages: missing, Why: "not installed: " + strings.Join(missing, ", "),
		})
	case len(loose) > 0:
		steps = append(steps, plan.Step{
			Kind: plan.InstallPackages, Packages: loose,
			Why: "an upgrade of all packages would restart it: " + strings.Join(loose, ", "),
		})
	}
	if why, paths := n.place(); why != "" {
		steps = append(steps, plan.Step{Kind: plan.PrepareService, Account: files.FollowUser, Paths: paths, Why: why})
	}
	if n.seen.Binaries[n.program.Path] != n.program.SHA256 {
		program := n.program
		steps = append(steps, plan.Step{Kind: plan.PlaceProgram, Program: &program, Why: "not there"})
	}
	if leaf, why := n.leaf(s); leaf != nil {
		steps = append(steps, plan.Step{
			Kind: plan.IssueClient, Client: inventory.NodeClient(n.Name, n.balancer.Name), Account: files.FollowUser,
			Leaf: leaf, Why: why,
		})
	}
	return append(steps, n.writes()...)
}

// place is the system user and the directories of the follower.
func (n node) place() (why string, paths []plan.Path) {
	var whys []string
	if !n.seen.Users[files.FollowUser] {
		whys = append(whys, "no system user "+files.FollowUser)
	}
	for _, dir := range []string{n.dir(), n.dir() + "/tls"} {
		want := plan.Path{Path: dir, Owner: "root", Group: files.FollowUser, Mode: 0o750}
		have, there := n.seen.Files[dir]
		switch {
		case !there:
			whys = append(whys, dir+" is missing")
		case have.Kind != facts.Dir || have.Owner != want.Owner || have.Group != want.Group || have.Mode != want.Mode:
			whys = append(whys, dir+" has another owner or mode")
		}
		paths = append(paths, want)
	}
	return strings.Join(whys, ", "), paths
}

// leaf is the certificate that the follower is to get; nil: it has a good one, or needs none.
func (n node) leaf(s facts.Snapshot) (*plan.Leaf, string) {
	c := n.want.Etcd.Cluster
	if !c.TLS.Clients {
		return nil, ""
	}
	signer, ok := n.trust.ClientSigner()
	if !ok {
		return nil, ""
	}
	user := inventory.FollowUser(n.balancer.Name)
	why := n.trust.ClientWanting(n.pair(s), trust.ClientLeaf{User: user, Algorithm: n.trust.Algorithm}, signer)
	if why == "" {
		return nil, ""
	}
	return &plan.Leaf{
		Role: "client", CA: "client", Generation: signer.Generation, CN: user, Lifetime: n.trust.Lifetime,
		Algorithm: n.trust.Algorithm, ConfigDir: n.dir(),
	}, why
}

// writes are the files that may change at any time, and those that nothing runs with yet.
func (n node) writes() []plan.Step {
	var steps []plan.Step
	follow := n.changes(files.Follow(n.runs))
	if n.runs.TLS {
		follow = append(n.changes(n.bundle()), follow...)
	}
	unit := ""
	if !n.runsNow(n.unit()) {
		if change, differs := n.change(files.Unit(n.runs)); differs || n.seen.Units[n.unit()].NeedsReload {
			follow, unit = append(follow, change), n.unit()
		}
	}
	if len(follow) > 0 {
		steps = append(steps, plan.Step{Kind: plan.WriteService, Unit: unit, Changes: follow, Why: whyFiles(follow)})
	}
	if !n.runsNow(files.HAProxyUnit) {
		steps = append(steps, n.proxy()...)
	}
	return steps
}

// proxy writes the configuration of HAProxy, which tries it before it is put in place.
func (n node) proxy() []plan.Step {
	found := n.changes(files.HAProxy(n.runs))
	if len(found) == 0 {
		return nil
	}
	return []plan.Step{{
		Kind: plan.WriteService, Changes: found, Try: []string{"haproxy", "-c", "-q", "-f"}, Why: whyFiles(found),
	}}
}

func whyFiles(changes []plan.Change) string {
	var missing, differ []string
	for _, c := range changes {
		name := c.Path[strings.LastIndexByte(c.Path, '/')+1:]
		if c.Existed {
			differ = append(differ, name)
		} else {
			missing = append(missing, name)
		}
	}
	var parts []string
	if len(missing) > 0 {
		parts = append(parts, "missing: "+strings.Join(missing, ", "))
	}
	if len(differ) > 0 {
		parts = append(parts, "differs: "+strings.Join(differ, ", "))
	}
	return strings.Join(parts, "; ")
}

// start starts what does not run, on all nodes side by side: nobody is sent anywhere else by that.
func start(_ facts.Snapshot, nodes []node) *plan.Stage {
	var steps []plan.Step
	for _, n := range present(nodes) {
		for _, unit := range []string{files.HAProxyUnit, n.unit()} {
			seen := n.seen.Units[unit]
			var why string
			switch {
			case seen.Active == "failed":
				why = "failed (" + seen.Result + ")"
			case seen.Process == nil:
				why = "not running"
			case seen.Enabled != "enabled":
				why = "not started at boot"
			case unit == n.unit() && len(n.spent()) > 0 && n.follows():
				why = "it runs, and configurations of before are left"
			default:
				continue
			}
			step := plan.Step{Kind: plan.StartService, Host: n.Name, Unit: unit, Why: why}
			if seen.Process == nil { // one that runs reads nothing anew
				step = n.withLoaded(step)
			}
			if unit == n.unit() && (seen.Process == nil || n.follows()) {
				step.Paths = n.spent()
			}
			steps = append(steps, step)
		}
	}
	return plan.SideBySide("start the nodes of "+nameOf(nodes), "what is started does not run; nothing is stopped", steps)
}

// withLoaded has a step of HAProxy note which configuration it has read.
func (n node) withLoaded(step plan.Step) plan.Step {
	if step.Unit == files.HAProxyUnit {
		step.Config, step.Loaded = files.HAProxyConfig, n.loaded()
	}
	return step
}

// change has one node run with what is wanted. A reload of HAProxy ends no connection, and has it take new ones once
// the follower has put the servers there, within a second; a restart of the follower touches nobody.
func change(_ facts.Snapshot, nodes []node) *plan.Stage {
	all := present(nodes)
	for _, n := range all {
		steps := n.reloads()
		steps = append(steps, n.restarts()...)
		if len(steps) == 0 {
			continue
		}
		for i := range steps {
			steps[i].Host = n.Name
		}
		gate := "it is the only node: for about a second new clients are turned away"
		if others := otherNames(all, n); len(others) > 0 {
			gate = fmt.Sprintf("%s go on as they are", plan.Enumerate(others))
			if len(others) == 1 {
				gate = others[0] + " goes on as it is"
			}
		}
		if !slices.ContainsFunc(steps, func(step plan.Step) bool { return step.Unit == files.HAProxyUnit }) {
			gate = "HAProxy goes on with the servers that it has"
		}
		return &plan.Stage{Name: "change " + n.Name, Gate: gate, Width: 1, Steps: steps}
	}
	return nil
}

func otherNames(all []node, but node) []string {
	var names []string
	for _, n := range all {
		if n.Name != but.Name {
			names = append(names, n.Name)
		}
	}
	return names
}

// reloads has HAProxy read its configuration, where that is another one than it has read.
func (n node) reloads() []plan.Step {
	if !n.runsNow(files.HAProxyUnit) {
		return nil
	}
	steps := n.proxy()
	has, loaded := n.seen.Files[files.HAProxyConfig].Content, n.seen.Files[n.loaded()].Content
	if len(steps) == 0 && strings.TrimSpace(string(loaded)) == digest(has) {
		return nil
	}
	why := "its configuration is another one than it has read"
	return append(steps, n.withLoaded(plan.Step{
		Kind: plan.ReloadService, Unit: files.HAProxyUnit, Why: why,
		Takes: []string{n.program.Path, files.Follow(n.runs).Path},
	}))
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// restarts has the follower run as it is wanted.
func (n node) restarts() []plan.Step {
	seen := n.seen.Units[n.unit()]
	if seen.Process == nil {
		return nil
	}
	var steps []plan.Step
	change, differs := n.change(files.Unit(n.runs))
	if differs || seen.NeedsReload {
		steps = append(steps, plan.Step{
			Kind: plan.WriteService, Unit: n.unit(), Changes: []plan.Change{change}, Why: whyFiles([]plan.Change{change}),
		})
	}
	if differs || !n.follows() {
		steps = append(steps, plan.Step{
			Kind: plan.RestartService, Unit: n.unit(), Paths: append(n.spent(), n.programs(n.program.Path)...),
			Why: "it runs with another configuration or program",
		})
	}
	return steps
}

// follows says that the follower runs with the configuration and program that are wanted.
func (n node) follows() bool {
	process := n.seen.Units[n.unit()].Process
	return process != nil && slices.Equal(process.Args, files.Args(n.runs))
}

// programs are the directories of programs on the host but for one. A host that removes them keeps what is in use there
// by others, which is not seen, so no step is wanted for these alone.
func (n node) programs(but string) []plan.Path {
	var found []plan.Path
	for _, at := range slices.Sorted(maps.Keys(n.seen.Binaries)) {
		if dir := path.Dir(at); at != but && path.Dir(dir) == files.Programs {
			found = append(found, plan.Path{Path: dir})
		}
	}
	return found
}

// spent are configurations of the follower that nothing runs with any more once it runs as it is wanted.
func (n node) spent() []plan.Path {
	return n.there(func(at string) bool { return files.OldFollow(n.runs, at) })
}

// there are the files, directories and links of a node that were seen, sorted, where a condition holds for their paths.
func (n node) there(holds func(at string) bool) []plan.Path {
	var found []plan.Path
	for _, at := range slices.Sorted(maps.Keys(n.seen.Files)) {
		if have := n.seen.Files[at]; holds(at) {
			found = append(found, plan.Path{Path: at, Owner: have.Owner, Group: have.Group, Mode: have.Mode})
		}
	}
	return found
}

// clean takes nodes out of use that are to be absent, one after the other, and removes what clusterup has put there.
func clean(_ facts.Snapshot, nodes []node) *plan.Stage {
	for _, n := range nodes {
		steps := n.remains()
		if !n.Absent || len(steps) == 0 {
			continue
		}
		for i := range steps {
			steps[i].Host = n.Name
		}
		return &plan.Stage{
			Name: "take " + n.Name + " out of use", Gate: "the inventory says that it is to be absent; its clients lose their connections",
			Width: 1, Steps: steps,
		}
	}
	return nil
}

// remains is what is left of a node that is to go. Packages stay, and directories that the distribution made.
func (n node) remains() []plan.Step {
	var steps []plan.Step
	paths := func(all ...string) []plan.Path {
		return n.there(func(at string) bool { return slices.Contains(all, at) })
	}
	used := func(unit string) bool {
		seen := n.seen.Units[unit]
		return seen.Process != nil || seen.Enabled == "enabled"
	}
	proxy := paths(files.HAProxyConfig)
	if !n.ours(n.seen.Files[files.HAProxyConfig].Content) {
		proxy = nil
	}
	if len(proxy) > 0 {
		steps = append(steps, plan.Step{
			Kind: plan.RemoveService, Unit: files.HAProxyUnit, Paths: proxy, Why: "the node is to be absent",
		})
	}
	unit, there := n.seen.Files[unitPath(n.unit())]
	if there && !units.Written(unit.Content) {
		return steps
	}
	follow := paths(unitPath(n.unit()), n.dir(), files.StateDir(n.balancer.Name))
	if len(follow) > 0 || used(n.unit()) {
		steps = append(steps, plan.Step{
			Kind: plan.RemoveService, Unit: n.unit(), Paths: append(follow, n.programs("")...), Why: "the node is to be absent",
		})
	}
	return steps
}
