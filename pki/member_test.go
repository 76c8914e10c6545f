package pki

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func issueMember(t *testing.T, s *Store, kind, name string, now time.Time) Pair {
	t.Helper()
	leaf := Leaf{Kind: kind, CN: kind + ":" + name}
	if kind == "server" {
		leaf.CN, leaf.OU = "", leaf.CN
	}
	p, err := s.IssueMember(name, leaf, now, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// listed are the serial numbers on the list of a role's CA.
func listed(t *testing.T, s *Store, role Role) map[string]bool {
	t.Helper()
	if _, err := s.CRL(role, today, rand.Reader); err != nil {
		t.Fatal(err)
	}
	list, current, err := open(t, s.dir).lastCRL(role)
	if err != nil || !current {
		t.Fatalf("the list is current: %v, %v", current, err)
	}
	return serials(list)
}

func memberRecords(t *testing.T, s *Store) []Record {
	t.Helper()
	all, err := s.Members()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestMembers(t *testing.T) {
	s := newStore(t, Spec{})
	server := issueMember(t, s, "server", "etcd-1", today)
	create(t, s, RolePeer, Spec{})
	peer := issueMember(t, s, "peer", "etcd-1", today)
	record := func(kind string, p Pair, issuer string, generation int) Record {
		user := ""
		if kind == "peer" { // a server has none
			user = "peer:etcd-1"
		}
		return Record{
			Kind: kind, Name: "etcd-1", User: user, Serial: p.Serial, SHA256: p.SHA256, Issuer: issuer,
			Generation: generation, NotBefore: p.NotBefore, NotAfter: p.NotAfter,
		}
	}
	want := []Record{
		record("peer", peer, "CN=prod etcd peer CA 2", 2), record("server", server, "CN=prod etcd client CA 1", 1),
	}
	if diff := cmp.Diff(want, memberRecords(t, open(t, s.dir))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(clients(t, s)) != 0 {
		t.Error("a member is taken for a client")
	}
	holdsNoKey(t, s.dir, peer.Key)
	holdsNoKey(t, s.dir, server.Key)
	for _, bad := range [][2]string{{"../x", "peer"}, {"", "peer"}, {"etcd-1", "client"}, {"etcd-1", "probe"}} {
		if _, err := s.IssueMember(bad[0], Leaf{Kind: bad[1], CN: "x"}, today, rand.Reader); err == nil {
			t.Errorf("issued for %q", bad)
		}
	}
}

// A key that is not recorded could not be revoked later, so it does not leave this machine.
func TestMemberThatCannotBeRecorded(t *testing.T) {
	s := newStore(t, Spec{})
	write(t, filepath.Join(s.dir, "peers"), "")
	if p, err := s.IssueMember("etcd-1", Leaf{Kind: "peer", CN: "x"}, today, rand.Reader); err == nil || p.Key != nil {
		t.Errorf("issued %v: %v", p, err)
	}
}

// Records that have ended go with the next certificate of that member, and no other.
func TestMembersForget(t *testing.T) {
	s := newStore(t, Spec{})
	ended := issueMember(t, s, "peer", "etcd-1", today)
	revoked := issueMember(t, s, "peer", "etcd-1", today)
	server := issueMember(t, s, "server", "etcd-1", today)
	other := issueMember(t, s, "peer", "etcd-2", today)
	if err := s.RevokeMember("peer", "etcd-1", revoked.Serial, today); err != nil {
		t.Fatal(err)
	}
	later := issueMember(t, s, "peer", "etcd-1", today.Add(year+time.Hour))
	got := map[string]bool{}
	for _, r := range memberRecords(t, s) {
		got[r.Serial] = true
	}
	want := map[string]bool{revoked.Serial: true, server.Serial: true, other.Serial: true, later.Serial: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("without %s:\n%s", ended.Serial, diff)
	}
}

// Each CA lists what it has signed: that of clients also the certificates that members show clients, since they are
// good for clients as well.
func TestRevokeMember(t *testing.T) {
	s := newStore(t, Spec{})
	peer, server := issueMember(t, s, "peer", "etcd-4", today), issueMember(t, s, "server", "etcd-4", today)
	app := issueClient(t, s, "app", today)
	issueMember(t, s, "peer", "etcd-1", today)
	if got := listed(t, s, RolePeer); len(got) != 0 {
		t.Errorf("at first: %v", got)
	}
	for _, r := range []Record{
		{Kind: "peer", Serial: peer.Serial},
		{Kind: "server", Serial: server.Serial},
		{Kind: "peer", Serial: "abc123"}, // of a time when none was recorded
	} {
		for range 2 {
			if err := s.RevokeMember(r.Kind, "etcd-4", r.Serial, today); err != nil {
				t.Fatal(err)
			}
		}
	}
	revoke(t, s, "app")
	for role, want := range map[Role]map[string]bool{
		RolePeer:   {peer.Serial: true, "abc123": true},
		RoleClient: {server.Serial: true, app.Serial: true},
	} {
		if diff := cmp.Diff(want, listed(t, s, role)); diff != "" {
			t.Errorf("%s: %s", role, diff)
		}
	}
	for _, r := range memberRecords(t, open(t, s.dir)) {
		if r.Revoked.IsZero() == (r.Name == "etcd-4") {
			t.Errorf("%v", r)
		}
	}
	for _, bad := range []Record{{Kind: "client", Serial: "1"}, {Kind: "peer", Serial: "../x"}, {Kind: "peer"}} {
		if err := s.RevokeMember(bad.Kind, "etcd-4", bad.Serial, today); err == nil {
			t.Errorf("revoked %v", bad)
		}
	}
	if _, err := s.Revoke(peer.Serial, today); err == nil {
		t.Error("the certificate of a member is taken for a client's")
	}
}

// While members trust two generations, one list names what either signed, as that of clients does.
func TestPeerCRLOfSeveralGenerations(t *testing.T) {
	s := newStore(t, Spec{})
	old := issueMember(t, s, "peer", "etcd-4", today)
	if err := s.RevokeMember("peer", "etcd-4", old.Serial, today); err != nil {
		t.Fatal(err)
	}
	before := listed(t, s, RolePeer)
	client, err := s.CRL(RoleClient, today, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, RolePeer, Spec{})
	if _, current, err := s.LastCRL(RolePeer); current || err != nil {
		t.Errorf("the list of the older CA is current: %v", err)
	}
	if diff := cmp.Diff(before, listed(t, s, RolePeer)); diff != "" {
		t.Error(diff)
	}
	if again, current, err := s.LastCRL(RoleClient); !current || !bytes.Equal(client, again) || err != nil {
		t.Errorf("the list of the client CA has changed: %v", err)
	}
	if err := os.Remove(filepath.Join(s.dir, "crl", "peer.crl")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, listed(t, s, RolePeer)); diff != "" {
		t.Error(diff)
	}
}

func TestCAsThatList(t *testing.T) {
	s := newStore(t, Spec{})
	create(t, s, RolePeer, Spec{})
	if err := s.Retire(RolePeer, 1); err != nil {
		t.Fatal(err)
	}
	for _, ca := range s.CAs() {
		if ca.Lists == ca.Retired {
			t.Errorf("%s CA %d lists: %v", ca.Role, ca.Generation, ca.Lists)
		}
	}
}
