package etcd

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// A certificate is revoked and the list signed, whichever hosts are dark, also when that was cut short before: no host
// is needed for it.
func TestRevokeInTheDark(t *testing.T) {
	w := wanted(t, 3)
	lit := settled(t, w)
	lit.Operator.Clients = []facts.Client{{Name: "app", Serial: "ab", Generation: 1}}
	for dark := range 4 {
		s := lit
		for _, name := range []string{"etcd-1", "etcd-2", "etcd-3"}[:dark] {
			s = change(s, name, func(h *facts.Host) {
				*h = facts.Host{Machine: facts.Machine{Name: name, Unreachable: "no route"}}
			})
		}
		if dark == 3 {
			s.Members, s.Cluster = nil, 0
		}
		revoked := Revoke(w, s.Operator.Clients)
		stage, err := Next(revoked, s)
		if err != nil || stage == nil || len(stage.Steps) != 2 || stage.Steps[0].Kind != plan.RevokeClient ||
			stage.Steps[1].Kind != plan.ListRevoked {
			t.Fatalf("%d dark: %+v, %v", dark, stage, err)
		}
		cut := *stage
		cut.Steps = cut.Steps[:1]
		if stage, err := Next(revoked, Simulate(w, s, cut)); err != nil || stage == nil ||
			stage.Steps[0].Kind != plan.ListRevoked {
			t.Errorf("%d dark, cut short: %+v, %v", dark, stage, err)
		}
		var refused *plan.Refused
		if _, err := Build(revoked, s); dark > 0 && (!errors.As(err, &refused) || !refused.Only(plan.Unreachable)) {
			t.Errorf("%d dark: ends with %v", dark, err)
		}
	}
}

// With a host dark, nothing is made for a cluster of which it is not known whether it is there.
func TestNothingIsMadeInTheDark(t *testing.T) {
	w := wanted(t, 3)
	s := change(bare(w), "etcd-2", func(h *facts.Host) {
		*h = facts.Host{Machine: facts.Machine{Name: "etcd-2", Unreachable: "no route"}}
	})
	if stage, err := Next(w, s); stage != nil || err == nil {
		t.Errorf("%+v, %v", stage, err)
	}
}

// before is a cluster that an older clusterup made: no certificate of a member is recorded, and no member knows of a
// list of revoked peers. Certificates have serial numbers.
func before(w Want, s facts.Snapshot) facts.Snapshot {
	s.Operator.Leaves = nil
	s.Operator.Revoked = map[string]facts.Revoked{"client": s.Operator.Revoked["client"]}
	list := units.CRL(ConfigDir(w.Cluster), "peer", nil).Path
	flag := "--peer-crl-file=" + list
	for _, m := range w.Cluster.Members {
		s = change(s, m.Name, func(h *facts.Host) {
			delete(h.Files, list)
			unit := h.Files[UnitPath(w.Cluster)]
			text := strings.Replace(string(unit.Content), " \\\n    "+flag, "", 1)
			unit.Content = []byte(strings.Replace(text, " "+list, "", 1))
			h.Files[UnitPath(w.Cluster)] = unit
			process := *h.Process
			process.Args = slices.DeleteFunc(slices.Clone(process.Args), func(arg string) bool { return arg == flag })
			h.Process = &process
			for role, leaf := range h.Leaves {
				leaf.Serial = fmt.Sprintf("a%x", role+m.Name)
				h.Leaves[role] = leaf
			}
		})
	}
	return s
}

// through is what is seen after each stage of a plan, which is held against the laws, and what the plan did.
func through(t *testing.T, w Want, s facts.Snapshot) (after facts.Snapshot, kinds []plan.Kind) {
	t.Helper()
	for range 40 {
		stage, err := Next(w, s)
		if err != nil {
			t.Fatal(err)
		}
		if stage == nil {
			return s, kinds
		}
		if err := lawful(w, s, *stage); err != nil {
			t.Error(err)
		}
		for _, step := range stage.Steps {
			kinds = append(kinds, step.Kind)
		}
		s = Simulate(w, s, *stage)
		if err := lawLists(w, s); err != nil {
			t.Error(err)
		}
	}
	t.Fatal("no end")
	return s, nil
}

// revokedOf are the roles and serial numbers of what is revoked of a member.
func revokedOf(s facts.Snapshot, member string) map[string]string {
	revoked := map[string]string{}
	for _, r := range s.Operator.Leaves {
		if r.Member == member && r.Revoked {
			revoked[r.Role] = r.Serial
		}
	}
	return revoked
}

// The certificates of a member are revoked once the cluster does not list it any more; no other member restarts for it.
func TestRevokedWithItsMember(t *testing.T) {
	w := absent(wanted(t, 4), "etcd-4")
	s := settled(t, wanted(t, 4))
	had := s.Hosts["etcd-4"].Leaves
	after, kinds := through(t, w, s)
	removed, revoked := slices.Index(kinds, plan.RemoveMember), slices.Index(kinds, plan.RevokeLeaf)
	written := slices.Index(kinds, plan.WriteTrust)
	if removed < 0 || revoked < removed || written < revoked || slices.Contains(kinds, plan.RestartMember) {
		t.Errorf("%v", kinds)
	}
	got := revokedOf(after, "etcd-4")
	if got["peer"] != had["peer"].Serial || got["server"] != had["server"].Serial || len(got) != 2 {
		t.Errorf("revoked %v, it had %v", got, had)
	}
	for _, name := range []string{"etcd-1", "etcd-2", "etcd-3"} {
		if got := revokedOf(after, name); len(got) > 0 {
			t.Errorf("%s: revoked %v", name, got)
		}
	}
	if notes := notes(w, after); strings.Contains(strings.Join(notes, "\n"), "key") {
		t.Errorf("notes: %q", notes)
	}
}

