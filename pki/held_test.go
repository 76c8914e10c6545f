package pki

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A pair that somebody has is read with what is recorded of it.
func TestHeld(t *testing.T) {
	s := newStore(t, Spec{})
	pair, err := s.IssueClient("app", Leaf{CN: "user", Organization: "team", Algorithm: "ed25519"}, today, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	held, err := s.Held(pair.Cert, pair.Key)
	if err != nil || held.Name != "app" || held.User != "user" || held.Organization != "team" ||
		held.Algorithm != "ed25519" || held.Serial != pair.Serial || held.Generation != 1 || !held.Revoked.IsZero() {
		t.Errorf("%+v, %v", held, err)
	}
	if _, err := s.Revoke(pair.Serial, today); err != nil {
		t.Fatal(err)
	}
	if held, err := s.Held(pair.Cert, pair.Key); err != nil || held.Revoked.IsZero() {
		t.Errorf("once it is revoked: %+v, %v", held, err)
	}
	stranger := issueClient(t, newStore(t, Spec{}), "app", today)
	if held, err := s.Held(stranger.Cert, stranger.Key); err != nil || held.Generation != 0 || held.Name != "" {
		t.Errorf("of another CA: %+v, %v", held, err)
	}
	for name, two := range map[string][2][]byte{
		"two pairs": {pair.Cert, stranger.Key}, "no key": {pair.Cert, nil}, "no certificate": {nil, pair.Key},
		"a key twice": {pair.Key, pair.Key}, "cut short": {pair.Cert[:len(pair.Cert)-30], pair.Key},
		"more": {slices.Concat(pair.Cert, pair.Key), pair.Key},
	} {
		_, err := s.Held(two[0], two[1])
		if err == nil || strings.Contains(err.Error(), string(bytes.Split(pair.Key, []byte("\n"))[1])) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Records of a client's certificates that have ended go, but for those that were revoked.
func TestForgetEnded(t *testing.T) {
	s := newStore(t, Spec{})
	issue := func(name string, life time.Duration) Pair {
		p, err := s.IssueClient(name, Leaf{Lifetime: life}, today, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	issue("app", time.Hour)
	revoked, good, other := issue("app", time.Hour), issue("app", 48*time.Hour), issue("web", time.Hour)
	if _, err := s.Revoke(revoked.Serial, today); err != nil {
		t.Fatal(err)
	}
	if err := s.ForgetEnded("app", today.Add(24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	want := []string{good.Serial, other.Serial, revoked.Serial}
	var got []string
	for _, c := range clients(t, s) {
		got = append(got, c.Serial)
	}
	slices.Sort(want)
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("recorded are %v, want %v", got, want)
	}
}

// A certificate is of the CA that it names, of one that it does not name if that one signed it all the same, and of
// the last of several that have one key.
func TestSignedBy(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "ca"))
	var certs []*x509.Certificate
	for range 3 {
		create(t, s, RolePeer, Spec{})
		cas := s.of(RolePeer)
		key, err := cas[len(cas)-1].key()
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(7), NotBefore: today, NotAfter: today.Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, template, cas[len(cas)-1].cert, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		certs = append(certs, cert)
	}
	cas := s.of(RolePeer)
	for i, cert := range certs {
		named := 0
		for _, ca := range cas {
			if namesKey(cert, ca.cert) {
				named++
			}
		}
		if got := signedBy(cert, cas); got != i+1 || named != 1 {
			t.Errorf("the certificate of CA %d is of CA %d; it names %d", i+1, got, named)
		}
		if got := signedBy(cert, slices.Delete(slices.Clone(cas), i, i+1)); got != 0 {
			t.Errorf("without CA %d, its certificate is of CA %d", i+1, got)
		}
		unnamed := *cert
		unnamed.AuthorityKeyId = nil
		if got := signedBy(&unnamed, cas); got != i+1 {
			t.Errorf("the certificate of CA %d that names none is of CA %d", i+1, got)
		}
	}
	twin := cas[0]
	twin.Generation = 9
	if got := signedBy(certs[0], append(cas, twin)); got != 9 {
		t.Errorf("of two CAs with one key it is of %d", got)
	}
}
