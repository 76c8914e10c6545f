package view

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/units"
)

// mixed is a cluster with a member of most classes.
func mixed(t *testing.T) Look {
	t.Helper()
	file, diags := inventory.Parse([]byte(`cluster "prod" {
  version = "3.6.16"
  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" { address = "10.0.0.13" }
  member "etcd-4" { address = "10.0.0.14" }
  member "etcd-5" {
    address = "10.0.0.15"
    state   = "absent"
  }
  member "etcd-6" { address = "10.0.0.16" }
  member "etcd-7" { address = "10.0.0.17" }
}
`), "prod.hcl", inventory.Options{Home: "/home/op"})
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	host := func(name string, id facts.ID, cluster facts.ID) facts.Host {
		h := facts.Host{Machine: facts.Machine{Name: name, Arch: "amd64", Systemd: 252}}
		if id == 0 {
			return h
		}
		marker := fmt.Sprintf(`{"cluster":"prod","member":"%s","cluster_id":"c1","member_id":"%s","token":"t",`+
			`"data_dir":"/var/lib/etcd-prod","user":"etcd-prod"}`, name, id)
		h.Files = map[string]facts.File{"/etc/etcd/prod/born.json": {Kind: facts.Regular, Content: []byte(marker)}}
		h.Data = facts.Data{Exists: true, WAL: true, ClusterID: cluster, MemberID: id}
		h.Process = &facts.Process{PID: 7, Args: units.Args(units.Member{Name: name})}
		h.Etcd = &facts.Status{MemberID: id, ClusterID: cluster, Leader: 1, Version: "3.6.16", Applied: 90, Index: 90}
		h.Reads = true
		return h
	}
	learner := host("etcd-4", 4, 0xc1)
	learner.Etcd.Learner, learner.Reads, learner.ReadError = true, false, "rpc not supported for learner"
	seen := facts.Snapshot{
		Taken: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Cluster: 0xc1,
		Hosts: map[string]facts.Host{
			"etcd-1": host("etcd-1", 1, 0xc1), "etcd-2": host("etcd-2", 0, 0), "etcd-3": host("etcd-3", 3, 0xc9),
			"etcd-4": learner, "etcd-5": host("etcd-5", 0, 0), "etcd-7": host("etcd-7", 0, 0),
			"etcd-6": {Machine: facts.Machine{Name: "etcd-6", Unreachable: "etcd-6: connect: no route to host"}},
		},
	}
	for i, name := range []string{"etcd-1", "etcd-2", "etcd-3", "etcd-4", "", "etcd-6"} {
		at := "10.0.0.1" + string(rune('1'+i))
		one := facts.Listed{ID: facts.ID(i + 1), Name: name, PeerURLs: []string{"https://" + at + ":2380"}}
		switch i {
		case 3:
			one.Learner = true
		case 4: // nobody knows it
			one.ID, one.PeerURLs = 0xabc, []string{"https://10.0.0.99:2380"}
		}
		if name != "" {
			one.ClientURLs = []string{"https://" + at + ":2379"}
		}
		seen.Members = append(seen.Members, one)
	}
	return Look{
		Want: etcd.Want{Cluster: file.Clusters[0]}, Seen: seen, Now: seen.Taken, File: "prod.hcl",
		Heard: map[string]facts.Hearsay{"etcd-6": {Listed: true, From: "etcd-1", Error: "refused"}},
	}
}

// A check notes server certificates with a common name, where a client uses the HTTP gateway; that is no finding.
func TestGatewayNote(t *testing.T) {
	l := mixed(t)
	host := l.Seen.Hosts["etcd-1"]
	host.Leaves = map[string]facts.Leaf{"server": {CN: "server:etcd-1"}}
	l.Seen.Hosts["etcd-1"] = host
	before := l.Check()
	l.Want.Cluster.Clients = append(l.Want.Cluster.Clients, inventory.Client{Name: "patroni"})
	after := l.Check()
	if len(after.Notes) != len(before.Notes)+1 || !strings.Contains(after.Notes[len(after.Notes)-1], "server:etcd-1") ||
		len(after.Findings) != len(before.Findings) {
		t.Errorf("without a client of the gateway %q, with one %q; %d findings, and %d", before.Notes, after.Notes,
			len(before.Findings), len(after.Findings))
	}
}

