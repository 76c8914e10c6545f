package view

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/pool"
)

// balanced is a look at a cluster with a balancer, whose keys say something; nil: they are not known.
func balanced(t *testing.T, has *pool.Wanted) Look {
	t.Helper()
	file, diags := inventory.Parse([]byte(`cluster "prod" {
  version = "3.6.16"
  member "etcd-1" { address = "10.0.0.11" }
  balancer "front" {
    server "pg-1" {
      address = "10.0.0.21"
      port    = 6432
    }
  }
}`), "test.hcl", inventory.Options{Home: "/home/op"})
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	l := Look{
		Want: etcd.Want{Cluster: file.Clusters[0]}, File: "test.hcl",
		Seen: facts.Snapshot{Hosts: map[string]facts.Host{"etcd-1": {Machine: facts.Machine{Name: "etcd-1"}}}},
	}
	if has != nil {
		l.Seen.Pools = map[string]pool.Wanted{"front": *has}
	}
	return l
}

// A node of the inventory that tells nothing is named, and one that the inventory does not have is told of as well.
func TestNodesWithoutAReport(t *testing.T) {
	all := Follows{Told: []pool.Told{{Node: "by-hand"}, {Node: "lb-1"}}, Nodes: []string{"lb-1", "lb-2"}}
	for name, test := range map[string]struct {
		f          Follows
		says, json string
	}{
		"some": {
			all, "by-hand: has it\nlb-1: has it\nlb-2: no report\n",
			`{"type":"follower","balancer":"front","node":"lb-2","revision":0,"generation":0,"servers":null,"problem":"no report"}` + "\n",
		},
		"none":     {Follows{Nodes: []string{"lb-1"}}, "lb-1: no report\n", `"node":"lb-1"`},
		"no nodes": {Follows{}, "Nobody follows the keys of front.\n", ""},
	} {
		var out bytes.Buffer
		(&Console{Out: &out}).ShowFollowers("front", test.f)
		if out.String() != test.says {
			t.Errorf("%s: %q, want %q", name, out.String(), test.says)
		}
		out.Reset()
		(&Console{Out: &out, JSON: true}).ShowBackends("front", nil, test.f)
		if !strings.Contains(out.String(), test.json) {
			t.Errorf("%s: no %s in %s", name, test.json, out.String())
		}
	}
}

func TestStatusOfBalancers(t *testing.T) {
	server := pool.Server{Address: netip.MustParseAddr("10.0.0.21"), Port: 6432, Check: 6432, Weight: 1, State: pool.Ready}
	drained := server
	drained.State = pool.Drain
	some := &pool.Wanted{
		Servers:   map[string]pool.Server{"pg-1": server, "x": drained},
		Bad:       map[string]string{"odd\x1b": "no JSON"},
		Revisions: map[string]int64{"pg-1": 1, "x": 2, "odd\x1b": 3},
	}
	changes := balanced(t, some)
	changes.Plan.Stages = []plan.Stage{{Steps: []plan.Step{{
		Kind: plan.PutServers, Host: "etcd-1", Why: "it is new", Pool: &pool.Change{Balancer: "front"},
	}}}}
	silent, observed := balanced(t, nil), balanced(t, nil)
	silent.Seen.PoolErrors = map[string]string{"front": "no answer"}
	observed.Observer = &facts.ClientPair{}
	for name, test := range map[string]struct {
		look  Look
		says  []string
		lacks string
	}{
		"known": {
			balanced(t, some),
			[]string{
				"Balancer front: 2 servers, of which 1 take clients; 1 key not readable.\n",
				`"name":"front","servers":2,"taking":1,"stray":["\"odd\\x1b\"","x"],"unreadable":["\"odd\\x1b\""]`,
				`the key of the server "odd\x1b" of front is not readable  [backends]`,
			},
			"not known",
		},
		"with a change": {
			changes,
			[]string{"front: put-servers front: it is new\n", `"pending_changes":["put-servers front: it is new"]`},
			"etcd-1: put-servers",
		},
		"nobody serves": {
			balanced(t, nil),
			[]string{"Balancer front: not known: no member is known to serve\n", `"problem":"no member is known to serve"`},
			"0 servers",
		},
		"an observer": {observed, []string{"Balancer front: not known: an observer may not read its keys\n"}, "0 servers"},
		"they failed": {
			silent,
			[]string{"Balancer front: not known: no answer\n", "the servers of front are not known: no answer  [backends]"},
			"0 servers",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			(&Console{Out: &out}).ShowStatus(test.look)
			(&Console{Out: &out, JSON: true}).ShowStatus(test.look)
			(&Console{Out: &out}).ShowCheck(test.look.Check())
			for _, want := range test.says {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in\n%s", want, out.String())
				}
			}
			if strings.Contains(out.String(), test.lacks) {
				t.Errorf("%q in\n%s", test.lacks, out.String())
			}
		})
	}
}
