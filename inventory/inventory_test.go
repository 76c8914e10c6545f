package inventory_test

import (
	"slices"
	"testing"

	"github.com/clusterup/clusterup/inventory"
)

func TestStarterLoads(t *testing.T) {
	for _, o := range []inventory.StarterOptions{
		{},
		{
			Cluster: "lab", Version: "3.7.3", Hosts: []string{"a=10.0.0.1", "2001:db8::2", "c=db3.example.com"}, User: "ops",
			Sudo:         true,
			IdentityFile: "~/.ssh/id_ed25519", Mirror: "file:///srv/mirror",
		},
		{Hosts: []string{"10.0.0.1"}},
	} {
		src := inventory.Starter(o)
		f, diags := inventory.Parse(src, "starter.hcl", inventory.Options{Home: "/home/ops"})
		if len(diags.All()) > 0 {
			t.Fatalf("%s\n%s", diags, src)
		}
		want := len(o.Hosts)
		if want == 0 {
			want = 3
		}
		if c := f.Clusters[0]; len(c.Members) != want || o.User != c.SSH.User || o.Sudo != c.SSH.Sudo {
			t.Errorf("options %+v became %+v", o, c)
		}
		formatted, _ := inventory.Format(src, "starter.hcl")
		if string(formatted) != string(src) {
			t.Errorf("the starter is not in canonical format:\n%s", formatted)
		}
	}
}

func TestPresent(t *testing.T) {
	c := mustParse(t, `
cluster "a" {
  version = "3.6.16"
  member "m" {
    for_each = { one = "present", two = "absent", four = null }
    address  = "${each.key}.example.com"
    state    = each.value
  }
  member "n" { address = "10.0.0.1" }
}`, inventory.Options{})
	var names []string
	for _, m := range c.Present() {
		names = append(names, m.Name)
	}
	if len(c.Members) != 4 || !slices.Equal(names, []string{"m-four", "m-one", "n"}) {
		t.Errorf("%v of %d members are present", names, len(c.Members))
	}
}
