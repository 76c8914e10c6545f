package etcd

import (
	"errors"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/trust"
)

// rotated is what is seen where nothing is left to do, with an error if it does not come to that.
func rotated(t *testing.T, w Want, s facts.Snapshot) facts.Snapshot {
	t.Helper()
	p, err := Build(w, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, stage := range p.Stages {
		s = Simulate(w, s, stage)
	}
	return s
}

// aged is a cluster whose client CA has been due for a while: its rotation is held, since a client has a certificate of
// the old one.
func aged(t *testing.T, w Want) facts.Snapshot {
	t.Helper()
	s := issued(w, settled(t, w))
	s.Taken = noon.AddDate(9, 6, 0)
	s.Operator.Clients[0].NotAfter = noon.AddDate(10, 0, 0)
	if s = rotated(t, w, s); s.Operator.Holds["client"] != trust.HoldTrust {
		t.Fatalf("holds %v", s.Operator.Holds)
	}
	return s
}

// generation is the CA that signed a member's certificate for clients.
func generation(s facts.Snapshot, member string) int {
	ca, _ := issuerOf(s, s.Hosts[member], "server")
	return ca.Generation
}

func TestAHoldEndsWithTheOldCA(t *testing.T) {
	w := wanted(t, 3)
	s := aged(t, w)
	s.Taken = noon.AddDate(10, 1, 0)
	s = rotated(t, w, s)
	if is := generation(s, "etcd-1"); is != 2 {
		t.Errorf("certificate of client CA %d, which has ended", is)
	}
}

// A rotation that was taken back stays so in this run. A note says that the next apply begins another, where the cause
// is still there.
func TestAbortedForGood(t *testing.T) {
	w := wanted(t, 3)
	of := map[string]facts.Snapshot{"client": aged(t, w)}
	other := w
	cluster := *w.Cluster
	cluster.PKI.PeerCA = &inventory.GivenCA{Cert: "other.pem", Key: "other.key"}
	other.Cluster = &cluster
	of["peer"] = rotated(t, RotateCA(other, replaced(w, settled(t, w)), []string{"peer"}, trust.HoldTrust),
		replaced(w, settled(t, w)))
	for role, s := range of {
		back := AbortRotation(other, []string{role})
		s = rotated(t, back, s)
		if made := s.Operator.CAs; len(made) != 3 && role == "peer" || len(made) != 4 && role == "client" {
			t.Errorf("%s: made %d CAs", role, len(made))
		}
		if notes := Waiting(back, s); len(notes) != 1 || !strings.Contains(notes[0], "next apply begins another") {
			t.Errorf("%s: notes %q", role, notes)
		}
	}
}

func TestNoWayBackToACAThatHasEnded(t *testing.T) {
	w := wanted(t, 3)
	s := aged(t, w)
	s.Taken = noon.AddDate(10, 1, 0)
	_, err := Next(AbortRotation(w, []string{"client"}), s)
	if refused := new(plan.Refused); !errors.As(err, &refused) || !refused.Only(plan.TooLate) {
		t.Errorf("got %v", err)
	}
}

// The files of the newest generation may be missing, as in a partial backup.
func TestNoRotationWithoutACA(t *testing.T) {
	w := wanted(t, 3)
	s := watched(w, settled(t, w))
	for i := range s.Operator.CAs {
		s.Operator.CAs[i].Retired, s.Operator.CAs[i].Signing = true, false
	}
	if got := Trust(w, s).Rotations(); got != nil {
		t.Errorf("got %v", got)
	}
	_, err := Next(AbortRotation(w, trust.Roles), s)
	if refused := new(plan.Refused); !errors.As(err, &refused) || !refused.Only(plan.CAKeyMissing) {
		t.Errorf("got %v", err)
	}
}

// A client that went back with its cluster hangs on the old CA, although it has a certificate of a later one.
func TestAClientThatWentBack(t *testing.T) {
	w := wanted(t, 3)
	s := issued(w, settled(t, w))
	s = rotated(t, RotateCA(w, s, []string{"client"}, trust.HoldLeaves), s)
	s.Operator.Clients = append(s.Operator.Clients,
		facts.Client{Name: "app", Serial: "2", Generation: 2, NotAfter: noon.AddDate(1, 0, 0)})
	s = rotated(t, AbortRotation(w, []string{"client"}), s)
	s = rotated(t, RotateCA(w, s, []string{"client"}, ""), s)
	for _, ca := range s.Operator.CAs {
		if ca.Role == "client" && ca.Generation == 1 && ca.Retired {
			t.Error("the CA of its only good certificate was dropped")
		}
	}
}

func TestARotationToACAWithoutItsKeyWaits(t *testing.T) {
	w := wanted(t, 3)
	for _, hold := range []string{trust.HoldTrust, trust.HoldLeaves} {
		s := watched(w, settled(t, w))
		s = rotated(t, RotateCA(w, s, []string{"peer"}, hold), s)
		for i, ca := range s.Operator.CAs {
			if ca.Role == "peer" && ca.Generation == 2 {
				s.Operator.CAs[i].Signing = false
			}
		}
		s.Operator.Holds = nil
		s = rotated(t, w, s)
		if notes := Waiting(w, s); len(notes) != 1 || !strings.Contains(notes[0], "the key of peer CA 2 is not at hand") {
			t.Errorf("held after %s: notes %q", hold, notes)
		}
	}
}

func TestTLSStaysOnWhileAllAreStopped(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	s.Members = nil
	for _, name := range s.Names() {
		s = change(s, name, func(h *facts.Host) { h.Process, h.Etcd, h.Reads = nil, nil, false })
	}
	plainly(&w)
	_, err := Next(w, s)
	if refused := new(plan.Refused); !errors.As(err, &refused) || !refused.Only(plan.Insecure) {
		t.Errorf("got %v", err)
	}
}

// The operator directory is out of a backup from before the old CA was retired.
func TestACAThatWasDroppedIsNotTrustedAgain(t *testing.T) {
	w := wanted(t, 3)
	s := watched(w, settled(t, w))
	s = rotated(t, RotateCA(w, s, trust.Roles, ""), s)
	for i := range s.Operator.CAs {
		s.Operator.CAs[i].Retired, s.Operator.CAs[i].Signing = false, true
	}
	p, err := Build(w, s)
	if err != nil || len(p.Stages) != 1 || p.Stages[0].Steps[0].Kind != plan.RetireCA {
		t.Errorf("got %v, %+v", err, p.Stages)
	}
}

// A plan names the clients that it concerns, whatever begins a rotation or ends it.
func TestClientsAreNamed(t *testing.T) {
	w := wanted(t, 3)
	s := issued(w, settled(t, w))
	moved := rotated(t, RotateCA(w, s, []string{"client"}, trust.HoldLeaves), s)
	moved.Operator.Clients = []facts.Client{{Name: "app", Serial: "2", Generation: 2, NotAfter: noon.AddDate(1, 0, 0)}}
	given := s
	given.Operator.Replaced = map[string]string{"client": "another one is given"}
	for name, test := range map[string]struct {
		w    Want
		s    facts.Snapshot
		says string
	}{
		"asked for":     {RotateCA(w, s, []string{"client"}, ""), s, "client app: the newest certificate is of client CA 1."},
		"given another": {w, given, "client app: the newest certificate is of client CA 1."},
		"taken back": {
			AbortRotation(w, []string{"client"}), moved,
			"client app: the newest certificate is of client CA 2, which is taken back",
		},
	} {
		p, err := Build(test.w, test.s)
		if err != nil || !strings.Contains(strings.Join(p.Notes, "\n"), test.says) {
			t.Errorf("%s: %v, notes %q", name, err, p.Notes)
		}
	}
}

// The client CA waits for its clients when the peer CA is long done: going on does not begin another rotation of that.
func TestUnfinished(t *testing.T) {
	w := wanted(t, 3)
	s := issued(w, settled(t, w))
	if got := Trust(w, s).Unfinished(trust.Roles); len(got) != 2 {
		t.Errorf("of none: %v", got)
	}
	begun := RotateCA(w, s, trust.Roles, "")
	stage, err := Next(begun, s)
	if err != nil || len(stage.Steps) != 2 {
		t.Fatal(stage, err)
	}
	cut := *stage
	cut.Steps = cut.Steps[:1]
	if got := Trust(w, Simulate(begun, s, cut)).Unfinished(trust.Roles); len(got) != 2 {
		t.Errorf("cut off before the second CA was made: %v", got)
	}
	s = rotated(t, begun, s)
	if got := Trust(w, s).Unfinished(trust.Roles); len(got) != 1 || got[0] != "client" {
		t.Errorf("of one that waits: %v", got)
	}
}

// A client's certificate is of a CA that every member accepts, whichever hosts are dark.
func TestClientSigner(t *testing.T) {
	w := wanted(t, 3)
	w.Accept = []plan.Risk{plan.OldClients}
	begun := rotated(t, RotateCA(w, settled(t, w), []string{"client"}, trust.HoldTrust), watched(w, settled(t, w)))
	moved := rotated(t, RotateCA(w, begun, []string{"client"}, trust.HoldLeaves), begun)
	dark := func(s facts.Snapshot, names ...string) facts.Snapshot {
		for _, name := range names {
			s = change(s, name, func(h *facts.Host) {
				*h = facts.Host{Machine: facts.Machine{Name: name, Unreachable: "no route to host"}}
			})
		}
		return s
	}
	for name, c := range map[string]struct {
		seen facts.Snapshot
		want int // 0: none
	}{
		"one CA":                            {watched(w, settled(t, w)), 1},
		"all trust both":                    {begun, 2},
		"all trust both, one is dark":       {dark(begun, "etcd-3"), 1},
		"all trust both, all are dark":      {dark(begun, "etcd-1", "etcd-2", "etcd-3"), 1},
		"a member shows it":                 {moved, 2},
		"a member shows it, others dark":    {dark(moved, "etcd-1", "etcd-2"), 2},
		"members show it, and all are dark": {dark(moved, "etcd-1", "etcd-2", "etcd-3"), 1},
	} {
		if ca, ok := Trust(w, c.seen).ClientSigner(); ok != (c.want > 0) || ca.Generation != c.want {
			t.Errorf("%s: CA %d, want %d", name, ca.Generation, c.want)
		}
	}
}
