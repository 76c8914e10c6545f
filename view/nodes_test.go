package view

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/units"
	files "github.com/clusterup/clusterup/units/balancer"
)

// onNodes is a look at a cluster whose balancer has a node of most kinds. One of them is a member, too.
func onNodes(t *testing.T) Look {
	t.Helper()
	file, diags := inventory.Parse([]byte(`cluster "prod" {
  version = "3.6.16"
  member "etcd-1" { address = "10.0.0.11" }
  balancer "front" {
    listen "write" { port = 5000 }
    node "etcd-1" { address = "10.0.0.11" }
    node "lb-1" { address = "10.0.0.31" }
    node "lb-2" { address = "10.0.0.32" }
    node "lb-3" { address = "10.0.0.33" }
    node "lb-4" { address = "10.0.0.34" }
    node "lb-5" {
      address = "10.0.0.35"
      state   = "absent"
    }
    node "lb-6" { address = "10.0.0.36" }
    node "lb-7" {
      address = "10.0.0.37"
      state   = "absent"
    }
  }
}
`), "prod.hcl", inventory.Options{Home: "/home/op"})
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	unit := func(active, result string, pid int) facts.Service {
		s := facts.Service{Unit: facts.Unit{Load: "loaded", Active: active, Enabled: "enabled", Result: result}}
		if pid != 0 {
			s.Process = &facts.Process{PID: pid}
		}
		return s
	}
	config := files.HAProxy(files.Node{Cluster: "prod", Balancer: "front"})
	if !units.Written(config.Data) {
		t.Fatal("the configuration is not seen as clusterup's")
	}
	node := func(name string, proxy, follower facts.Service) facts.Node {
		return facts.Node{
			Machine: facts.Machine{
				Name: name, OS: "debian 12",
				Files: map[string]facts.File{files.HAProxyConfig: {Kind: facts.Regular, Content: config.Data}},
			},
			Software: map[string]facts.Package{"haproxy": {Version: "2.6.12-1+deb12u2", Held: true}},
			Units:    map[string]facts.Service{"haproxy": proxy, "clusterup-follow-front": follower},
			Pairs:    map[string]facts.Leaf{files.PairLink("front"): {Intact: true, NotAfter: now.AddDate(1, 0, 0)}},
		}
	}
	runs := unit("active", "success", 7)
	bare := func(name string) facts.Node { return facts.Node{Machine: facts.Machine{Name: name}} }
	born := `{"cluster":"prod","member":"etcd-1","cluster_id":"c1","member_id":"1","token":"t","data_dir":"/var/lib/etcd-prod",` +
		`"user":"etcd-prod"}`
	reason := "/etc/haproxy/haproxy.cfg is neither clusterup's nor the package's own"
	seen := facts.Snapshot{
		Taken: now, Cluster: 0xc1, Members: []facts.Listed{{ID: 1, Name: "etcd-1"}},
		Hosts: map[string]facts.Host{"etcd-1": {
			Machine: facts.Machine{Name: "etcd-1", Files: map[string]facts.File{
				"/etc/etcd/prod/born.json": {Kind: facts.Regular, Content: []byte(born)},
			}},
			Member: facts.Member{
				Process: &facts.Process{PID: 5}, Reads: true,
				Data: facts.Data{Exists: true, WAL: true, ClusterID: 0xc1, MemberID: 1},
				Etcd: &facts.Status{MemberID: 1, ClusterID: 0xc1, Leader: 1, Version: "3.6.16", Term: 2, Index: 9, Applied: 9},
			},
		}},
		Nodes: map[string]facts.Node{
			"etcd-1": node("etcd-1", runs, runs),
			"lb-1":   node("lb-1", runs, runs),
			"lb-2":   {Machine: facts.Machine{Name: "lb-2", Unreachable: "lb-2: connect: no route to host"}},
			"lb-3":   node("lb-3", unit("failed", "exit-code", 0), unit("activating", "success", 9)),
			"lb-4":   bare("lb-4"),
			"lb-5":   bare("lb-5"),
			"lb-6":   node("lb-6", runs, unit("inactive", "success", 0)),
			"lb-7":   node("lb-7", runs, runs),
		},
	}
	stages := []plan.Stage{
		{Balancer: "front", Steps: []plan.Step{
			{Kind: plan.WriteService, Host: "etcd-1", Why: "differs: ca.pem"},
			{Kind: plan.StartService, Host: "lb-3", Unit: "haproxy", Why: "failed (exit-code)"},
		}},
		{Balancer: "front", Steps: []plan.Step{
			{Kind: plan.RemoveService, Host: "lb-7", Unit: "haproxy", Why: "the node is to be absent"},
		}},
	}
	return Look{
		Want: etcd.Want{Cluster: file.Clusters[0]}, Seen: seen, Now: now, File: "prod.hcl",
		Plan: plan.Plan{Cluster: "prod", Stages: stages},
		Refused: &plan.Refused{Beside: true, Refusals: []plan.Refusal{
			{Kind: plan.Unreachable, Host: "lb-2", Reason: "connect: no route to host"},
			{Kind: plan.ForeignConfig, Host: "lb-4", Reason: reason, Remedy: "move it away if nobody needs it"},
		}},
	}
}