// How members stand reads the same in the list, in status and in check.
func TestMembersView(t *testing.T) {
	l := mixed(t)
	var out bytes.Buffer
	c := &Console{Out: &out}
	c.ShowMembers(l)
	out.WriteString("\n")
	c.JSON = true
	c.ShowMembers(l)
	c.JSON = false
	out.WriteString("\n")
	c.ShowStatus(l)
	out.WriteString("\n")
	c.ShowCheck(l.Check())
	golden(t, "members.txt", out.Bytes())
	metrics := string(l.Check().Metrics())
	for _, line := range []string{`member="etcd-4"} 1`, `member="etcd-2"} 0`} {
		if !strings.Contains(metrics, "clusterup_member_healthy{cluster=\"prod\","+line) {
			t.Errorf("no line %s in\n%s", line, metrics)
		}
	}
	if !strings.Contains(metrics, `clusterup_learner_behind_entries{cluster="prod",member="etcd-4"} 0`) {
		t.Errorf("not how far the learner is behind:\n%s", metrics)
	}
	for _, name := range []string{"etcd-5", "abc"} {
		if strings.Contains(metrics, `clusterup_member_healthy{cluster="prod",member="`+name) {
			t.Errorf("%s, of which nothing runs or nothing is known, is told to be ill", name)
		}
	}
}

// A plan tells a change that is the same on several hosts once, and no ID of a member that has none yet.
func TestPlanViewOfMembers(t *testing.T) {
	unit := func(host, of string) plan.Step {
		text := func(list string) []byte {
			return []byte("a\nb\n  --advertise=" + host + "\n  --initial-cluster=" + list + "\nz\n")
		}
		return plan.Step{
			Kind: plan.WriteUnit, Host: host, Why: of,
			Changes: []plan.Change{{
				File: units.File{Path: "/etc/systemd/system/etcd-prod.service", Data: text("1,2,3")},
				Was:  text("1,2"), Existed: true,
			}},
		}
	}
	p := plan.Plan{Cluster: "prod", Version: "3.6.16", Stages: []plan.Stage{
		{
			Name: "put files right", Gate: "no member", Width: 2,
			Steps: []plan.Step{unit("etcd-1", "names"), unit("etcd-2", "names")},
		},
		{Name: "remove etcd-9", Gate: "it is gone", Width: 1, Steps: []plan.Step{
			{Kind: plan.RemoveMember, Host: "etcd-9", Member: 9, Through: "etcd-1", Why: "gone"},
		}},
		{Name: "add etcd-3", Gate: "no vote", Width: 1, Steps: []plan.Step{
			{
				Kind: plan.AddLearner, Host: "etcd-3", PeerURLs: []string{"https://10.0.0.13:2380"}, Through: "etcd-1",
				Why: "wanted",
			},
		}},
		{Name: "promote etcd-3", Gate: "caught up", Width: 1, Steps: []plan.Step{
			{Kind: plan.PromoteMember, Host: "etcd-3", Member: 0xabc, Through: "etcd-1", Why: "caught up"},
		}},
	}}
	var out bytes.Buffer
	(&Console{Out: &out}).ShowPlan(p, false, nil)
	golden(t, "plan-members.txt", out.Bytes())
	out.Reset()
	(&Console{Out: &out, Idle: "etcd-2 leads already."}).ShowPlan(plan.Plan{Cluster: "prod"}, false, nil)
	if out.String() != "Cluster prod: etcd-2 leads already.\n" {
		t.Errorf("%s", &out)
	}
}

func TestEndpoints(t *testing.T) {
	var out, err bytes.Buffer
	c := &Console{Out: &out, Err: &err}
	c.Endpoints([]string{"https://10.0.0.11:2379", "https://10.0.0.12:2379"})
	if err.String() != "Endpoints for clients: https://10.0.0.11:2379,https://10.0.0.12:2379\n" || out.Len() > 0 {
		t.Errorf("%s%s", &err, &out)
	}
	c.JSON = true
	c.Endpoints([]string{"https://10.0.0.11:2379"})
	if out.String() != `{"type":"endpoints","endpoints":["https://10.0.0.11:2379"]}`+"\n" {
		t.Errorf("%s", &out)
	}
}
