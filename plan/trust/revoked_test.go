package trust

import (
	"fmt"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// recorded adds a certificate of a member, of so many days that are left.
func (s *State) recorded(member, role, serial string, generation, left int) {
	s.Seen.Operator.Leaves = append(s.Seen.Operator.Leaves, facts.Recorded{
		Member: member, Role: role, Serial: serial, Generation: generation, NotAfter: noon.AddDate(0, 0, left),
	})
}

// lists lets all CAs sign lists.
func (s *State) lists() {
	for i := range s.Seen.Operator.CAs {
		s.Seen.Operator.CAs[i].Lists = s.Seen.Operator.CAs[i].Signing
	}
}

// Certificates of members that the cluster does not list are revoked, whichever generation has signed them: but for
// those that have ended, lie on the host of a member, or are what one is to join with.
func TestRevokeGone(t *testing.T) {
	for _, test := range []struct {
		cas  string
		gone Gone
		want string // serial numbers
	}{
		{"1", nil, ""},
		{"1", Gone{}, ""},
		{"1", Gone{"etcd-4": false}, "4a 4b"},
		{"1 2", Gone{"etcd-4": false}, "4a 4b"},
		{"1r 2", Gone{"etcd-4": false}, "4a 4b"},
		{"1 2k", Gone{"etcd-4": false}, ""}, // no list can be signed before the key is back
		{"1", Gone{"etcd-3": true}, "3old"},
		{"1", Gone{"etcd-3": false}, "3 3old 3shown"},
		{"1", Gone{"etcd-9": false}, ""}, // etcd-1 has it, under another name
	} {
		s := site(t, "peer", test.cas, "1/1 1/1 1/1")
		s.lists()
		for i, serial := range []string{"1", "2", "3"} {
			host := s.Hosts[fmt.Sprintf("etcd-%d", i+1)]
			leaf := host.Leaves["peer"]
			leaf.Serial = serial
			host.Leaves["peer"] = leaf
		}
		if joins, ok := test.gone["etcd-3"]; ok && !joins { // of a time when nothing was recorded
			host := s.Hosts["etcd-3"]
			leaf := host.Leaves["peer"]
			leaf.Serial, leaf.Subject = "3shown", "peer:etcd-3"
			host.Leaves["peer"] = leaf
		}
		s.recorded("etcd-1", "peer", "1old", 1, 90)
		s.recorded("etcd-3", "peer", "3", 1, 90)
		s.recorded("etcd-3", "peer", "3old", 1, 90)
		s.recorded("etcd-4", "peer", "4a", 1, 90)
		s.recorded("etcd-4", "peer", "4b", 2, 90)
		s.recorded("etcd-4", "peer", "4ended", 1, -1)
		s.recorded("etcd-9", "peer", "1", 1, 90)
		var got []string
		for _, step := range s.RevokeGone(test.gone) {
			got = append(got, step.Revoke.Serial)
			if step.CA != "peer" || step.Kind != plan.RevokeLeaf {
				t.Errorf("%s", step.ID())
			}
			s.Seen.Operator = s.Simulate(step)
		}
		if got := strings.Join(got, " "); got != test.want {
			t.Errorf("CAs %s, gone %v: revokes %q, want %q", test.cas, test.gone, got, test.want)
		}
		if again := s.RevokeGone(test.gone); len(again) > 0 {
			t.Errorf("CAs %s, gone %v: again %v", test.cas, test.gone, again[0].ID())
		}
	}
}

// The list of a role is signed anew when something on it changes, or another CA of that role signs it; it is none of
// the other role's affair.
func TestRelists(t *testing.T) {
	for _, test := range []struct {
		step plan.Step
		want string
	}{
		{plan.Step{Kind: plan.RevokeLeaf, CA: "peer", Revoke: &facts.Recorded{Role: "peer", Serial: "1"}}, "peer"},
		{plan.Step{Kind: plan.RevokeLeaf, CA: "client", Revoke: &facts.Recorded{Role: "server", Serial: "1"}}, "client"},
		{plan.Step{Kind: plan.RevokeClient, Serial: "1"}, "client"},
		{plan.Step{Kind: plan.CreateCA, CA: "peer"}, "peer"},
		{plan.Step{Kind: plan.CreateCA, CA: "client"}, "client"},
		{plan.Step{Kind: plan.HoldRotation, CA: "peer"}, ""},
	} {
		s := site(t, "peer", "1", "1/1")
		s.lists()
		s.Seen.Operator.Revoked = map[string]facts.Revoked{
			"peer":   {List: []byte("p"), Current: true},
			"client": {List: []byte("c"), Current: true},
		}
		after := s.Simulate(test.step)
		for _, role := range Roles {
			relists := Relists([]plan.Step{test.step}, role)
			if relists != (role == test.want) || after.Revoked[role].Current == relists {
				t.Errorf("%s: the list of the %s CA is signed anew: %v; current %v", test.step.ID(), role, relists,
					after.Revoked[role].Current)
			}
		}
	}
}

// Members that trust one CA for both roles go by no list of peers, as those whose peer CA signs none.
func TestListsOfOneCA(t *testing.T) {
	s := site(t, "peer", "1", "1/1")
	s.lists()
	if !s.Lists("peer") {
		t.Error("a CA of its own signs no list")
	}
	one := s
	one.Seen.Operator.CAs = append(one.Seen.Operator.CAs, one.Seen.Operator.CAs[0])
	one.Seen.Operator.CAs[1].Role = "client"
	said := s
	said.OneCA = true
	plain := s
	plain.Peers = false
	for name, s := range map[string]State{"one CA": one, "one CA in the inventory": said, "no TLS": plain} {
		if s.Lists("peer") {
			t.Errorf("%s: there is a list", name)
		}
	}
	if !one.Lists("client") {
		t.Error("one CA: there is no list of clients")
	}
}

// Where the CA can sign no list any more, what the last one names is refused, and nothing else.
func TestKeysThatNoListNames(t *testing.T) {
	s := site(t, "peer", "1k", "1/1 1/1")
	s.recorded("etcd-4", "peer", "4", 1, 90)
	gone := Gone{"etcd-4": false}
	if end := s.Lasting("peer", "etcd-4", gone); !end.Equal(noon.AddDate(0, 0, 90)) {
		t.Errorf("without a list: until %s", end)
	}
	s.Seen.Operator.Revoked = map[string]facts.Revoked{"peer": {List: []byte("before"), Current: true}}
	if end := s.Lasting("peer", "etcd-4", gone); !end.IsZero() {
		t.Errorf("with a list that says all: until %s", end)
	}
	s.Seen.Operator.Leaves[0].Revoked = true
	s.Seen.Operator.Revoked["peer"] = facts.Revoked{List: []byte("before")}
	if end := s.Lasting("peer", "etcd-4", gone); end.IsZero() {
		t.Error("with a list that was not signed since: refused")
	}
	s.lists()
	s.Seen.Operator.CAs[0].Lists = true
	if end := s.Lasting("peer", "etcd-4", gone); !end.IsZero() {
		t.Errorf("with a list that is about to be signed: until %s", end)
	}
}

// A member that comes back with a certificate which was revoked gets another one at once.
func TestRevokedLeafIsReplaced(t *testing.T) {
	s := site(t, "peer", "1", "1/1 1/1 1/1")
	host := s.Hosts["etcd-3"]
	leaf := host.Leaves["peer"]
	leaf.Serial, leaf.Role, leaf.Dir = "3", "peer", s.ConfigDir+"/tls/peer-3"
	host.Leaves["peer"] = leaf
	s.recorded("etcd-3", "peer", "3", 1, 90)
	h := Holder{Name: "etcd-3", Seen: host, Readable: func(string) bool { return true }}
	signer, _ := s.Signer("peer")
	if why := s.leafWanting("peer", h, signer); strings.Contains(why, "revoked") {
		t.Error(why)
	}
	s.Seen.Operator.Leaves[0].Revoked = true
	if why := s.leafWanting("peer", h, signer); !strings.Contains(why, "revoked") || !s.useless("peer", h) {
		t.Errorf("%q", why)
	}
}
