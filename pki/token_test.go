package pki

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func makeTokenKey(t *testing.T, s *Store) []byte {
	t.Helper()
	if err := s.CreateTokenKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	keys := s.TokenKeys()
	plain, err := s.TokenKey(keys[len(keys)-1].Generation)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// TestTokenKeys: each key is another one, of those before only the digest stays, and what a killed run has left of one
// is not taken for it.
func TestTokenKeys(t *testing.T) {
	s := newStore(t, Spec{})
	if keys := s.TokenKeys(); len(keys) != 0 {
		t.Fatalf("there are %v", keys)
	}
	left := filepath.Join(s.dir, "token-1.key")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	first := makeTokenKey(t, s)
	second := makeTokenKey(t, s)
	s = open(t, s.dir)
	keys := s.TokenKeys()
	if len(keys) != 2 || keys[0].SHA256 != digestOf(first) || keys[1].SHA256 != digestOf(second) || keys[0].Here ||
		!keys[1].Here || string(first) == string(second) {
		t.Fatalf("the keys are %+v", keys)
	}
	if _, err := s.TokenKey(1); !errors.Is(err, errTokenKey) {
		t.Errorf("the key before is read: %v", err)
	}
	if info, err := os.Stat(filepath.Join(s.dir, "token-2.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its file is %v, %v", info, err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "token-2.key"), first, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.dir, Options{}); !errors.Is(err, errTokenKey) || strings.Contains(err.Error(), "PRIVATE") {
		t.Errorf("another key in its place: %v", err)
	}
}

// TestSealedTokenKey: the key is sealed with those of the CAs, when it is made and when they are sealed anew, and is
// the same one all the time.
func TestSealedTokenKey(t *testing.T) {
	ops, dev := sshOperator(t, "ed25519", ""), ageOperator(t)
	s := newStore(t, Spec{})
	plain := makeTokenKey(t, s)
	for _, one := range []operator{ops, dev} {
		if err := s.Reseal([]string{one.recipient}, unlockWith(ops)); err != nil {
			t.Fatal(err)
		}
		s = unlocked(t, s.dir, one)
		if !s.IsSealedTo([]string{one.recipient}) {
			t.Error("it is not sealed to whom it should be")
		}
		if _, err := os.Stat(filepath.Join(s.dir, "token-1.key")); err == nil {
			t.Error("the plain key is there")
		}
		if is, err := s.TokenKey(1); err != nil || string(is) != string(plain) {
			t.Errorf("it is another key: %v", err)
		}
	}
	if _, err := unlocked(t, s.dir, ops).TokenKey(1); !errors.Is(err, ErrSealed) {
		t.Errorf("somebody else opens it: %v", err)
	}
	if err := s.Reseal(nil, unlockWith(dev)); err != nil {
		t.Fatal(err)
	}
	if is, err := open(t, s.dir).TokenKey(1); err != nil || string(is) != string(plain) {
		t.Errorf("plain again, it is another key: %v", err)
	}
	sealed, err := Open(filepath.Join(t.TempDir(), "ca"), Options{SealTo: []string{ops.recipient}, Unlock: unlockWith(ops)})
	if err != nil {
		t.Fatal(err)
	}
	makeTokenKey(t, sealed)
	if _, err := os.Stat(filepath.Join(sealed.dir, "token-1.key")); err == nil {
		t.Error("it is made plain, where keys are to be sealed")
	}
}
