package operator

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clusterup/clusterup/pki"
)

// wallet is a store with a client CA, and what it has issued.
type wallet struct {
	*pki.Store
	bundle []byte
}

func newWallet(t *testing.T) wallet {
	t.Helper()
	store, err := pki.Open(filepath.Join(t.TempDir(), "ca"), pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ca, err := store.Create(pki.RoleClient, "prod", pki.Spec{}, time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return wallet{store, ca.PEM}
}

func (w wallet) set(t *testing.T) ClientSet {
	t.Helper()
	pair, err := w.IssueClient("app", pki.Leaf{}, time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return ClientSet{Cert: pair.Cert, Key: pair.Key, CA: w.bundle, Serial: pair.Serial}
}

// plain lays files as cert issue without --renew does.
func (f ClientFiles) plain(t *testing.T, set ClientSet, mode fs.FileMode) {
	t.Helper()
	for path, data := range map[string][]byte{f.Cert(): set.Cert, f.Key(): set.Key, f.CA(): set.CA} {
		if err := errors.Join(os.WriteFile(path, data, 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
}

// lies is the serial number of the pair that lies there, or what is wrong.
func (f ClientFiles) lies(t *testing.T, w wallet) string {
	t.Helper()
	is, err := f.Read(w.Store)
	switch {
	case err != nil:
		return err.Error()
	case is == nil:
		return "none"
	case is.Broken != "":
		return is.Broken
	}
	return is.Serial
}

// A pair that was put there is what its names stand for; the one before stays until the next, and files keep their
// modes.
func TestClientFiles(t *testing.T) {
	w := newWallet(t)
	f := ClientFiles{Dir: t.TempDir(), Name: "app"}
	if got := f.lies(t, w); got != "none" {
		t.Errorf("in an empty directory: %s", got)
	}
	first, second, third := w.set(t), w.set(t), w.set(t)
	f.plain(t, first, 0o640)
	for i, set := range []ClientSet{second, third} {
		if err := errors.Join(f.Prepare(), f.Put(set)); err != nil {
			t.Fatal(err)
		}
		if got := f.lies(t, w); got != set.Serial || !f.Changed() {
			t.Errorf("%d: there lies %s, want %s; changed %v", i, got, set.Serial, f.Changed())
		}
		for _, path := range []string{f.Cert(), f.Key(), f.CA()} {
			if info, err := os.Stat(path); err != nil || info.Mode() != 0o640 {
				t.Errorf("%d: %s: %v, %v", i, path, info.Mode(), err)
			}
		}
		if err := f.Told(); err != nil || f.Changed() {
			t.Errorf("%d: told: %v, still changed %v", i, err, f.Changed())
		}
	}
	entries, err := os.ReadDir(filepath.Join(f.Dir, ".app"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	want := []string{second.Serial, third.Serial, "live"}
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("there are %q, want %q", names, want)
	}
}

// Only the CAs change: the pair stays where it is.
func TestClientTrustAlone(t *testing.T) {
	w := newWallet(t)
	f := ClientFiles{Dir: t.TempDir(), Name: "app"}
	first := w.set(t)
	f.plain(t, first, 0o600)
	if err := errors.Join(f.Prepare(), f.Put(ClientSet{CA: []byte("other\n")})); err != nil {
		t.Fatal(err)
	}
	trusts, err := f.Trusts()
	info, statErr := os.Lstat(f.Cert())
	if err := errors.Join(err, statErr); err != nil || string(trusts) != "other\n" || !info.Mode().IsRegular() ||
		f.lies(t, w) != first.Serial {
		t.Errorf("it trusts %q, has %s (%v), %v", trusts, f.lies(t, w), info.Mode(), err)
	}
}

var errKilled = errors.New("killed")

// killedAt puts a set, and is killed right before a step; done says that there were not so many steps.
func (f ClientFiles) killedAt(set ClientSet, step int, look func()) (done bool, err error) {
	n := 0
	f.Before = func(string) error {
		look()
		if n++; n > step {
			return errKilled
		}
		return nil
	}
	err = f.Prepare()
	if err == nil {
		err = f.Put(set)
	}
	if errors.Is(err, errKilled) {
		return false, nil
	}
	return true, err
}

// Wherever a run is killed, the names stand for one pair before, meanwhile and afterwards; nobody is left untold of a
// change; and the next run leaves nothing but two pairs.
func TestClientFilesKilled(t *testing.T) {
	w := newWallet(t)
	old, next, last := w.set(t), w.set(t), w.set(t)
	next.PKCS12 = []byte("p12")
	for name, begin := range map[string]func(*testing.T, ClientFiles){
		"plain files": func(t *testing.T, f ClientFiles) { f.plain(t, old, 0o600) },
		"links": func(t *testing.T, f ClientFiles) {
			if err := errors.Join(f.Prepare(), f.Put(old), f.Told()); err != nil {
				t.Fatal(err)
			}
		},
		"nothing": func(*testing.T, ClientFiles) {},
	} {
		steps := 0
		for done := false; !done; steps++ {
			f := ClientFiles{Dir: t.TempDir(), Name: "app"}
			begin(t, f)
			look := func() {
				was := f.lies(t, w)
				good := was == old.Serial || was == next.Serial ||
					name == "nothing" && (was == "none" || strings.Contains(was, "half"))
				if !good {
					t.Errorf("%s, killed before step %d: there lies %s", name, steps, was)
				}
				if was == next.Serial && !f.Changed() {
					t.Errorf("%s, killed before step %d: nobody would be told", name, steps)
				}
			}
			var err error
			if done, err = f.killedAt(next, steps, look); err != nil {
				t.Fatal(err)
			}
			look()
			if err := errors.Join(f.Prepare(), f.Put(last)); err != nil {
				t.Fatalf("%s, after step %d: %v", name, steps, err)
			}
			if got := f.lies(t, w); got != last.Serial {
				t.Errorf("%s, after step %d: there lies %s", name, steps, got)
			}
			if keys := keysBelow(t, f.Dir); keys > 2 {
				t.Errorf("%s, after step %d: %d keys lie there", name, steps, keys)
			}
		}
		t.Logf("%s: %d steps", name, steps)
		if steps < 12 {
			t.Errorf("%s: %d steps only", name, steps)
		}
	}
}

func keysBelow(t *testing.T, dir string) int {
	t.Helper()
	keys := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte("PRIVATE KEY")) {
			keys++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// Files that are not clusterup's to replace are an error, and a run stays in its directory.
func TestClientFilesOfOthers(t *testing.T) {
	w := newWallet(t)
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	set := w.set(t)
	for name, test := range map[string]struct {
		lay  func(ClientFiles) error
		want string
	}{
		"a link":      {func(f ClientFiles) error { return os.Symlink(elsewhere, f.Cert()) }, "a link to"},
		"a directory": {func(f ClientFiles) error { return os.Mkdir(f.Key(), 0o700) }, "is not a file"},
		"half of it":  {func(f ClientFiles) error { return os.WriteFile(f.Key(), set.Key, 0o600) }, "half"},
		"two pairs": {func(f ClientFiles) error {
			return errors.Join(os.WriteFile(f.Key(), w.set(t).Key, 0o600), os.WriteFile(f.Cert(), set.Cert, 0o600))
		}, "of no use"},
	} {
		f := ClientFiles{Dir: t.TempDir(), Name: "app"}
		if err := test.lay(f); err != nil {
			t.Fatal(err)
		}
		if got := f.lies(t, w); !strings.Contains(got, test.want) || strings.Contains(got, "PRIVATE") {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
	f := ClientFiles{Dir: t.TempDir(), Name: "app"}
	if err := errors.Join(os.Mkdir(elsewhere, 0o700), os.Symlink(elsewhere, filepath.Join(f.Dir, ".app"))); err != nil {
		t.Fatal(err)
	}
	if err := f.Prepare(); err == nil {
		t.Error("it goes where a link leads")
	}
	if left, err := os.ReadDir(elsewhere); err != nil || len(left) > 0 {
		t.Errorf("elsewhere lie %v, %v", left, err)
	}
}

// The owner of files stays, which only root can see to.
func TestClientFilesKeepTheirOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	const user, group = 4711, 4712
	w := newWallet(t)
	f := ClientFiles{Dir: t.TempDir(), Name: "app"}
	f.plain(t, w.set(t), 0o600)
	for _, path := range []string{f.Dir, f.Cert(), f.Key()} {
		if err := os.Chown(path, user, group); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(f.Prepare(), f.Put(w.set(t))); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{f.Cert(), f.Key(), filepath.Join(f.Dir, ".app"), filepath.Join(f.Dir, ".app", "live")} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := ownerOf(info); got != fmt.Sprint(user, group) {
			t.Errorf("%s is of %s", path, got)
		}
	}
	if info, err := os.Stat(f.CA()); err != nil || ownerOf(info) != "0 0" {
		t.Errorf("ca.pem: %v, %v", ownerOf(info), err)
	}
}

func ownerOf(info fs.FileInfo) string {
	is := info.Sys().(*syscall.Stat_t)
	return fmt.Sprint(is.Uid, is.Gid)
}

// A name that stands for a file of another client is not replaced: app-key.pem is the key of app, and the certificate
// of app-key.
func TestClientFilesOfNeighbours(t *testing.T) {
	w := newWallet(t)
	for _, names := range [][2]string{{"app", "app-key"}, {"app-key", "app"}} {
		dir := t.TempDir()
		ClientFiles{Dir: dir, Name: names[0]}.plain(t, w.set(t), 0o600)
		f := ClientFiles{Dir: dir, Name: names[1]}
		if is, err := f.Read(w.Store); err == nil {
			t.Errorf("beside %s, %s is %+v", names[0], names[1], is)
		}
	}
}

// The directory may be that of the client's user, and the run root's: what lies there does not hold up a run, nor fill
// its memory, nor lead it out.
func TestClientFilesOfAStranger(t *testing.T) {
	w := newWallet(t)
	elsewhere := t.TempDir()
	set := w.set(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(filepath.Join(elsewhere, "cert.pem"), set.Cert, 0o600))
	must(os.WriteFile(filepath.Join(elsewhere, "key.pem"), set.Key, 0o600))
	must(os.WriteFile(filepath.Join(elsewhere, "changed"), nil, 0o600))
	for name, lay := range map[string]func(f ClientFiles){
		"pipe": func(f ClientFiles) {
			must(os.Mkdir(filepath.Join(f.Dir, ".app"), 0o700))
			must(os.Mkdir(filepath.Join(f.Dir, f.live()), 0o700))
			must(syscall.Mkfifo(filepath.Join(f.Dir, f.live(), "cert.pem"), 0o600))
			must(syscall.Mkfifo(filepath.Join(f.Dir, f.live(), "key.pem"), 0o600))
		},
		"long": func(f ClientFiles) {
			must(os.MkdirAll(filepath.Join(f.Dir, f.live()), 0o700))
			for _, file := range []string{"cert.pem", "key.pem"} {
				path := filepath.Join(f.Dir, f.live(), file)
				must(os.WriteFile(path, nil, 0o600))
				must(os.Truncate(path, 2*maxClientFile))
			}
		},
		"elsewhere": func(f ClientFiles) {
			must(os.Mkdir(filepath.Join(f.Dir, ".app"), 0o700))
			must(os.Symlink(elsewhere, filepath.Join(f.Dir, f.live())))
		},
		"all elsewhere": func(f ClientFiles) {
			must(os.Mkdir(filepath.Join(elsewhere, "live"), 0o700))
			for _, file := range []string{"cert.pem", "key.pem"} {
				must(os.Symlink("../"+file, filepath.Join(elsewhere, "live", file)))
			}
			must(os.Symlink(elsewhere, filepath.Join(f.Dir, ".app")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := ClientFiles{Dir: t.TempDir(), Name: "app"}
			for _, link := range f.links(false) {
				must(os.Symlink(link[1], filepath.Join(f.Dir, link[0])))
			}
			lay(f)
			if is, err := f.Read(w.Store); err == nil {
				t.Errorf("read: %+v", is)
			}
			if pair, err := f.Pair(); err == nil {
				t.Errorf("the pair is of %d bytes", len(pair.Key))
			}
			_ = f.Told()
			if _, err := os.Stat(filepath.Join(elsewhere, "changed")); err != nil {
				t.Error(err)
			}
		})
	}
}
