package view

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/units"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with testdata/NAME.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func samplePlan() plan.Plan {
	file := units.File{
		Path: "/etc/systemd/system/etcd-prod.service", Owner: "root", Group: "root", Mode: 0o644,
		Data: []byte("a\nnew\nz\n"),
	}
	var stages []plan.Stage
	stages = append(stages, plan.Stage{
		Name: "operator directory", Gate: "no host holds anything of another CA", Width: 1,
		Steps: []plan.Step{
			{Kind: plan.CreateCA, CA: "peer", Why: "the operator directory has no peer CA"},
		},
	})
	put := plan.Stage{Name: "put files right", Gate: "no running member is touched", Width: 3}
	for _, host := range []string{"etcd-1", "etcd-2", "etcd-3"} {
		put.Steps = append(put.Steps, plan.Step{
			Kind: plan.MakeDirs, Host: host, Why: "1 directory missing",
			Paths: []plan.Path{{Path: "/var/lib/etcd-prod", Owner: "etcd-prod", Group: "etcd-prod", Mode: 0o700}},
		})
	}
	put.Steps = append(put.Steps, plan.Step{
		Kind: plan.WriteUnit, Host: "etcd-3", Why: "differs",
		Changes: []plan.Change{{File: file, Was: []byte("a\nold\nz\n"), Existed: true}},
	})
	restart := plan.Stage{
		Name: "restart etcd-3", Gate: "2 of 3 voters stay up and serve; a quorum is 2", Width: 1,
		Steps: []plan.Step{
			{Kind: plan.RestartMember, Host: "etcd-3", Why: "--quota-backend-bytes: 1 → 2"},
		},
	}
	return plan.Plan{
		Cluster: "prod", Version: "3.6.16", Stages: append(stages, put, restart),
		Notes: []string{"the hosts are of different architectures"},
	}
}

func TestPlanView(t *testing.T) {
	var out bytes.Buffer
	c := &Console{Out: &out}
	c.ShowPlan(samplePlan(), false, nil)
	golden(t, "plan.txt", out.Bytes())
	out.Reset()
	c.ShowPlan(plan.Plan{Cluster: "prod"}, false, nil)
	golden(t, "plan-empty.txt", out.Bytes())
}

func TestStatusView(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	c := &inventory.Cluster{
		Name: "prod", Members: []inventory.Member{
			{Name: "etcd-1", Address: "10.0.0.11"},
			{Name: "etcd-2", Address: "10.0.0.12"},
			{Name: "etcd-3", Address: "10.0.0.13"},
		},
	}
	leaf := map[string]facts.Leaf{"peer": {NotAfter: now.AddDate(0, 0, 30)}, "server": {NotAfter: now.AddDate(0, 0, 20)}}
	seen := facts.Snapshot{
		Operator: facts.Operator{CAs: []facts.CA{{
			Role: "client", Generation: 1, Signing: true,
			NotAfter: now.AddDate(1, 0, 0),
		}}},
		Alarms: []facts.Alarm{{Member: 2, Type: "NOSPACE"}},
		Hosts: map[string]facts.Host{
			"etcd-1": {
				Machine: facts.Machine{Name: "etcd-1"},
				Member: facts.Member{
					Process: &facts.Process{PID: 7},
					Reads:   true,
					Leaves:  leaf,
					Etcd:    &facts.Status{MemberID: 1, Leader: 1, Version: "3.6.16", Term: 4, Index: 99, Applied: 98, DBSize: 20480},
				},
			},
			"etcd-2": {
				Machine: facts.Machine{Name: "etcd-2"},
				Member: facts.Member{
					Process: &facts.Process{PID: 8}, Reads: true,
					Etcd: &facts.Status{
						MemberID: 2, Leader: 1, Version: "3.6.16", Term: 4, Index: 99, Applied: 97,
						Errors: []string{"etcdserver: mvcc: database space exceeded"},
					},
				},
			},
			"etcd-3": {Machine: facts.Machine{Name: "etcd-3", Unreachable: "etcd-3: connect: no route to host"}},
		},
	}
	refused := &plan.Refused{Refusals: []plan.Refusal{{
		Kind: plan.Unreachable, Host: "etcd-3",
		Reason: "connect: no route to host",
	}}}
	(&Console{Out: &out}).ShowStatus(Look{
		Want: etcd.Want{Cluster: c}, Plan: plan.Plan{Cluster: "prod"}, Seen: seen,
		Refused: refused, Now: now,
	})
	golden(t, "status.txt", out.Bytes())
}
