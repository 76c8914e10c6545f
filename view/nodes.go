package view

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/balancer"
)

// nodeStatus is one node of a balancer in the table, and one object with --json. A field that is not known is empty or
// zero, and Problem says why.
type nodeStatus struct {
	Type           string         `json:"type"` // "node"
	Node           string         `json:"node"`
	Balancer       string         `json:"balancer"`
	Address        string         `json:"address"`
	OS             string         `json:"os,omitempty"`
	State          string         `json:"state"`              // healthy, unhealthy, stopped, absent, unreachable, unknown
	Leaves         bool           `json:"to_leave,omitempty"` // the inventory says so
	HAProxy        *serviceStatus `json:"haproxy,omitempty"`
	Follower       *serviceStatus `json:"follower,omitempty"`
	Certificate    time.Time      `json:"certificate_expires,omitzero"` // the follower's
	Problem        string         `json:"problem,omitempty"`
	Refusals       []plan.Refusal `json:"refusals,omitempty"` // why apply leaves it as it is
	PendingChanges []string       `json:"pending_changes,omitempty"`

	left bool   // nothing of it is there any more
	unit string // that does not run; "": none
}

// serviceStatus is a program on a node.
type serviceStatus struct {
	State   string `json:"state"`             // running, absent, or as systemd calls it: inactive, failed, activating, …
	Version string `json:"version,omitempty"` // of its package
	PID     int    `json:"pid,omitempty"`
}

// nodes are the nodes of all balancers as they are. Nobody looks at any with --no-ssh.
func (l Look) nodes() []nodeStatus {
	if l.Ports {
		return nil
	}
	var all []nodeStatus
	for _, one := range balancer.Nodes(l.Want.Cluster, l.Seen) {
		n := nodeStatus{
			Type: "node", Node: one.Name, Balancer: one.Balancer, Address: one.Address, OS: one.Seen.OS, Leaves: one.Absent,
			Certificate: one.Ends, PendingChanges: l.nodeChanges(one.Name), Refusals: l.nodeRefusals(one.Name),
		}
		n.left = one.Absent && one.Bare && len(n.PendingChanges) == 0
		n.stands(one)
		if n.State == "unknown" && l.Observer != nil {
			n.Problem = "an observer looks at no node"
		}
		all = append(all, n)
	}
	return all
}

// stands puts a node into one word, and what is wrong with it into a sentence. A stopped one takes no clients; an
// unhealthy one does, and does not follow the keys.
func (n *nodeStatus) stands(one balancer.Standing) {
	switch {
	case one.Seen.Name == "" && one.Seen.Unreachable == "":
		n.State, n.Problem = "unknown", "nobody has looked at it"
		return
	case one.Seen.Dark():
		n.State = "unreachable"
		n.Problem = strings.TrimPrefix(cmp.Or(one.Seen.Unreachable, one.Seen.Unasked), one.Name+": ")
		return
	}
	proxy, follower := one.Units[0], one.Units[1]
	n.HAProxy, n.Follower = statusOf(proxy), statusOf(follower)
	n.HAProxy.Version = one.Version
	switch n.State = "healthy"; {
	case one.Bare:
		n.State = "absent"
		return
	case one.Absent:
		if !proxy.Runs() {
			n.State = "stopped"
		}
		return
	case !follower.Runs():
		n.State, n.unit = "unhealthy", follower.Name
	}
	if !proxy.Runs() {
		n.State, n.unit = "stopped", proxy.Name
	}
	var wrong []string
	for _, of := range []struct {
		name string
		unit balancer.Unit
	}{{"HAProxy", proxy}, {"the follower", follower}} {
		if !of.unit.Runs() {
			wrong = append(wrong, of.name+" "+ended(of.unit))
		}
	}
	n.Problem = strings.Join(wrong, "; ")
}

func statusOf(u balancer.Unit) *serviceStatus {
	is := &serviceStatus{State: u.Active}
	switch {
	case u.Runs():
		is.State, is.PID = "running", u.Process.PID
	case u.Load != "loaded":
		is.State = "absent"
	case u.Active == "active": // it ends just now
		is.State = "inactive"
	}
	return is
}

