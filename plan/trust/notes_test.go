package trust

import (
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// Notes on a rotation stop nothing: they say whom it concerns, what it waits for, and what comes after it.
func TestNotes(t *testing.T) {
	for _, test := range []struct {
		name, cas, members string
		change             func(*State)
		note, waiting      string // their beginnings
	}{
		{"nothing", "1", "1/1", func(*State) {}, "", ""},
		{
			"one is asked for", "1", "1/1", func(s *State) { s.Wish.Generation = map[string]int{"client": 2} },
			"client app: the newest certificate is of client CA 1. Clients that", "",
		},
		{
			"one is asked for that is there", "1", "1/1", func(s *State) { s.Wish.Generation = map[string]int{"client": 1} }, "",
			"",
		},
		{"with a pause", "1", "1/1", func(s *State) {
			s.Wish.Generation, s.Wish.Hold = map[string]int{"client": 2}, map[string]string{"client": HoldTrust}
		}, "", ""},
		{
			"while minor versions differ", "1", "1/1",
			func(s *State) {
				s.Wish.Generation, s.Mixed = map[string]int{"client": 2},
					true
			}, "client app: ", "the client CA is rotated when all",
		},
		{
			"late", "1 2", "1+2/2", func(*State) {}, "",
			"the rotation of the client CA, 1 → 2, waits: the newest certificate of client app is of client CA 1",
		},
		{
			"late, and accepted", "1 2", "1+2/2", func(s *State) { s.Accept = []plan.Risk{plan.OldClients} },
			"client app: the newest certificate is of client CA 1, and is refused", "",
		},
		{"taken back", "1 2", "1+2/1", func(s *State) {
			s.Wish.Abort = []string{"client"}
			s.client("early", "e", 2, 300)
		}, "client early: the newest certificate is of client CA 2, which is taken back", ""},
		{
			"nothing to take back", "1", "1/1", func(s *State) { s.Wish.Abort = []string{"client"} }, "no rotation is under way",
			"",
		},
		{"taken back, and due again", "1", "1/1", func(s *State) {
			s.Wish.Abort, s.Seen.Operator.Replaced = []string{"client"}, map[string]string{"client": "another one is given"}
		}, "no rotation is under way", "the next apply begins another rotation of the client CA: another one is given"},
		{
			"keys that lie open", "1", "1/1", func(s *State) { s.Seen.Operator.Unsealed = true },
			"the CA keys are not encrypted", "",
		},
		{
			"nobody can be asked", "1", "1/1 dark", func(s *State) { s.Hosts["etcd-1"].Leaves["server"] = facts.Leaf{} },
			"no member can be asked, since none", "",
		},
		{
			"a common name where clients use the gateway", "1", "1/1",
			func(s *State) { s.Gateway = []string{"patroni"}; s.name("etcd-1") },
			"the server certificate of etcd-1 still has a common name (server:etcd-1)", "",
		},
		{
			"no common name where clients use the gateway", "1", "1/1",
			func(s *State) { s.Gateway = []string{"patroni"} }, "", "",
		},
		{"a common name where no client uses the gateway", "1", "1/1", func(s *State) { s.name("etcd-1") }, "", ""},
	} {
		s := site(t, "client", test.cas, test.members)
		s.client("app", "a", 1, 200)
		leaf := s.Hosts["etcd-1"].Leaves["server"]
		leaf.NotBefore, leaf.NotAfter = noon.Add(-day), noon.Add(300*day)
		s.Hosts["etcd-1"].Leaves["server"] = leaf
		test.change(&s)
		if got := strings.Join(s.Notes(), "\n"); !begins(got, test.note) {
			t.Errorf("%s: the notes are %q, want %q", test.name, got, test.note)
		}
		if got := strings.Join(s.Waiting(), "\n"); !begins(got, test.waiting) {
			t.Errorf("%s: it waits %q, want %q", test.name, got, test.waiting)
		}
	}
}

// name gives the server certificate of a member a common name, as it had before.
func (s *State) name(member string) {
	leaf := s.Hosts[member].Leaves["server"]
	leaf.CN = "server:" + member
	s.Hosts[member].Leaves["server"] = leaf
}
