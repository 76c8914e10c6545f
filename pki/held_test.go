package pki

import (
	"bytes"
	"crypto/rand"
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