// ended says why a program does not run.
func ended(u balancer.Unit) string {
	switch state := statusOf(u).State; state {
	case "absent":
		return "is not there"
	case "failed":
		return "failed: " + u.Result
	default:
		return "is " + state
	}
}

// onNode says that a step is of a balancer's node: a member may be on the same host.
func onNode(step plan.Step) bool { return step.Kind.Traits().Where == plan.Node }

func (l Look) nodeChanges(name string) []string {
	var found []string
	for _, stage := range l.Plan.Stages {
		for _, step := range stage.Steps {
			ofCertificate := step.Host == "" && step.Client != "" && l.nodeOf(step.Client) == name
			if onNode(step) && step.Host == name || stage.Balancer != "" && ofCertificate {
				found = append(found, nodeChange(step))
			}
		}
	}
	return found
}

// nodeChange is a step on a node, in a line.
func nodeChange(step plan.Step) string {
	text := string(step.Kind)
	switch {
	case step.Unit != "":
		text += " " + step.Unit
	case len(step.Packages) > 0:
		text += " " + strings.Join(step.Packages, " ")
	}
	return text + ": " + step.Why
}

// nodeRefusals say why apply leaves a node as it is. The refusals of nodes alone stand beside a plan.
func (l Look) nodeRefusals(name string) []plan.Refusal {
	if l.Refused == nil || !l.Refused.Beside {
		return nil
	}
	var found []plan.Refusal
	for _, r := range l.Refused.Refusals {
		if r.Host == name && r.Kind != plan.Unreachable {
			found = append(found, r)
		}
	}
	return found
}

// nodeOf is the node whose follower has a certificate of that name; "": it is of no node of the inventory.
func (l Look) nodeOf(client string) string {
	for _, n := range balancer.Nodes(l.Want.Cluster, l.Seen) {
		if n.Client() == client {
			return n.Name
		}
	}
	return ""
}

// cure is what to do about a node that is not healthy; "": a refusal says it.
func (n nodeStatus) cure(refused *plan.Refused) string {
	switch {
	case blocking(refused) != nil, len(n.Refusals) > 0:
		return ""
	case len(n.PendingChanges) > 0:
		return "clusterup apply"
	}
	return "the journal of its unit on the host says why: journalctl -n 100 -u " + n.unit
}

// word is the state for people.
func (n nodeStatus) word() string {
	word := n.State
	switch {
	case n.left:
		return "left"
	case n.State == "unreachable":
		word = "dark"
	}
	if n.Leaves {
		word += ", to leave"
	}
	return word
}

// runs is a program in a cell of the table.
func (s *serviceStatus) runs() string {
	switch {
	case s == nil:
		return "?"
	case s.State == "absent" && s.Version == "":
		return "-"
	}
	word := s.State
	if word == "running" {
		word = "runs"
	}
	if s.Version == "" {
		return word
	}
	return upstream(s.Version) + ", " + word
}

// upstream is the version of a package without what its distribution adds.
func upstream(version string) string {
	if _, after, ok := strings.Cut(version, ":"); ok {
		version = after
	}
	version, _, _ = strings.Cut(version, "-")
	return version
}

// drift is how much of a node is not as the inventory says.
func (n nodeStatus) drift(total clusterStatus) string {
	switch {
	case n.State == "unreachable", n.State == "unknown", total.refused(), total.Unplanned != "":
		return "?"
	case len(n.Refusals) > 0:
		return "refused"
	case len(n.PendingChanges) == 0:
		return "none"
	}
	return Plural(len(n.PendingChanges), "change")
}

// countedNodes are how many nodes are wanted, and how many of them are healthy. Those that nobody looks at count not.
func countedNodes(nodes []nodeStatus) (all, healthy int) {
	for _, n := range nodes {
		if n.Leaves || n.State == "unknown" {
			continue
		}
		all++
		if n.State == "healthy" {
			healthy++
		}
	}
	return all, healthy
}

