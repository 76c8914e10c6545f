package examples_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/clusterup/clusterup/inventory"
)

// TestExamplesLoad holds every example to what the documentation says of it.
func TestExamplesLoad(t *testing.T) {
	want := map[string][]int{ // members of each cluster
		"minimal.hcl":               {1},
		"three-members.hcl":         {3},
		"five-ipv6.hcl":             {5},
		"bastion.hcl":               {3},
		"two-clusters-one-host.hcl": {3, 3},
		"kubernetes-external.hcl":   {3},
		"lab.hcl":                   {3},
		"moving-to-tls.hcl":         {3},
		"growing.hcl":               {5},
		"permissions.hcl":           {3},
		"balancer.hcl":              {3},
		"gateway.hcl":               {3},
	}
	warnings := map[string]int{"moving-to-tls.hcl": 1} // that there is a port without TLS
	files, err := filepath.Glob("*.hcl")
	if err != nil || len(files) != len(want) {
		t.Fatalf("examples are %v, want %d: %v", files, len(want), err)
	}
	for _, name := range files {
		t.Run(name, func(t *testing.T) {
			f, diags := inventory.Load(name, inventory.Options{Home: "/home/ops"})
			if n := len(diags.All()); n != warnings[name] || diags.Err() != nil {
				t.Fatalf("%d findings, want %d warnings: %v", n, warnings[name], diags)
			}
			if len(f.Clusters) != len(want[name]) {
				t.Fatalf("%d clusters, want %d", len(f.Clusters), len(want[name]))
			}
			for i, c := range f.Clusters {
				if len(c.Members) != want[name][i] || c.Version != inventory.DefaultVersion {
					t.Errorf("cluster %s has %d members of etcd %s, want %d of %s",
						c.Name, len(c.Members), c.Version, want[name][i], inventory.DefaultVersion)
				}
			}
		})
	}
}

func TestExamplesAreFormatted(t *testing.T) {
	files, err := filepath.Glob("*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		formatted, diags := inventory.Format(src, name)
		if diags.HasErrors() || string(formatted) != string(src) {
			t.Errorf("%s is not in canonical format: %s\n%s", name, diags, formatted)
		}
	}
}
