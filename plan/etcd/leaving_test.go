package etcd

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// Members that serve stay as long as others that are to come are no voters, dark ones too: else three machines that are
// changed for three others end as one, where the link to the new ones drops.
func TestNobodyLeavesBeforeOthersVote(t *testing.T) {
	w, s := grown(t, 3, 6)
	w = absent(w, "etcd-1", "etcd-2", "etcd-3")
	for _, name := range []string{"etcd-4", "etcd-5", "etcd-6"} {
		s = change(s, name, dark)
	}
	p, err := Build(w, s)
	if !plan.DarkOnly(err) {
		t.Errorf("ends with %v", err)
	}
	if ids := stepIDs(p); strings.Contains(strings.Join(ids, " "), "remove-member/") {
		t.Errorf("leaves by %q", ids)
	}
	if !slices.ContainsFunc(p.Waits, func(w plan.Wait) bool { return w.What == "taking out etcd-1" }) {
		t.Errorf("waits: %v", p.Waits)
	}
}

// A member that is to leave is prepared for nothing any more, so it is not restarted into what it was not given.
func TestWhoLeavesIsNotRestarted(t *testing.T) {
	w, s := grown(t, 3, 3)
	w = absent(w, "etcd-3")
	flagged(&w)
	var ids []string
	for _, id := range stepIDs(build(t, w, s)) {
		if strings.HasSuffix(id, "/etcd-3") {
			ids = append(ids, id)
		}
	}
	if !slices.Contains(ids, "remove-member/etcd-3") || slices.Contains(ids, "restart-member/etcd-3") ||
		slices.Contains(ids, "write-unit/etcd-3") {
		t.Errorf("etcd-3: %q", ids)
	}
}

// Beside a single voter a learner that lags is waited for, too: with its vote the quorum is both of them.
func TestLearnerBesideOneVoter(t *testing.T) {
	w, s := grown(t, 1, 2)
	for range 20 {
		stage, err := Next(w, s)
		if err != nil || stage == nil {
			t.Fatal("no learner is promoted:", err)
		}
		if stage.Steps[0].Kind != plan.PromoteMember {
			s = Simulate(w, s, *stage)
			continue
		}
		behind := change(s, "etcd-1", func(h *facts.Host) {
			status := *h.Etcd
			status.Applied += maxGap + 1
			h.Etcd = &status
		})
		if stage, err := Next(w, behind); err != nil || stage == nil || stage.Steps[0].Kind != plan.AwaitLearner {
			t.Errorf("stage %s, %v", said(stage), err)
		}
		return
	}
}

// A host cannot have names signed that a CA of ours has not signed for it before, whatever it says of its routes.
func TestNamesThatAHostSays(t *testing.T) {
	w, s := grown(t, 3, 3)
	from := netip.MustParseAddr("10.0.0.99")
	says := func(issuer string, names ...string) facts.Snapshot {
		return change(s, "etcd-2", func(h *facts.Host) {
			h.Sources = map[netip.Addr]netip.Addr{netip.MustParseAddr("10.0.0.11"): from}
			leaf := h.Leaves["peer"]
			leaf.Names = append(slices.Clone(leaf.Names), names...)
			if issuer != "" {
				leaf.Issuer = issuer
			}
			leaves := map[string]facts.Leaf{"peer": leaf, "server": h.Leaves["server"]}
			h.Leaves = leaves
		})
	}
	m := w.Cluster.Members[1]
	for name, test := range map[string]struct {
		seen facts.Snapshot
		has  bool
	}{
		"a route alone":              {says(""), false},
		"signed by us before":        {says("", from.String()), true},
		"signed by somebody":         {says("abc", from.String()), false},
		"another name, signed by us": {says("", "10.0.0.98"), false},
	} {
		v := newView(w, test.seen)
		if got := v.names(m, test.seen.Hosts[m.Name]); slices.Contains(got, from.String()) != test.has {
			t.Errorf("%s: names %q", name, got)
		}
	}
}

// A restart that was to give a member another address is taken back, with the address that the cluster knows.
func TestBackToTheOldAddress(t *testing.T) {
	w, s := grown(t, 3, 3)
	w.Cluster = withMembers(w.Cluster, func(m *inventory.Member) {
		if m.Name == "etcd-2" {
			m.Address, m.PeerAddress, m.ClientAddress = "10.0.0.99", "10.0.0.99", "10.0.0.99"
		}
	})
	for range 10 {
		stage, err := Next(w, s)
		if err != nil || stage == nil {
			t.Fatal("it does not restart:", err)
		}
		after := Simulate(w, s, *stage)
		if !slices.ContainsFunc(stage.Steps, func(s plan.Step) bool { return s.Kind == plan.RestartMember }) {
			s = after
			continue
		}
		back := Back(w, s, change(after, "etcd-2", stop), *stage)
		if back == nil || back.Steps[0].Kind != plan.UpdateMember ||
			!slices.Equal(back.Steps[0].PeerURLs, []string{"https://10.0.0.12:2380"}) {
			t.Errorf("taken back by %+v", back)
		}
		return
	}
}