// showNodes shows the nodes below the members.
func (c *Console) showNodes(out io.Writer, nodes []nodeStatus, total clusterStatus, now time.Time) {
	if len(nodes) == 0 {
		return
	}
	fprintf(out, "\n")
	table := c.Table("NODE", "BALANCER", "ADDRESS", "STATE", "HAPROXY", "FOLLOWER", "CERTIFICATE", "DRIFT")
	for _, n := range nodes {
		table.Row(n.Node, n.Balancer, n.Address, n.word(), n.HAProxy.runs(), n.Follower.runs(), days(n.Certificate, now),
			n.drift(total))
	}
	_ = table.End()
	for _, n := range nodes {
		if n.Problem != "" {
			fprintf(out, "%s: %s\n", n.Node, clipped(n.Problem))
		}
		for _, change := range n.PendingChanges {
			fprintf(out, "%s: %s\n", n.Node, change)
		}
	}
}

// standing is what is said of a node when it changes.
func (n nodeStatus) standing(total clusterStatus) string {
	parts := []string{n.word()}
	if n.HAProxy != nil && n.HAProxy.Version != "" {
		parts = append(parts, "HAProxy "+upstream(n.HAProxy.Version))
	}
	if d := n.drift(total); d != "none" {
		parts = append(parts, "drift: "+d)
	}
	if n.Problem != "" {
		parts = append(parts, clipped(n.Problem))
	}
	return strings.Join(parts, ", ")
}

// nodeFindings are about nodes that could not be looked at, or on which a program does not run. A host that is a
// member's, too, is told once.
func (l Look) nodeFindings(nodes []nodeStatus, members []memberStatus) []Finding {
	var found []Finding
	dark := named(members, "unreachable")
	for _, n := range nodes {
		f := Finding{Type: "finding", Host: n.Node, Balancer: n.Balancer, Text: n.Problem}
		switch {
		case n.State == "unreachable" && !slices.Contains(dark, n.Node):
			f.Kind, f.Do = "unreachable", l.Advice.remedy(l.Seen.Nodes[n.Node].Err)
		case !n.Leaves && (n.State == "stopped" || n.State == "unhealthy"):
			f.Kind, f.Do = "unhealthy", n.cure(l.Refused)
		default:
			continue
		}
		found = append(found, f)
	}
	return found
}

// drifted is a step of the plan as a finding.
func (l Look) drifted(step plan.Step) Finding {
	f := Finding{
		Type: "finding", Kind: "drift", Host: step.Host, Text: string(step.Kind) + ": " + step.Why, Do: "clusterup apply",
	}
	switch {
	case onNode(step):
		f.Text, f.Balancer = nodeChange(step), l.balancerOf(step.Host)
	case ofPermissions(step), step.Pool != nil:
		f.Host, f.Text = "", clusterChange(step)
	}
	return f
}

// balancerOf is the balancer of a node; "": there is no such node.
func (l Look) balancerOf(node string) string {
	for _, b := range l.Want.Cluster.Balancers {
		for _, n := range b.Nodes {
			if n.Name == node {
				return b.Name
			}
		}
	}
	return ""
}

// nodeMetrics are a line each; line makes one.
func nodeMetrics(nodes []nodeStatus, line func(string, float64, ...string) string) (up, versions []string) {
	for _, n := range nodes {
		if n.State == "unknown" || n.Leaves {
			continue
		}
		value := 0.0
		if n.State == "healthy" {
			value = 1
		}
		up = append(up, line("clusterup_node_up", value, "balancer", n.Balancer, "node", n.Node))
		if n.HAProxy != nil && n.HAProxy.Version != "" {
			versions = append(versions, line("clusterup_node_haproxy_version", 1, "balancer", n.Balancer, "node", n.Node,
				"version", n.HAProxy.Version))
		}
	}
	return up, versions
}

// nodesText is how many nodes are well, behind what is said of members.
func nodesText(nodes, healthy int) string {
	if nodes == 0 {
		return ""
	}
	return fmt.Sprintf(", %d of %s healthy", healthy, Plural(nodes, "node"))
}
