package inventory_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clusterup/clusterup/inventory"
)

// FuzzParse: whatever the text, Parse returns; what it accepts holds the
// promises of the types; formatting keeps the meaning.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{
		"testdata/mistakes/*.hcl", "testdata/mistakes/*.json", "testdata/good/*.hcl",
		"testdata/good/*.json", "../examples/*.hcl",
	} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal(pattern, err)
		}
		for _, path := range files {
			src, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src, filepath.Ext(path) == ".json")
		}
	}
	o := inventory.Options{
		Home: "/home/ops",
		Env:  []string{"CLUSTERUP_VAR_version=3.7.3", "CLUSTERUP_VAR_port=[1]", "A=b"},
	}
	f.Fuzz(func(t *testing.T, src []byte, json bool) {
		name := "/inv/fuzz.hcl"
		if json {
			name += ".json"
		}
		file, diags := inventory.Parse(src, name, o)
		_ = diags.String()
		if (file == nil) != diags.HasErrors() {
			t.Fatalf("file %v with %s", file, diags)
		}
		if file == nil {
			return
		}
		for _, c := range file.Clusters {
			checkPromises(t, c)
		}
		formatted, fdiags := inventory.Format(src, name)
		if fdiags.HasErrors() {
			t.Fatal(fdiags)
		}
		if _, again := inventory.Parse(formatted, name, o); again.HasErrors() {
			t.Fatalf("formatting broke it: %s\n%s", again, formatted)
		}
		checkSetMember(t, src, name, file.Clusters[0], o)
		if changed, err := inventory.SetVersion(src, name, file.Clusters[0].Name, "3.7.2"); err == nil {
			if _, again := inventory.Parse(changed, name, o); again.HasErrors() {
				for _, d := range again.All() { // flags may not fit the new version
					if d.Severity == "error" && d.Summary != "unknown flag" {
						t.Fatalf("setting the version broke it: %s\n%s", again, changed)
					}
				}
			}
		}
	})
}

// checkSetMember: what SetMember changes is one member, which is absent then.
func checkSetMember(t *testing.T, src []byte, name string, c *inventory.Cluster, o inventory.Options) {
	t.Helper()
	for i, m := range c.Members {
		changed, err := inventory.SetMember(src, name, c.Name, m.Name, "state", "absent")
		if err != nil {
			continue
		}
		file, diags := inventory.Parse(changed, name, o)
		if diags.HasErrors() && len(c.Present()) > 1 || file != nil && !file.Clusters[0].Members[i].Absent {
			t.Fatalf("setting the state of %s broke it: %s\n%s", m.Name, diags, changed)
		}
	}
}

func checkPromises(t *testing.T, c *inventory.Cluster) {
	t.Helper()
	if c.Name == "" || c.Version == "" || len(c.Present()) == 0 || len(c.SSH.KnownHosts) == 0 || !filepath.IsAbs(c.Dir) {
		t.Fatalf("incomplete cluster %+v", c)
	}
	if c.PKI.RenewBefore <= 0 || c.PKI.RenewBefore >= c.PKI.Lifetime || c.PKI.Lifetime >= c.PKI.CALifetime {
		t.Fatalf("lifetimes %+v", c.PKI)
	}
	if c.Etcd.ElectionTimeout < 5*c.Etcd.HeartbeatInterval || c.Etcd.HeartbeatInterval <= 0 {
		t.Fatalf("timing %+v", c.Etcd)
	}
	if http := c.TLS.HTTPClientPort; http != 0 &&
		(!c.TLS.Clients || http == c.PeerPort || http == c.ClientPort || http == c.MetricsPort) {
		t.Fatalf("http on %d: %+v", http, c)
	}
	names := map[string]bool{}
	for _, m := range c.Members {
		if names[m.Name] || m.Address == "" || m.PeerAddress == "" || m.SSHPort == 0 || m.DataDir == m.WALDir {
			t.Fatalf("member %+v", m)
		}
		names[m.Name] = true
	}
	checkBalancerPromises(t, c)
}

func checkBalancerPromises(t *testing.T, c *inventory.Cluster) {
	t.Helper()
	nodes := map[string]bool{}
	for _, n := range c.Nodes() {
		if nodes[n.Name] || n.Address == "" || n.SSHAddress == "" || n.SSHPort == 0 || n.SSHPort != n.SSH.Port {
			t.Fatalf("node %+v", n)
		}
		nodes[n.Name] = true
	}
	for _, b := range c.Balancers {
		ports := map[int]bool{}
		for _, l := range b.Listens {
			postgres := l.Check == inventory.CheckPostgres
			if ports[l.Port] || l.Port == 0 || l.Name == "" || !postgres && l.Check != inventory.CheckTCP || postgres != (l.User != "") {
				t.Fatalf("listen %+v", l)
			}
			ports[l.Port] = true
		}
		if len(b.Listens) == 0 && slices.ContainsFunc(b.Nodes, func(n inventory.Node) bool { return !n.Absent }) {
			t.Fatalf("nodes without a listen: %+v", b)
		}
	}
}
