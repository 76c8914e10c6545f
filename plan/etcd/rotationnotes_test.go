package etcd

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/trust"
)

// Clients that are about to be cut off are named, until that is done or given up.
func TestCutOffNotes(t *testing.T) {
	patient, unsealed := wanted(t, 3), settled(t, wanted(t, 3))
	patiently(&patient)
	s := issued(patient, settled(t, patient))
	unsealed.Operator.Unsealed = true
	after := func(hold string) facts.Snapshot { return rotated(t, RotateCA(patient, s, []string{"client"}, hold), s) }
	for name, test := range map[string]struct {
		want Want
		seen facts.Snapshot
		says string
	}{
		"a rotation without a pause": {
			RotateCA(patient, s, []string{"client"}, ""), s,
			"client app: the newest certificate is of client CA 1. Clients that do not trust",
		},
		"a pause that is too late": {
			RotateCA(patient, s, []string{"client"}, trust.HoldLeaves), s,
			"are cut off when members take certificates of it: --pause-after=trust leaves the time",
		},
		"a pause":                 {RotateCA(patient, s, []string{"client"}, trust.HoldTrust), s, ""},
		"it is paused":            {patient, after(trust.HoldTrust), ""},
		"it waits for the client": {patient, after(""), ""},
		"it does not wait any more": {
			accepting(patient, plan.OldClients), after(""),
			"client app: the newest certificate is of client CA 1, and is refused by every member",
		},
		"it is paused all the same":   {accepting(patient, plan.OldClients), after(trust.HoldLeaves), ""},
		"nothing to take back":        {AbortRotation(patient, trust.Roles), s, "no rotation is under way"},
		"keys that are not encrypted": {patient, unsealed, "clusterup pki reseal"},
	} {
		got := strings.Join(Trust(test.want, test.seen).Notes(), "\n")
		if test.says == "" && got != "" || !strings.Contains(got, test.says) {
			t.Errorf("%s: the notes are %q, want %q", name, got, test.says)
		}
	}
}

// Where a client without a common name uses the gateway, server certificates that still have one are noted, and there
// is nothing to do for that.
func TestGatewayNotes(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	before := s.Hosts["etcd-2"].Leaves["server"]
	before.CN = before.Subject
	s.Hosts["etcd-2"].Leaves["server"] = before
	for gateway, note := range map[bool]string{false: "", true: "the server certificate of etcd-2 still has a common name"} {
		cluster := *w.Cluster
		cluster.Clients = []inventory.Client{{Name: "app", User: "app"}}
		if gateway {
			cluster.Clients = append(cluster.Clients, inventory.Client{Name: "patroni"})
		}
		w.Cluster = &cluster
		p := build(t, w, s)
		got := strings.Join(p.Notes, "\n")
		if !p.Empty() || !strings.Contains(got, note) || note == "" && strings.Contains(got, "common name") {
			t.Errorf("the plan is empty: %v, its notes are %q; want %q", p.Empty(), got, note)
		}
	}
}

// accepting is w with a risk that the operator accepts too.
func accepting(w Want, risk plan.Risk) Want {
	w.Accept = append(slices.Clone(w.Accept), risk)
	return w
}

// Taking a rotation back names the clients that this cuts off, and says nothing of those that going on would.
func TestTakenBackNotes(t *testing.T) {
	w := wanted(t, 3)
	s := issued(w, settled(t, w))
	next := s.Operator.CAs[slices.IndexFunc(s.Operator.CAs, func(ca facts.CA) bool { return ca.Role == "client" })]
	next.Generation, next.SHA256 = 2, "another"
	s.Operator.CAs = append(slices.Clone(s.Operator.CAs), next)
	early := facts.Client{Name: "early", Serial: "2", Generation: 2, NotAfter: noon.AddDate(1, 0, 0)}
	for _, test := range []struct {
		name    string
		clients []facts.Client
		want    string
	}{
		{"nobody was quick", s.Operator.Clients, ""},
		{
			"somebody was", append(slices.Clone(s.Operator.Clients), early),
			"client early: the newest certificate is of client CA 2, which is taken back",
		},
	} {
		s.Operator.Clients = test.clients
		got := strings.Join(Trust(AbortRotation(w, []string{"client"}), s).Notes(), "\n")
		if test.want == "" && got != "" || !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: the notes are %q, want %q", test.name, got, test.want)
		}
	}
}
