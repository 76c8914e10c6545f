package inventory_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/clusterup/clusterup/inventory"
)

// balanced is an inventory with these blocks in its cluster.
func balanced(blocks string) string {
	return `
cluster "a" {
  version = "3.7.3"
  ssh {
    user = "ops"
    port = 2222
  }
` + blocks + `
  member "etcd-1" { address = "10.0.0.11" }
}`
}

func TestListensAndNodes(t *testing.T) {
	c := mustParse(t, balanced(`
  balancer "front" {
    node "lb-2" { address = "10.0.0.32" }
    listen "write" { port = 5001 }
    node "etcd-1" {
      address = "10.0.0.11"
      state   = "present"
    }
    listen "read" {
      check = "postgres"
      port  = 5000
    }
    listen "named" {
      port  = 5002
      check = "postgres"
      user  = "_Check-1"
    }
  }
  balancer "none" {}
  balancer "back" {
    listen "write" { port = 5001 }
    node "lb-1" {
      address     = "LB-1.example.com"
      ssh_address = "[2001:db8::31]"
      ssh_port    = 22
      state       = "absent"
      ssh { user = "root" }
    }
  }`), inventory.Options{Home: "/home/ops"})
	listens := []inventory.Listen{
		{Name: "write", Port: 5001, Check: inventory.CheckTCP},
		{Name: "read", Port: 5000, Check: inventory.CheckPostgres, User: "clusterup-check"},
		{Name: "named", Port: 5002, Check: inventory.CheckPostgres, User: "_Check-1"},
	}
	if diff := cmp.Diff(listens, c.Balancers[0].Listens); diff != "" {
		t.Errorf("listens (-want +got):\n%s", diff)
	}
	own := c.SSH
	own.User, own.Port = "root", 22
	nodes := []inventory.Node{
		{Name: "lb-2", Address: "10.0.0.32", SSHAddress: "10.0.0.32", SSHPort: 2222, SSH: c.SSH},
		{Name: "etcd-1", Address: "10.0.0.11", SSHAddress: "10.0.0.11", SSHPort: 2222, SSH: c.SSH},
		{Name: "lb-1", Address: "lb-1.example.com", SSHAddress: "2001:db8::31", SSHPort: 22, SSH: own, Absent: true},
	}
	if diff := cmp.Diff(nodes, c.Nodes(), cmpopts.IgnoreTypes(inventory.Range{})); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
	if r := c.Nodes()[0].Range; r.Line != 10 || r.Column != 5 {
		t.Errorf("the first node is at %s", r)
	}
	if len(c.Balancers[1].Nodes)+len(c.Balancers[1].Listens) != 0 {
		t.Errorf("%+v", c.Balancers[1])
	}
}

func TestBoundsOfBalancers(t *testing.T) {
	listens, nodes := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "listen \"l%d\" { port = %d }\n", i, 5000+i)
		}
		return b.String()
	}, func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "node \"lb-%d\" { address = \"10.1.0.%d\" }\n", i, i)
		}
		return b.String()
	}
	for _, test := range []struct {
		listens, nodes int
		want           string
	}{
		{40, 200, ""},
		{41, 200, "too many listens"},
		{40, 201, "too many nodes"},
	} {
		src := balanced("balancer \"front\" {\n" + listens(test.listens) + nodes(test.nodes) + "}\n")
		_, diags := inventory.Parse([]byte(src), "/inv/test.hcl", inventory.Options{})
		all := diags.All()
		if test.want == "" && len(all) > 0 || test.want != "" && (len(all) != 1 || all[0].Summary != test.want) {
			t.Errorf("%d listens, %d nodes: %s, want %q", test.listens, test.nodes, diags, test.want)
		}
	}
}