// A member that takes the place of a lost one gets certificates of its own, and those of before are revoked.
func TestRevokedWhenReplaced(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	had := s.Hosts["etcd-2"].Leaves["peer"].Serial
	w.Accept = []plan.Risk{plan.Replace("etcd-2")}
	after, _ := through(t, w, change(s, "etcd-2", wipe))
	if got := after.Hosts["etcd-2"].Leaves["peer"].Serial; got == had || revokedOf(after, "etcd-2")["peer"] != had {
		t.Errorf("it had %q, and has %q; revoked: %v", had, got, revokedOf(after, "etcd-2"))
	}
}

// A cluster of before gets the list at once, and the flag when a member restarts for another reason. What the host of a
// member that leaves shows is revoked, too; until they restart, others are named that do not look at it.
func TestListsOfClustersOfBefore(t *testing.T) {
	w := wanted(t, 4)
	s, kinds := through(t, w, before(w, settled(t, w)))
	for _, kind := range kinds {
		if kind != plan.ListRevoked && kind != plan.WriteTrust {
			t.Errorf("for the list alone: %v", kinds)
		}
	}
	had := s.Hosts["etcd-4"].Leaves
	w = absent(w, "etcd-4")
	s, kinds = through(t, w, s)
	if got := revokedOf(s, "etcd-4"); slices.Contains(kinds, plan.RestartMember) || got["peer"] != had["peer"].Serial ||
		got["server"] != had["server"].Serial {
		t.Errorf("%v, revoked %v, it had %v", kinds, got, had)
	}
	if notes := strings.Join(notes(w, s), "\n"); !strings.Contains(notes,
		"etcd-1, etcd-2 and etcd-3: until the next restart") {
		t.Errorf("notes: %s", notes)
	}
	cluster := *w.Cluster
	cluster.Etcd.SnapshotCount = 20000
	w.Cluster = &cluster
	s, kinds = through(t, w, s)
	for _, m := range w.Cluster.Present() {
		if units.Flag(s.Hosts[m.Name].Process.Args, "peer-crl-file") == "" || !slices.Contains(kinds, plan.RestartMember) {
			t.Errorf("%s restarts without the flag", m.Name)
		}
	}
	if notes := strings.Join(notes(w, s), "\n"); strings.Contains(notes, "until the next restart") {
		t.Errorf("notes: %s", notes)
	}
}

// A host tells only of its own certificates: that of another member is not revoked because it lies there.
func TestAForeignLeafIsNotRevoked(t *testing.T) {
	w := wanted(t, 4)
	s := before(w, settled(t, w))
	s, _ = through(t, w, s)
	s = change(s, "etcd-4", func(h *facts.Host) { h.Leaves["peer"] = s.Hosts["etcd-1"].Leaves["peer"] })
	s, _ = through(t, absent(w, "etcd-4"), s)
	if got := revokedOf(s, "etcd-4")["peer"]; got == s.Hosts["etcd-1"].Leaves["peer"].Serial {
		t.Error("the certificate of etcd-1 is revoked")
	}
}

// With a peer CA behind a server, and with one CA for both roles, there is no list of peers: then it is said how long
// the key of a member that leaves stays good.
func TestKeysThatLast(t *testing.T) {
	for name, change := range map[string]func(*Want, *facts.Snapshot){
		"a server": func(w *Want, s *facts.Snapshot) {
			w.Cluster.PKI.PeerCA = &inventory.GivenCA{External: &inventory.ExternalCA{URL: "https://ca.example.com"}}
			s.Operator.CAs = slices.Clone(s.Operator.CAs)
			for i := range s.Operator.CAs {
				s.Operator.CAs[i].Lists = s.Operator.CAs[i].Role != "peer"
			}
		},
		"one CA": func(w *Want, _ *facts.Snapshot) {
			w.Cluster.PKI.PeerCA = &inventory.GivenCA{Cert: "/ca.pem", Key: "/ca.key"}
			w.Cluster.PKI.ClientCA = w.Cluster.PKI.PeerCA
		},
	} {
		w := absent(wanted(t, 4), "etcd-4")
		s := settled(t, wanted(t, 4))
		leaves := s.Operator.Leaves
		s = before(w, s)
		s.Operator.Leaves = leaves
		change(&w, &s)
		args := units.Args(newView(w, s).unitMember(w.Cluster.Members[0], bin{}))
		if units.Flag(args, "peer-crl-file") != "" {
			t.Errorf("%s: there is a list", name)
		}
		said := strings.Join(notes(w, s), "\n")
		end := s.Hosts["etcd-4"].Leaves["peer"].NotAfter.Format(time.DateOnly)
		if !strings.Contains(said, "etcd-4: its peer key is accepted until "+end) || strings.Contains(said, "etcd-1: its") {
			t.Errorf("%s: %s", name, said)
		}
	}
}
