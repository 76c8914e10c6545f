package view

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

// Hearsay stands beside the member, in text and in JSON, and in the finding of check.
func TestHearsayIsTold(t *testing.T) {
	said := map[string]facts.Hearsay{
		"etcd-1": {}, "etcd-2": {Listed: true, Serves: true, From: "etcd-4", Version: "3.6.16"},
		"etcd-3": {Listed: true, From: "etcd-4", Error: "refused"},
	}
	want := map[string]string{
		"etcd-1": "the cluster lists no such member", "etcd-2": "the cluster lists it, and it serves reads to etcd-4's host",
		"etcd-3": "the cluster lists it, and it serves no read to etcd-4's host: refused",
	}
	l := Look{
		Want: etcd.Want{Cluster: &inventory.Cluster{}}, Seen: facts.Snapshot{Hosts: map[string]facts.Host{}},
		Heard: said,
	}
	for _, name := range []string{"etcd-1", "etcd-2", "etcd-3", "etcd-4"} {
		l.Want.Cluster.Members = append(l.Want.Cluster.Members, inventory.Member{Name: name})
		host := facts.Host{Machine: facts.Machine{Name: name}}
		if _, dark := said[name]; dark {
			host.Unreachable = "no route"
		}
		l.Seen.Hosts[name] = host
	}
	l.Plan.Stages = []plan.Stage{{Steps: []plan.Step{{Host: "etcd-1", Kind: plan.FixModes, Why: "x"}}}}
	var out bytes.Buffer
	(&Console{Out: &out}).ShowStatus(l)
	for name, text := range want {
		if !strings.Contains(out.String(), name+": "+text+"\n") {
			t.Errorf("%q is missing in\n%s", text, out.String())
		}
	}
	for _, f := range l.Check().Findings {
		if f.Kind == "unreachable" && f.Text != "no route; "+want[f.Host] || f.Kind == "drift" && f.Text != "fix-modes: x" {
			t.Errorf("check says %+v", f)
		}
	}
	members := l.members()
	raw, err := json.Marshal(members[1])
	if err != nil || !strings.Contains(string(raw),
		`"cluster_says":{"listed":true,"serves":true,"from":"etcd-4","version":"3.6.16"}`) {
		t.Errorf("%s, %v", raw, err)
	}
	if raw, err = json.Marshal(members[3]); err != nil || strings.Contains(string(raw), "cluster_says") {
		t.Errorf("%s, %v", raw, err)
	}
}
