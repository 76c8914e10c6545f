package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

// permitting is a look at a cluster with permissions, and with so many steps and strays.
func permitting(t *testing.T, steps, strays int) Look {
	t.Helper()
	file, diags := inventory.Parse([]byte(`cluster "prod" {
  version = "3.6.16"
  auth {}
  member "etcd-1" { address = "10.0.0.11" }
}`), "test.hcl", inventory.Options{Home: "/home/op"})
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	auth := &facts.Auth{Listed: true, Users: []facts.User{{Name: "root", Roles: []string{"root"}}}}
	for i := range strays {
		auth.Users = append(auth.Users, facts.User{Name: fmt.Sprint("stray", i)})
	}
	stage := plan.Stage{Name: "users, roles and permissions"}
	for i := range steps {
		stage.Steps = append(stage.Steps, plan.Step{
			Kind: plan.PutUser, Host: "etcd-1", Why: "it is new", User: &plan.UserChange{Name: fmt.Sprint("user", i)},
		})
	}
	stage.Steps = append(stage.Steps, plan.Step{Kind: plan.EnableAuth, Host: "etcd-1", Why: "it is wanted"})
	return Look{
		Want: etcd.Want{Cluster: file.Clusters[0]}, Plan: plan.Plan{Stages: []plan.Stage{stage}},
		Seen: facts.Snapshot{Auth: auth, Hosts: map[string]facts.Host{"etcd-1": {Machine: facts.Machine{Name: "etcd-1"}}}},
	}
}

// Changes of permissions are told of the cluster, not of the member that is asked, and never without end.
func TestStatusOfPermissions(t *testing.T) {
	l := permitting(t, 30, 1)
	var text, object bytes.Buffer
	(&Console{Out: &text}).ShowStatus(l)
	(&Console{Out: &object, JSON: true}).ShowStatus(l)
	for _, want := range []string{
		"Permissions: off; 2 users, 0 roles.\n", "permissions: put-user user19: it is new\npermissions: 11 changes more\n",
		"none\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	if strings.Contains(text.String(), "user20") || strings.Contains(text.String(), "etcd-1: put-user") {
		t.Errorf("too much in\n%s", text.String())
	}
	if is := l.clusterStatus(l.members(), l.nodes()).standing(); !strings.Contains(is, ", permissions off") {
		t.Errorf("a watch is told: %s", is)
	}
	lines := strings.Split(strings.TrimSpace(object.String()), "\n")
	var told struct {
		Permissions struct {
			Wanted, Enabled *bool
			Stray           []string
			PendingChanges  []string `json:"pending_changes"`
		}
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &told); err != nil {
		t.Fatal(err)
	}
	p := told.Permissions
	as := p.Wanted != nil && *p.Wanted && p.Enabled != nil && !*p.Enabled
	if !as || len(p.Stray) != 1 || len(p.PendingChanges) != 31 {
		t.Errorf("told %+v", p)
	}
	l.Seen.Auth = nil
	text.Reset()
	if (&Console{Out: &text}).ShowStatus(l); !strings.Contains(text.String(), "Permissions: not known.\n") {
		t.Errorf("nobody told, and\n%s", text.String())
	}
	l.Want.Cluster.Auth = nil
	text.Reset()
	if (&Console{Out: &text}).ShowStatus(l); strings.Contains(text.String(), "Permissions:") {
		t.Errorf("nobody wants any, and\n%s", text.String())
	}
}

// Each thing that the inventory has not is a finding, up to a number, and each change is drift of the cluster.
func TestCheckOfPermissions(t *testing.T) {
	l := permitting(t, 2, 25)
	// else nothing would show that there is a cluster
	l.Seen.Hosts["etcd-1"] = facts.Host{Machine: facts.Machine{Name: "etcd-1", Unreachable: "dark"}}
	kinds := map[string]int{}
	last := ""
	for _, f := range l.Check().Findings {
		kinds[f.Kind]++
		if f.Kind == "permissions" {
			last = f.Text
		}
		if f.Kind == "drift" && f.Host != "" {
			t.Errorf("drift of %s: %s", f.Host, f.Text)
		}
	}
	const more = "etcd has 5 more that the block auth has not"
	if kinds["permissions"] != 21 || kinds["drift"] != 3 || !strings.Contains(last, more) {
		t.Errorf("%v, the last %q", kinds, last)
	}
}

// A member that lets users around permissions which are on is a finding.
func TestCheckOfGaps(t *testing.T) {
	l := portsOnly(t)
	l.Seen.Auth = &facts.Auth{AuthState: facts.AuthState{Enabled: true}}
	for version, want := range map[string]int{"3.6.12": 1, "3.6.16": 0} {
		l.Seen.Hosts["etcd-1"].Etcd.Version = version
		found := l.strays()
		if len(found) != want || want == 1 && !strings.Contains(found[0].Text, "etcd-1 (3.6.12)") {
			t.Errorf("%s: %+v", version, found)
		}
	}
}
