package etcd

import (
	"errors"
	"slices"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// theirs is w with a peer CA that comes from elsewhere.
func theirs(w Want) Want {
	cluster := *w.Cluster
	cluster.PKI.PeerCA = &inventory.GivenCA{Cert: "their.pem", Key: "their.key"}
	w.Cluster = &cluster
	return w
}

// until are the states on the way to another's CA, as long as the old one is not retired.
func until(t *testing.T, w Want, s facts.Snapshot) []facts.Snapshot {
	t.Helper()
	var all []facts.Snapshot
	for {
		all = append(all, s)
		stage, err := Next(w, s)
		if err != nil || stage == nil {
			t.Fatalf("%v, %v", stage, err)
		}
		if stage.Steps[0].Kind == plan.RetireCA {
			return all
		}
		s = Simulate(w, s, *stage)
	}
}

func peerCAs(s facts.Snapshot) (live []int) {
	for _, ca := range s.Operator.CAs {
		if ca.Role == "peer" && !ca.Retired {
			live = append(live, ca.Generation)
		}
	}
	return live
}

// backHome checks that members have the CA of before alone.
func backHome(t *testing.T, w Want, s facts.Snapshot, step int) {
	t.Helper()
	if live := peerCAs(s); !slices.Equal(live, []int{1}) {
		t.Errorf("after stage %d: peer CAs %v", step, live)
	}
	if err := lawSettledCAs(w, s); err != nil {
		t.Errorf("after stage %d: %v", step, err)
	}
}

// Before the old CA is retired there is a way back at every stage: by the verb, and by the inventory, whatever may be
// wrong with the new one.
func TestTheWayBackFromAnothersCA(t *testing.T) {
	old := wanted(t, 3)
	w := theirs(old)
	all := until(t, w, replaced(w, settled(t, old)))
	for step, s := range all {
		bad := s
		bad.Operator.Unfit = map[string]string{"peer": "it lacks clientAuth"}
		refused := new(plan.Refused)
		if _, err := Next(w, bad); !errors.As(err, &refused) || !refused.Only(plan.GivenCA) {
			t.Errorf("after stage %d, of no use: %v", step, err)
		}
		if step > 0 { // the next apply would begin again, and is refused
			back := AbortRotation(w, []string{"peer"})
			backHome(t, back, rotated(t, back, bad), step)
			again := s
			again.Operator.Replaced, again.Operator.Reverts = map[string]string{"peer": "not given any more"},
				map[string]int{"peer": 1}
			backHome(t, old, rotated(t, old, again), step)
		}
	}
	if len(all) < 7 {
		t.Errorf("%d stages only", len(all))
	}
}

// A CA that no host has anything of is simply left, whether the inventory names another one or none.
func TestACAThatNoHostHas(t *testing.T) {
	w := wanted(t, 3)
	other := map[string]string{"peer": "another one is given"}
	s := Simulate(theirs(w), bare(w),
		plan.Stage{Steps: []plan.Step{{Kind: plan.CreateCA, CA: "peer"}, {Kind: plan.CreateCA, CA: "client"}}})
	s.Operator.Replaced = other
	s = rotated(t, theirs(w), s)
	if live := peerCAs(s); !slices.Equal(live, []int{2}) {
		t.Errorf("at a bootstrap: peer CAs %v", live)
	}
	for name, host := range s.Hosts {
		if v := Trust(w, s); v.Trusts(host, v.CAs("peer")[0]) {
			t.Errorf("%s trusts the one that was left", name)
		}
	}
	s = Simulate(theirs(w), replaced(w, settled(t, w)), plan.Stage{Steps: []plan.Step{{Kind: plan.CreateCA, CA: "peer"}}})
	s.Operator.Replaced = other
	stage, err := Next(theirs(w), s)
	if err != nil || stage == nil || len(stage.Steps) != 2 || stage.Steps[0].Kind != plan.RetireCA ||
		stage.Steps[0].Generation != 2 || stage.Steps[1].Kind != plan.ListRevoked {
		t.Errorf("in a cluster: %+v, %v", stage, err)
	}
	if live := peerCAs(rotated(t, theirs(w), s)); !slices.Equal(live, []int{3}) {
		t.Errorf("in a cluster: peer CAs %v", live)
	}
}

// A CA may not work for a member although all trust it, as new handshakes show. Then no certificate of it is issued any
// more, and the old CA stays.
func TestRejected(t *testing.T) {
	old := wanted(t, 3)
	w := theirs(old)
	all := until(t, w, replaced(w, settled(t, old)))
	end := all[len(all)-1]
	view := func(s facts.Snapshot, do func(*facts.Served)) facts.Snapshot {
		return change(s, "etcd-2", func(h *facts.Host) {
			h.Serves = trustOf(w, s).Serve(*h)
			do(&h.Serves["peer"][0])
		})
	}
	trusting := all[slices.IndexFunc(all, func(s facts.Snapshot) bool {
		v := Trust(w, s)
		return len(v.Live("peer")) > 1 && v.All(func(_ string, host facts.Host) bool {
			return v.Trusts(host, v.Live("peer")[1])
		})
	})]
	for name, s := range map[string]facts.Snapshot{
		"not accepted, before any has its certificate": view(trusting,
			func(s *facts.Served) { s.Accepts, s.Refuses = "", "bad certificate" }),
		"not accepted": view(end, func(s *facts.Served) { s.Accepts, s.Refuses = "", "bad certificate" }),
		"shows what is of no use": view(end,
			func(s *facts.Served) { s.Valid, s.Invalid = nil, "incompatible key usage" }),
		"not seen from one host":      view(end, func(s *facts.Served) { *s = facts.Served{From: s.From, Error: "timeout"} }),
		"not tried with the new CA":   view(end, func(s *facts.Served) { s.Accepts = "" }),
		"valid with the old CA alone": view(end, func(s *facts.Served) { s.Valid = []string{"first"} }),
	} {
		stage, err := Next(w, s)
		rotations := Trust(w, s).Rotations()
		if stage != nil && stage.Steps[0].Kind == plan.PruneTrust {
			stage, err = Next(w, Simulate(w, s, *stage))
		}
		if stage != nil || err != nil || len(rotations) != 1 || rotations[0].Waits == "" {
			t.Errorf("%s: %+v, %v, %+v", name, stage, err, rotations)
		}
		back := AbortRotation(w, []string{"peer"})
		backHome(t, back, rotated(t, back, s), 0)
	}
}

func TestOnTrial(t *testing.T) {
	w := wanted(t, 3)
	whole := settled(t, w)
	for step, s := range until(t, theirs(w), replaced(w, whole)) {
		if got := Trust(theirs(w), s).OnTrial(); !slices.Equal(got, []string{"peer"}) {
			t.Errorf("after stage %d: %v", step, got)
		}
	}
	for name, c := range map[string]struct {
		want Want
		seen facts.Snapshot
		on   []string
	}{
		"own CAs":    {w, whole, nil},
		"to be made": {theirs(w), bare(w), []string{"peer"}},
		"in use":     {theirs(w), rotated(t, theirs(w), replaced(w, whole)), nil},
		"taken back": {AbortRotation(theirs(w), []string{"peer"}), replaced(w, whole), nil},
	} {
		if got := Trust(c.want, c.seen).OnTrial(); !slices.Equal(got, c.on) && len(got)+len(c.on) > 0 {
			t.Errorf("%s: %v, want %v", name, got, c.on)
		}
	}
}
