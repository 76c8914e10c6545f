package etcd

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// noon is the moment at which everything is seen in these tests.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

var testRelease = plan.Release{
	Version: "3.6.16", Arch: "amd64", SHA256: "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f809",
	Binaries: map[string]string{"etcd": "e0", "etcdctl": "c0", "etcdutl": "u0"},
}

// wanted is a cluster of n members on IPv4, with all defaults, as the inventory package gives it.
func wanted(t *testing.T, n int) Want {
	t.Helper()
	text := "cluster \"prod\" {\n  version = \"3.6.16\"\n"
	for i := range n {
		text += fmt.Sprintf("  member \"etcd-%d\" { address = \"10.0.0.1%d\" }\n", i+1, i+1)
	}
	file, diags := inventory.Parse([]byte(text+"}\n"), "test.hcl", inventory.Options{Home: "/home/op"})
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	return Want{
		Cluster: file.Clusters[0], Releases: map[string]plan.Release{testRelease.Pin(): testRelease},
		Token: "token-of-this-run",
	}
}

// bare is a Snapshot of hosts on which nothing of ours lies.
func bare(w Want) facts.Snapshot {
	s := facts.Snapshot{Taken: noon, Hosts: map[string]facts.Host{}}
	for i, m := range w.Cluster.Members {
		s.Hosts[m.Name] = facts.Host{
			Machine: facts.Machine{
				Name:      m.Name,
				Arch:      "amd64",
				OS:        "debian 12",
				Systemd:   252,
				MachineID: fmt.Sprintf("machine-%d", i),
				Rooms:     map[string]facts.Room{"data": {Dir: "/var/lib", Size: 100 << 30, Free: 100 << 30}},
				Files:     map[string]facts.File{},
			},
		}
	}
	return s
}

// settled is what is seen once a plan from bare hosts has run.
func settled(t *testing.T, w Want) facts.Snapshot {
	t.Helper()
	s, stages := bare(w), 0
	for {
		stage, err := Next(w, s)
		if err != nil {
			t.Fatal(err)
		}
		if stage == nil {
			break
		}
		if stages++; stages > 20 {
			t.Fatalf("no end: %s", stage.Name)
		}
		s = Simulate(w, s, *stage)
	}
	for _, m := range w.Cluster.Members {
		host := s.Hosts[m.Name]
		s.Members = append(s.Members, facts.Listed{
			ID: host.Data.MemberID, Name: m.Name,
			PeerURLs:   []string{urlOf(w.Cluster.TLS.Peers, m.PeerAddress, w.Cluster.PeerPort)},
			ClientURLs: []string{ClientURL(w.Cluster, m)},
		})
	}
	return s
}

// change changes one host of a Snapshot, and leaves the original as it is.
func change(s facts.Snapshot, name string, do func(*facts.Host)) facts.Snapshot {
	host := copyHost(s.Hosts[name])
	do(&host)
	s.Hosts = maps.Clone(s.Hosts)
	s.Hosts[name] = host
	return s
}

func copyHost(h facts.Host) facts.Host {
	files := map[string]facts.File{}
	for k, v := range h.Files {
		files[k] = v
	}
	binaries := map[string]string{}
	for k, v := range h.Binaries {
		binaries[k] = v
	}
	leaves := map[string]facts.Leaf{}
	for k, v := range h.Leaves {
		leaves[k] = v
	}
	h.Files, h.Binaries, h.Leaves = files, binaries, leaves
	return h
}
