package preflight

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

// wanted is a cluster of n members on IPv4, with all defaults, as the inventory package gives it.
func wanted(t *testing.T, n int) etcd.Want {
	t.Helper()
	text := "cluster \"prod\" {\n  version = \"3.6.16\"\n"
	for i := range n {
		text += fmt.Sprintf("  member \"etcd-%d\" { address = \"10.0.0.1%d\" }\n", i+1, i+1)
	}
	file, diags := inventory.Parse([]byte(text+"}\n"), "test.hcl", inventory.Options{Home: "/home/op"})
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	release := plan.Release{Version: "3.6.16", Arch: "amd64", SHA256: "1a2b3c4d5e6f7081"}
	return etcd.Want{
		Cluster: file.Clusters[0], Releases: map[string]plan.Release{release.Pin(): release},
		Token: "token-of-this-run",
	}
}

// bare is a Snapshot of hosts on which nothing of ours lies.
func bare(w etcd.Want) facts.Snapshot {
	s := facts.Snapshot{Taken: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Hosts: map[string]facts.Host{}}
	for i, m := range w.Cluster.Members {
		s.Hosts[m.Name] = facts.Host{
			Machine: facts.Machine{
				Name:      m.Name,
				Arch:      "amd64",
				OS:        "debian 12",
				Systemd:   252,
				MachineID: fmt.Sprintf("machine-%d", i),
				Files:     map[string]facts.File{},
			},
		}
	}
	return s
}

// settled is what is seen once a plan from bare hosts has run.
func settled(t *testing.T, w etcd.Want) facts.Snapshot {
	t.Helper()
	s := bare(w)
	p, err := etcd.Build(w, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, stage := range p.Stages {
		s = etcd.Simulate(w, s, stage)
	}
	return s
}

// change changes one host of a Snapshot, and leaves the original as it is.
func change(s facts.Snapshot, name string, do func(*facts.Host)) facts.Snapshot {
	host := s.Hosts[name]
	do(&host)
	s.Hosts = maps.Clone(s.Hosts)
	s.Hosts[name] = host
	return s
}