// Nodes read the same in status, with --json, in check and in its metrics.
func TestNodesView(t *testing.T) {
	l := onNodes(t)
	var out bytes.Buffer
	c := &Console{Out: &out}
	for _, json := range []bool{false, true} {
		c.JSON = json
		c.ShowStatus(l)
		out.WriteString("\n")
		c.ShowCheck(l.Check())
		out.WriteString("\n")
	}
	for _, line := range strings.SplitAfter(string(l.Check().Metrics()), "\n") {
		if strings.Contains(line, "node") {
			out.WriteString(line)
		}
	}
	golden(t, "nodes.txt", out.Bytes())
}

// A step on a node is none of the member on the same host.
func TestNodeOnTheHostOfAMember(t *testing.T) {
	l := onNodes(t)
	if m := l.members()[0]; len(m.PendingChanges) > 0 {
		t.Errorf("the member is said to be due for %q", m.PendingChanges)
	}
	if n := l.nodes()[0]; len(n.PendingChanges) != 1 {
		t.Errorf("the node is said to be due for %q", n.PendingChanges)
	}
	l.Seen.Hosts["etcd-1"] = facts.Host{Machine: facts.Machine{Name: "etcd-1", Unreachable: "etcd-1: connect: refused"}}
	l.Seen.Nodes["etcd-1"] = facts.Node{Machine: facts.Machine{Name: "etcd-1", Unreachable: "etcd-1: connect: refused"}}
	told := 0
	for _, f := range l.Check().Findings {
		if f.Kind == "unreachable" && f.Host == "etcd-1" {
			told++
		}
	}
	if told != 1 {
		t.Errorf("the host is told to be dark %d times", told)
	}
}

// A refused node keeps nothing back: what is planned elsewhere is known, and apply does it. Any other refusal does.
func TestRefusedNodesAreBeside(t *testing.T) {
	l := onNodes(t)
	drift := func() (of string, do string) {
		nodes := l.nodes()
		of = nodes[3].drift(l.clusterStatus(l.members(), nodes))
		for _, f := range l.Check().Findings {
			if f.Kind == "unhealthy" && f.Host == "lb-3" {
				do = f.Do
			}
		}
		return of, do
	}
	if of, do := drift(); of != "1 change" || do != "clusterup apply" {
		t.Errorf("beside a refused node: %q, and to do is %q", of, do)
	}
	l.Refused.Beside = false
	if of, do := drift(); of != "?" || do != "" {
		t.Errorf("with a refused plan: %q, and to do is %q", of, do)
	}
}

// Nodes that nobody looked at are said to be unseen, and are no finding.
func TestNodesUnseen(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Look)
		says   string
	}{
		"client ports": {
			func(l *Look) { l.Ports, l.Plan, l.Refused = true, plan.Plan{}, nil },
			"not looked at (--no-ssh): hosts, nodes of balancers, what differs",
		},
		"an observer": {
			func(l *Look) { l.Observer, l.Plan, l.Refused = &facts.ClientPair{}, plan.Plan{}, nil },
			"lb-1: an observer looks at no node\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := onNodes(t)
			test.change(&l)
			l.Seen.Nodes = nil
			var out bytes.Buffer
			(&Console{Out: &out}).ShowStatus(l)
			if !strings.Contains(out.String(), test.says) {
				t.Errorf("no %q in\n%s", test.says, out.String())
			}
			for _, f := range l.Check().Findings {
				if strings.HasPrefix(f.Host, "lb-") {
					t.Errorf("a finding: %+v", f)
				}
			}
			if metrics := string(l.Check().Metrics()); strings.Contains(metrics, "clusterup_node_up") {
				t.Errorf("metrics of what nobody has seen:\n%s", metrics)
			}
		})
	}
}

// apply renews the certificate of a follower: cert issue would make another one, for nobody. That it is revoked is a
// change of its node.
func TestCertificatesOfFollowers(t *testing.T) {
	l := onNodes(t)
	for client, want := range map[string]string{
		"lb-1@front": "clusterup apply prod.hcl", "app": "clusterup cert issue app prod.hcl --out DIR --renew",
	} {
		if got := l.issue(client); got != want {
			t.Errorf("%s: %q, want %q", client, got, want)
		}
	}
	l.Plan.Stages = []plan.Stage{{Balancer: "front", Steps: []plan.Step{
		{Kind: plan.RevokeClient, Client: "lb-7@front", Why: "the node has gone"},
	}}}
	if n := l.nodes()[7]; len(n.PendingChanges) != 1 {
		t.Errorf("of lb-7 it tells the changes %q", n.PendingChanges)
	}
}

// A watch that is not on a screen says when a node stands otherwise.
func TestWatchOfNodes(t *testing.T) {
	l := onNodes(t)
	var out bytes.Buffer
	w := (&Console{Out: &out}).NewWatch()
	w.Show(l)
	out.Reset()
	node := l.Seen.Nodes["lb-1"]
	node.Unreachable = "lb-1: connect: refused"
	l.Seen.Nodes["lb-1"] = node
	w.Show(l)
	if got := out.String(); !strings.Contains(got, "lb-1 (front): dark, drift: ?, connect: refused\n") ||
		strings.Contains(got, "lb-3") {
		t.Errorf("%q", got)
	}
}
