package pki

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func hold(t *testing.T, s *Store, role Role, phase string) {
	t.Helper()
	if err := s.Hold(role, phase); err != nil {
		t.Fatal(err)
	}
}

// holds checks what is held, now and for whoever opens the directory next.
func holds(t *testing.T, s *Store, want map[Role]string) {
	t.Helper()
	for name, s := range map[string]*Store{"as it was": s, "read again": open(t, s.dir)} {
		if diff := cmp.Diff(want, s.Holds()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

func TestHold(t *testing.T) {
	defer unix.Umask(unix.Umask(0))
	s := newStore(t, Spec{})
	holds(t, s, map[Role]string{})
	for range 2 { // again is no error
		hold(t, s, RolePeer, "trust")
	}
	hold(t, s, RoleClient, "leaves")
	holds(t, s, map[Role]string{RolePeer: "trust", RoleClient: "leaves"})
	if m := mode(t, filepath.Join(s.dir, "peer.hold")); m != 0o644 {
		t.Errorf("mode %o", m)
	}
	hold(t, s, RolePeer, "leaves")
	create(t, s, RolePeer, Spec{}) // neither this
	if err := s.Retire(RolePeer, 1); err != nil {
		t.Fatal(err)
	}
	holds(t, s, map[Role]string{RolePeer: "leaves", RoleClient: "leaves"}) // nor that lifts it

	s.Holds()[RolePeer] = "changed by who was told"
	for range 2 {
		hold(t, s, RolePeer, "")
	}
	holds(t, s, map[Role]string{RoleClient: "leaves"})
	if (*Store)(nil).Holds() != nil || open(t, filepath.Join(t.TempDir(), "ca")).Holds() != nil {
		t.Error("holds out of nowhere")
	}
}

func TestHoldRefused(t *testing.T) {
	s := newStore(t, Spec{})
	for _, c := range []struct {
		role        Role
		phase, says string
	}{
		{RolePeer, "trsut", `one of the phases trust and leaves, and there is no phase "trsut"`},
		{RolePeer, "trust\nleaves", "there is no phase"},
		{"admin", "trust", `unknown role "admin"`},
		{"../peer", "", "unknown role"},
	} {
		if err := s.Hold(c.role, c.phase); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s in %q: %v", c.role, c.phase, err)
		}
	}
	holds(t, s, map[Role]string{})
	if err := open(t, filepath.Join(t.TempDir(), "ca")).Hold(RolePeer, "trust"); !errors.Is(err, ErrNoCA) {
		t.Errorf("a rotation of no CA: %v", err)
	}
	for _, data := range []string{"", "retire\n", "trust leaves\n"} {
		write(t, filepath.Join(s.dir, "client.hold"), data)
		if _, err := Open(s.dir, Options{}); err == nil || !strings.Contains(err.Error(), s.dir+"/client.hold: ") ||
			!strings.Contains(err.Error(), "there is no phase") {
			t.Errorf("%q in the file: %v", data, err)
		}
	}
}

// A decision of another process is not overwritten, and nothing is done that depends on it.
func TestHoldAfterAnotherProcess(t *testing.T) {
	for name, other := range map[string]func(s *Store) error{
		"made a CA": func(s *Store) error {
			_, err := s.Create(RolePeer, "prod", Spec{}, today, rand.Reader)
			return err
		},
		"retired a CA":  func(s *Store) error { return s.Retire(RolePeer, 1) },
		"holds already": func(s *Store) error { return s.Hold(RolePeer, "leaves") },
	} {
		s := newStore(t, Spec{})
		create(t, s, RolePeer, Spec{})
		if err := other(open(t, s.dir)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for what, err := range map[string]error{
			"hold": s.Hold(RolePeer, "trust"), "lift": s.Hold(RolePeer, ""),
			"retire": s.Retire(RolePeer, 2),
		} {
			if !errors.Is(err, errChanged) {
				t.Errorf("another %s: %s: %v", name, what, err)
			}
		}
		hold(t, open(t, s.dir), RolePeer, "trust")
	}
	s := newStore(t, Spec{})
	unlock, err := lock(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if err := s.Hold(RolePeer, "trust"); !errors.Is(err, errChanged) {
		t.Errorf("while another has the lock: %v", err)
	}
}

// A Hold that is killed leaves a file that is no hold yet, and that the next one, of whatever kind, takes away.
func TestHoldAfterBeingKilled(t *testing.T) {
	for _, before := range []string{"", "leaves"} {
		for _, phase := range []string{"", "trust"} {
			s := newStore(t, Spec{})
			hold(t, s, RolePeer, before)
			left := filepath.Join(s.dir, "peer.hold.new")
			write(t, left, "tru")
			want := map[Role]string{}
			if before != "" {
				want[RolePeer] = before
			}
			holds(t, s, want)
			hold(t, s, RolePeer, phase)
			if _, err := os.Lstat(left); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%q after %q: %s is still there", phase, before, left)
			}
			delete(want, RolePeer)
			if phase != "" {
				want[RolePeer] = phase
			}
			holds(t, s, want)
		}
	}
}
