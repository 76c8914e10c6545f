package pki

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRotation walks the generations of a CA through a whole rotation, as the laws of the plan want it.
func TestRotation(t *testing.T) {
	s := newStore(t, Spec{})
	if err := s.Retire(RolePeer, 1); !errors.Is(err, ErrNoCA) {
		t.Errorf("the only CA is retired: %v", err)
	}
	create(t, s, RolePeer, Spec{})
	signers := func(s *Store) string {
		var out []string
		for _, generation := range []int{0, 1, 2} {
			l := peerLeaf()
			l.Generation = generation
			p, err := s.Issue(l, today, rand.Reader)
			if err != nil {
				if !errors.Is(err, ErrNoCA) {
					t.Errorf("generation %d: %v", generation, err)
				}
				out = append(out, "-")
				continue
			}
			out = append(out, strings.TrimPrefix(parseLeaf(t, p).Issuer.CommonName, "prod etcd peer CA "))
		}
		return strings.Join(out, " ")
	}
	if got := signers(s); got != "2 1 2" {
		t.Errorf("before: %s", got)
	}
	for range 2 { // again is no error
		if err := s.Retire(RolePeer, 1); err != nil {
			t.Fatal(err)
		}
	}
	for name, s := range map[string]*Store{"as it was": s, "read again": open(t, s.dir)} {
		if got := signers(s); got != "2 - 2" {
			t.Errorf("%s: %s", name, got)
		}
		first, second := s.CAs()[0], s.CAs()[1]
		if !first.Retired || first.Signing || second.Retired || !second.Signing {
			t.Errorf("%s: %+v %+v", name, first, second)
		}
		if string(trust(s, RolePeer)) != string(first.PEM)+string(second.PEM) {
			t.Errorf("%s: trust of all has changed", name)
		}
	}
	if err := s.Retire(RolePeer, 2); !errors.Is(err, ErrNoCA) {
		t.Errorf("the last that signs is retired: %v", err)
	}
	if ca := create(t, s, RolePeer, Spec{}); ca.Generation != 3 || ca.Subject != "CN=prod etcd peer CA 3" {
		t.Errorf("next after a retired one: %+v", ca)
	}
	if files, _ := filepath.Glob(s.dir + "/peer-1.*"); len(files) != 3 {
		t.Errorf("of the retired CA there are %v", files)
	}
}

// Giving a rotation up retires the new CA, whose key stays; the old one signs again, and the next one has a name of its
// own.
func TestRotationGivenUp(t *testing.T) {
	s := newStore(t, Spec{})
	create(t, s, RoleClient, Spec{})
	by := func(generation int) string {
		l := clientLeaf()
		l.Generation = generation
		p, err := s.Issue(l, today, rand.Reader)
		if err != nil {
			return err.Error()
		}
		return strings.TrimPrefix(parseLeaf(t, p).Issuer.CommonName, "prod etcd client CA ")
	}
	if got := by(0); got != "2" {
		t.Errorf("before: signed by %s", got)
	}
	if err := s.Retire(RoleClient, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "client-2.key")); err != nil {
		t.Errorf("the key of the CA that was given up: %v", err)
	}
	for range 2 { // as it was, then read again
		if first, second := s.of(RoleClient)[0],
			s.of(RoleClient)[1]; first.Retired || !first.Signing || !second.Retired || second.Signing {
			t.Errorf("%+v %+v", first.CA, second.CA)
		}
		if got := by(0) + by(1); got != "11" {
			t.Errorf("given up: signed by %s", got)
		}
		if got := by(2); !strings.Contains(got, "client-2 in "+s.dir+" is retired") {
			t.Errorf("asked for the one that was given up: %s", got)
		}
		if err := s.Retire(RoleClient, 1); !errors.Is(err, ErrNoCA) {
			t.Errorf("the last that signs is retired: %v", err)
		}
		s = open(t, s.dir)
	}
	if ca := create(t, s, RoleClient, Spec{}); ca.Generation != 3 || ca.Subject != "CN=prod etcd client CA 3" ||
		by(0) != "3" || by(1) != "1" {
		t.Errorf("the next one is %+v, signed by %s %s", ca, by(0), by(1))
	}
	if err := s.Retire(RoleClient, 1); err != nil {
		t.Fatal(err)
	}
	if got := by(0); got != "3" {
		t.Errorf("after the next rotation: signed by %s", got)
	}
}

// An older CA must not sign where the newest cannot: members may have stopped trusting it.
func TestOlderCADoesNotStandIn(t *testing.T) {
	s := newStore(t, Spec{})
	create(t, s, RolePeer, Spec{})
	if err := os.Remove(filepath.Join(s.dir, "peer-2.key")); err != nil {
		t.Fatal(err)
	}
	s = open(t, s.dir)
	if _, err := s.Issue(peerLeaf(), today, rand.Reader); !errors.Is(err, ErrNoCA) {
		t.Errorf("issued without the key of the newest: %v", err)
	}
	if err := s.Retire(RolePeer, 2); err != nil {
		t.Fatal(err)
	}
	issue(t, s, peerLeaf())
}

// Two generations must never be taken for each other, whatever a TLS library looks at.
func TestGenerationsDiffer(t *testing.T) {
	s := newStore(t, Spec{})
	create(t, s, RolePeer, Spec{})
	first, second := s.cas[0].cert, s.cas[1].cert
	if first.Subject.String() == second.Subject.String() || slices.Equal(first.SubjectKeyId, second.SubjectKeyId) ||
		first.SerialNumber.Cmp(second.SerialNumber) == 0 {
		t.Errorf("%s %x and %s %x", first.Subject, first.SubjectKeyId, second.Subject, second.SubjectKeyId)
	}
	if _, leaf := issue(t, s, peerLeaf()); !slices.Equal(leaf.AuthorityKeyId, second.SubjectKeyId) {
		t.Errorf("the leaf names %x as its CA", leaf.AuthorityKeyId)
	}
}

func TestRetireOfNothing(t *testing.T) {
	s := newStore(t, Spec{})
	for _, generation := range []int{0, 2, -1} {
		if err := s.Retire(RolePeer, generation); !errors.Is(err, ErrNoCA) {
			t.Errorf("%d: %v", generation, err)
		}
	}
}
