package balancer

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	files "github.com/clusterup/clusterup/units/balancer"
)

// noon is the moment at which everything is seen in these tests.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// program is clusterup-node, as another build of it is where the letter differs.
func program(letter string) plan.Program {
	sum := strings.Repeat(letter, 64)
	return plan.Program{Arch: "amd64", SHA256: sum, Size: 9 << 20, Path: files.ProgramPath(sum)}
}

// wanted is a cluster of one member with some balancers, each of so many nodes: front-1, front-2 and back-1.
func wanted(t *testing.T, tls bool, nodes map[string]int, change ...string) Want {
	t.Helper()
	text := "cluster \"prod\" {\n  version = \"3.6.16\"\n  member \"etcd-1\" { address = \"10.0.0.11\" }\n"
	if !tls {
		text += "  tls {\n    clients = false\n    peers = false\n  }\n"
	}
	for i, name := range []string{"front", "back"} {
		if nodes[name] == 0 {
			continue
		}
		text += fmt.Sprintf("  client %q {}\n  balancer %q {\n    listen \"write\" { port = %d }\n", "follow-"+name, name, 5000)
		for k := range nodes[name] {
			text += fmt.Sprintf("    node \"%s-%d\" {\n      address = \"10.0.%d.%d\"\n    }\n", name, k+1, i+1, k+1)
		}
		text += "  }\n"
	}
	text = strings.NewReplacer(change...).Replace(text + "}\n")
	file, diags := inventory.Parse([]byte(text), "test.hcl", inventory.Options{Home: "/home/op"})
	if err := diags.Err(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	release := plan.Release{
		Version: "3.6.16", Arch: "amd64", SHA256: strings.Repeat("1", 64),
		Binaries: map[string]string{"etcd": "e0", "etcdctl": "c0", "etcdutl": "u0"},
	}
	return Want{
		Etcd: etcd.Want{
			Cluster: file.Clusters[0], Releases: map[string]plan.Release{release.Pin(): release}, Token: "token", Writer: "v1",
		},
		Programs: map[string]plan.Program{"amd64": program("a")},
	}
}

// bare is what is seen where etcd is as it is wanted, and nothing lies on the nodes.
func bare(t *testing.T, w Want) facts.Snapshot {
	t.Helper()
	s := facts.Snapshot{Taken: noon, Hosts: map[string]facts.Host{}, Nodes: map[string]facts.Node{}}
	for _, m := range w.Etcd.Cluster.Members {
		s.Hosts[m.Name] = facts.Host{Machine: facts.Machine{
			Name: m.Name, Arch: "amd64", OS: "debian 12", Systemd: 252, MachineID: m.Name, Files: map[string]facts.File{},
			Rooms: map[string]facts.Room{"data": {Dir: "/var/lib", Size: 100 << 30, Free: 100 << 30}},
		}}
	}
	absent := facts.Service{Unit: facts.Unit{Load: "not-found", Active: "inactive"}}
	for _, b := range w.Etcd.Cluster.Balancers {
		for _, n := range b.Nodes {
			s.Nodes[n.Name] = facts.Node{
				Machine:  facts.Machine{Name: n.Name, Arch: "amd64", OS: "debian 12", Systemd: 252, MachineID: n.Name},
				Software: map[string]facts.Package{"haproxy": {Candidate: "2.6.12-1+deb12u2"}},
				Units:    map[string]facts.Service{files.HAProxyUnit: absent, files.FollowUnit(b.Name): absent},
			}
		}
	}
	for range 30 {
		stage, err := etcd.Next(w.Etcd, s)
		if err != nil {
			t.Fatal(err)
		}
		if stage == nil {
			return s
		}
		s = etcd.Simulate(w.Etcd, s, *stage)
	}
	t.Fatal("etcd comes to no end")
	return s
}

// settled is what is seen once all nodes are as they are wanted.
func settled(t *testing.T, w Want) facts.Snapshot {
	t.Helper()
	s := bare(t, w)
	for range 30 {
		stage, err := Next(w, s)
		if err != nil {
			t.Fatal(err)
		}
		if stage == nil {
			return s
		}
		s = Simulate(w, s, *stage)
	}
	t.Fatal("no end")
	return s
}

// with changes what is seen of one node, and leaves the original as it is.
func with(s facts.Snapshot, name string, do func(*facts.Node)) facts.Snapshot {
	n := s.Nodes[name]
	n.Software, n.Units, n.Users = maps.Clone(n.Software), maps.Clone(n.Units), maps.Clone(n.Users)
	n.Files, n.Binaries, n.Pairs = maps.Clone(n.Files), maps.Clone(n.Binaries), maps.Clone(n.Pairs)
	do(&n)
	s.Nodes = maps.Clone(s.Nodes)
	s.Nodes[name] = n
	return s
}

// dark is a snapshot in which a node cannot be seen.
func dark(s facts.Snapshot, name string) facts.Snapshot {
	return with(s, name, func(n *facts.Node) {
		*n = facts.Node{Machine: facts.Machine{Name: name, Unreachable: name + ": no route"}}
	})
}
