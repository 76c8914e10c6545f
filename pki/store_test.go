package pki

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestOpenOfNothingWritesNothing(t *testing.T) {
	parent := t.TempDir()
	s := open(t, filepath.Join(parent, "ca"))
	if len(s.CAs()) != 0 || trust(s, RolePeer) != nil {
		t.Errorf("CAs out of nowhere: %v", s.CAs())
	}
	if entries, _ := os.ReadDir(parent); len(entries) != 0 {
		t.Errorf("Open wrote %v", entries)
	}
	if _, err := s.Issue(peerLeaf(), today, rand.Reader); !errors.Is(err, ErrNoCA) {
		t.Errorf("Issue without a CA: %v", err)
	}
}

func TestCreateAndOpenAgain(t *testing.T) {
	s := newStore(t, Spec{})
	create(t, s, RolePeer, Spec{Algorithm: "ed25519"})

	again := open(t, s.dir)
	if diff := cmp.Diff(s.CAs(), again.CAs()); diff != "" {
		t.Errorf("what was made is not what is read (-made +read):\n%s", diff)
	}
	var got []string
	for _, ca := range again.CAs() {
		got = append(got, strings.Join([]string{string(ca.Role), ca.Subject, ca.Algorithm}, "|"))
		if !ca.Signing {
			t.Errorf("%s cannot sign", ca.Subject)
		}
	}
	want := []string{
		"peer|CN=prod etcd peer CA 1|ecdsa-p256",
		"peer|CN=prod etcd peer CA 2|ed25519",
		"client|CN=prod etcd client CA 1|ecdsa-p256",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if all := trust(again, RolePeer); !bytes.Equal(all, append(again.cas[0].PEM, again.cas[1].PEM...)) {
		t.Errorf("trust of peers is not both generations, oldest first:\n%s", all)
	}
	if _, leaf := issue(t, again, peerLeaf()); leaf.Issuer.CommonName != "prod etcd peer CA 2" {
		t.Errorf("signed by %s, not by the newest", leaf.Issuer)
	}
}

func TestModesWithoutUmask(t *testing.T) {
	defer unix.Umask(unix.Umask(0))
	dir := filepath.Join(t.TempDir(), "prod", "ca")
	create(t, open(t, dir), RolePeer, Spec{})
	for path, want := range map[string]os.FileMode{
		filepath.Dir(dir):                0o700,
		dir:                              0o700,
		filepath.Join(dir, "peer-1.key"): 0o600,
		filepath.Join(dir, "peer-1.pem"): 0o644,
		filepath.Join(dir, ".lock"):      0o600,
	} {
		if got := mode(t, path); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	s := newStore(t, Spec{})
	leaf, _ := issue(t, s, peerLeaf())
	ca := string(trust(s, RolePeer))
	for name, c := range map[string]struct {
		damage func(dir string) error
		want   string
	}{
		"wide directory": {func(dir string) error { return os.Chmod(dir, 0o750) }, "run chmod 0700 "},
		"wide key":       {func(dir string) error { return os.Chmod(dir+"/peer-1.key", 0o640) }, "run chmod 0600 "},
		"another's key": {
			func(dir string) error { return os.Rename(dir+"/client-1.key", dir+"/peer-1.key") },
			"does not belong",
		},
		"broken key": {put("peer-1.key", "SECRETSTUFF"), "no private key"},
		"broken PKCS #8": {
			put("peer-1.key", "-----BEGIN PRIVATE KEY-----\nU0VD\n-----END PRIVATE KEY-----\n"),
			"not a private key",
		},
		"broken certificate": {put("peer-1.pem", "x"), "not exactly one certificate"},
		"two certificates":   {put("peer-1.pem", ca+string(leaf.Cert)), "not exactly one certificate"},
		"not a CA":           {put("peer-1.pem", string(leaf.Cert)), "not that of a CA"},
		"not a directory": {func(dir string) error {
			return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600))
		}, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := newStore(t, Spec{}).dir
			if err := c.damage(dir); err != nil {
				t.Fatal(err)
			}
			_, err := Open(dir, Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
				t.Fatalf("Open says %v, want something with %q and the path", err, c.want)
			}
			if strings.Contains(err.Error(), "SECRETSTUFF") {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

// put overwrites a file of the directory.
func put(file, data string) func(dir string) error {
	return func(dir string) error { return os.WriteFile(filepath.Join(dir, file), []byte(data), 0o600) }
}

func TestCertificateWithoutKeyIsTrustedOnly(t *testing.T) {
	s := newStore(t, Spec{})
	if err := os.Remove(filepath.Join(s.dir, "peer-1.key")); err != nil {
		t.Fatal(err)
	}
	s = open(t, s.dir)
	if ca := s.CAs()[0]; ca.Signing || !bytes.Equal(trust(s, RolePeer), ca.PEM) {
		t.Errorf("Signing is %v, trust is %s", ca.Signing, trust(s, RolePeer))
	}
	if _, err := s.Issue(peerLeaf(), today, rand.Reader); !errors.Is(err, ErrNoCA) {
		t.Errorf("Issue: %v", err)
	}
}

// A Create that is killed leaves what it had written by then; the next one makes a whole CA of the same generation.
func TestCreateAfterBeingKilled(t *testing.T) {
	other := newStore(t, Spec{})
	key, err := os.ReadFile(filepath.Join(other.dir, "peer-1.key"))
	if err != nil {
		t.Fatal(err)
	}
	for name, left := range map[string][]string{
		"while writing the key":         {"peer-1.key.new"},
		"after the key":                 {"peer-1.key"},
		"while writing the certificate": {"peer-1.key", "peer-1.pem.new"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "ca")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			for _, file := range left {
				write(t, filepath.Join(dir, file), string(key))
			}
			s := open(t, dir)
			if n := len(s.CAs()); n != 0 {
				t.Fatalf("%d CAs from a half-made one", n)
			}
			if ca := create(t, s, RolePeer, Spec{}); ca.Generation != 1 {
				t.Errorf("generation %d", ca.Generation)
			}
			if diff := cmp.Diff(s.CAs(), open(t, dir).CAs()); diff != "" {
				t.Error(diff)
			}
			if left, _ := filepath.Glob(dir + "/*.new"); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestCreateInAReadOnlyPlaceChangesNothing(t *testing.T) {
	s := newStore(t, Spec{})
	before := s.CAs()
	// A directory where the certificate should go makes the last rename fail, also for root.
	blocker := filepath.Join(s.dir, "peer-2.pem")
	if err := os.MkdirAll(filepath.Join(blocker, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(RolePeer, "prod", Spec{}, today, rand.Reader); err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff(before, s.CAs()); diff != "" {
		t.Error(diff)
	}
	if err := os.RemoveAll(blocker); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, open(t, s.dir).CAs()); diff != "" {
		t.Error(diff)
	}
}

// A second caller, at the same time or later, must not make a second CA that nobody asked for.
func TestOnlyOneCreates(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	stores := make([]*Store, 8)
	for i := range stores {
		stores[i] = open(t, dir)
	}
	errs := make([]error, len(stores))
	var wg sync.WaitGroup
	for i, s := range stores {
		wg.Go(func() { _, errs[i] = s.Create(RolePeer, "prod", Spec{}, today, rand.Reader) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, errChanged) {
			t.Errorf("a loser got %v", err)
		}
	}
	if n := len(open(t, dir).CAs()); won != 1 || n != 1 {
		t.Errorf("%d made a CA, %d are there", won, n)
	}
}

func TestCreateWhileLocked(t *testing.T) {
	s := newStore(t, Spec{})
	unlock, err := lock(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(RolePeer, "prod", Spec{}, today, rand.Reader); !errors.Is(err, errChanged) {
		t.Errorf("while another has the lock: %v", err)
	}
	unlock()
	create(t, s, RolePeer, Spec{})
}

func write(t *testing.T, path, data string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}
