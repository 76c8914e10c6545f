package examples_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

// TestExamplesArePlanned plans every cluster of every example on bare hosts, to the end.
func TestExamplesArePlanned(t *testing.T) {
	files, err := filepath.Glob("*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		f, diags := inventory.Load(name, inventory.Options{Home: "/home/ops"})
		if err := diags.Err(); err != nil {
			t.Fatal(err)
		}
		for _, cluster := range f.Clusters {
			t.Run(name+"/"+cluster.Name, func(t *testing.T) {
				p, err := etcd.Build(bareHosts(cluster))
				if err != nil {
					t.Fatal(err)
				}
				var stages []string
				for _, stage := range p.Stages {
					stages = append(stages, stage.Name)
				}
				want := "operator directory|prepare hosts|bootstrap: start all members side by side|record the birth of the cluster"
				if cluster.Auth != nil {
					want += "|users, roles and permissions|switch permissions on"
				}
				for _, b := range cluster.Balancers {
					want += "|servers of " + b.Name
				}
				if got := strings.Join(stages, "|"); got != want {
					t.Errorf("stages %s, want %s", got, want)
				}
			})
		}
	}
}

// bareHosts is what is wanted, and hosts on which nothing lies.
func bareHosts(c *inventory.Cluster) (etcd.Want, facts.Snapshot) {
	digest := strings.Repeat("5e", 32)
	release := plan.Release{
		Version: c.Version, Arch: "arm64", SHA256: digest,
		Binaries: map[string]string{"etcd": digest, "etcdctl": digest, "etcdutl": digest},
	}
	seen := facts.Snapshot{Taken: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Hosts: map[string]facts.Host{}}
	for _, m := range c.Members {
		seen.Hosts[m.Name] = facts.Host{Machine: facts.Machine{
			Name: m.Name, Arch: "arm64", OS: "debian 12", Systemd: 252,
			Rooms: map[string]facts.Room{"data": {Dir: "/var/lib", Size: 1 << 40, Free: 1 << 40}},
		}}
	}
	return etcd.Want{Cluster: c, Releases: map[string]plan.Release{release.Pin(): release}, Token: "token"}, seen
}
