package main

import (
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/view"
)

// A destroy without a dark host says what lies there still, and how it goes; that is exit 12.
func TestDestroyLeaves(t *testing.T) {
	a := newAging(t, "")
	s, seen := a.session, a.seen
	if err := s.left(seen); err != nil {
		t.Errorf("all were seen: %v", err)
	}
	seen.Hosts["etcd-3"] = facts.Host{Machine: facts.Machine{Name: "etcd-3", Unreachable: "no route"}}
	err := view.Late(goneRemedy(s.left(seen)), 6)
	if code := view.Advice(operator.Advice).ExitCode(err); code != view.ExitUnreachable {
		t.Errorf("exit %d", code)
	}
	saysLines(t, explained(err, false), "Error: .*destroyed.*:",
		"  etcd-3: .*: /etc/systemd/system/etcd-prod.service, /etc/etcd/prod, /var/lib/etcd-prod  \\[unreachable\\]",
		"    → .*: clusterup destroy prod.hcl")
}

// A dark host is left out by name; the refusal says how.
func TestGoneRemedy(t *testing.T) {
	err := goneRemedy(&plan.Refused{
		Refusals: []plan.Refusal{{
			Kind: plan.Unreachable, Host: "etcd-3", Reason: "connect: no route",
			Remedy: "check routes",
		}},
	})
	saysLines(t, explained(err, false), "Error: .*", "  etcd-3: connect: no route  \\[unreachable\\]",
		"    → check routes; .*--accept=gone:etcd-3")
	for name, ok := range map[string]bool{"gone:etcd-3": true, "gone:": false, "gone": false, "downtime": true} {
		if err := (&clusterFlags{accept: []string{name}}).check(); (err == nil) != ok {
			t.Errorf("--accept=%s: %v", name, err)
		}
	}
}
