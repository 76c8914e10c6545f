package operator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clusterup/clusterup/durable"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/pki"
)

// ClientFiles are the files of a client's pair in a directory of the control machine. A pair that is renewed lies in a
// directory of its own, and one link is swapped, so that both names stand for one pair at any moment:
//
//	app.pem       → .app/live/cert.pem
//	app-key.pem   → .app/live/key.pem
//	app.p12       → .app/live/pair.p12
//	ca.pem        which other clients may have in common
//	.app/live     → SERIAL
//	.app/SERIAL/  cert.pem, key.pem, ca.pem, perhaps pair.p12
//	.app/changed  is there until somebody was told of a change
//
// The pair before stays until the next one comes, for whoever has resolved the link and is about to read.
type ClientFiles struct {
	Dir, Name string

	// Before is where a test build injects faults: it is called before each step; an error ends the run there. Nil: it is
	// not called.
	Before func(step string) error
}

// Step calls Before.
func (f ClientFiles) Step(what string) error {
	if f.Before == nil {
		return nil
	}
	return f.Before(what)
}

// Cert is the path of the certificate, with the chain of its CA.
func (f ClientFiles) Cert() string { return filepath.Join(f.Dir, f.Name+".pem") }

// Key is the path of the private key.
func (f ClientFiles) Key() string { return filepath.Join(f.Dir, f.Name+"-key.pem") }

// CA is the path of the CAs to trust.
func (f ClientFiles) CA() string { return filepath.Join(f.Dir, "ca.pem") }

// PKCS12 is the path of the one file with all of these.
func (f ClientFiles) PKCS12() string { return filepath.Join(f.Dir, f.Name+".p12") }

// Where a pair lies, below the directory.
func (f ClientFiles) pairs() string   { return "." + f.Name }
func (f ClientFiles) live() string    { return f.pairs() + "/live" }
func (f ClientFiles) changed() string { return f.pairs() + "/changed" }

// links are what the names of a pair stand for, by the name within the directory. That of the certificate comes last:
// whoever sees it sees all.
func (f ClientFiles) links(pkcs12 bool) [][2]string {
	links := [][2]string{{f.Name + "-key.pem", f.live() + "/key.pem"}, {f.Name + ".pem", f.live() + "/cert.pem"}}
	if pkcs12 {
		links = append([][2]string{{f.Name + ".p12", f.live() + "/pair.p12"}}, links...)
	}
	return links
}

// lockWait is how long another run is waited for. The directory's owner may hold its lock for ever.
const lockWait = 2 * time.Minute

// Lock keeps other runs away from the directory until it is let go. It calls busy, once, before it waits for one, and
// gives up in the end.
func (f ClientFiles) Lock(ctx context.Context, busy func()) (unlock func(), err error) {
	return f.lockWithin(ctx, lockWait, busy)
}

func (f ClientFiles) lockWithin(ctx context.Context, limit time.Duration, busy func()) (unlock func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf(
		"another process still has it after %s: find it with fuser %s, end it, and run again", limit, f.Dir))
	defer cancel()
	held, err := durable.LockDir(ctx, f.Dir, busy)
	if err != nil {
		return nil, err
	}
	return held.Unlock, nil
}

// Read is the pair that lies there; nil: none does. It is an error where a file cannot be read, or is none that may be
// replaced, such as one of another client: app-key.pem is the key of app, and the certificate of app-key.
func (f ClientFiles) Read(store *pki.Store) (*facts.ClientPair, error) {
	for _, link := range f.links(true) {
		if err := f.replaceable(link[0], link[1]); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(f.Dir) // no link leads out of it
	if err != nil {
		return nil, err
	}
	defer root.Close()
	cert, errCert := clientFile(root, f.Name+".pem")
	key, errKey := clientFile(root, f.Name+"-key.pem")
	noCert, noKey := errors.Is(errCert, fs.ErrNotExist), errors.Is(errKey, fs.ErrNotExist)
	switch {
	case noCert && noKey:
		return nil, nil
	case bytes.Contains(cert, []byte("PRIVATE KEY-----")):
		return nil, fmt.Errorf("%s holds a private key, perhaps of another client: choose another --out", f.Cert())
	case bytes.Contains(key, []byte("BEGIN CERTIFICATE-----")) && !bytes.Contains(key, []byte("PRIVATE KEY-----")):
		return nil, fmt.Errorf("%s holds a certificate, perhaps of another client, and no key: choose another --out", f.Key())
	case noCert && errKey == nil, noKey && errCert == nil:
		return &facts.ClientPair{Broken: "a half of the pair is missing"}, nil
	case errCert != nil || errKey != nil:
		return nil, errors.Join(errCert, errKey)
	}
	held, err := store.Held(cert, key)
	if err != nil {
		return &facts.ClientPair{Broken: "the pair is of no use: " + err.Error()}, nil
	}
	return &facts.ClientPair{
		Client: ClientOf(held.Record), User: held.User, Organization: held.Organization, Algorithm: held.Algorithm,
	}, nil
}

// replaceable is an error where a name stands for something that is not clusterup's to replace.
func (f ClientFiles) replaceable(name, link string) error {
	path := filepath.Join(f.Dir, name)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().IsRegular():
		return nil
	case info.Mode()&fs.ModeSymlink == 0:
		return fmt.Errorf("%s is not a file: choose another --out", path)
	}
	switch target, err := os.Readlink(path); {
	case err != nil:
		return err
	case target != link:
		return fmt.Errorf("%s is a link to %s, which is not to be replaced: choose another --out", path, target)
	}
	return nil
}

// Trusts are the CAs in ca.pem, in PEM; nil: there is no such file.
func (f ClientFiles) Trusts() ([]byte, error) {
	info, err := os.Lstat(f.CA())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a plain file: choose another --out", f.CA())
	}
	return f.content("ca.pem")
}

// Bundled are the CAs in the PKCS #12 file, in PEM; nil: there is no such file, or it is not known.
func (f ClientFiles) Bundled() []byte {
	if target, err := os.Readlink(f.PKCS12()); err != nil || target != f.live()+"/pair.p12" {
		return nil
	}
	if _, err := os.Stat(f.PKCS12()); err != nil {
		return nil
	}
	bundle, _ := f.content(f.live() + "/ca.pem")
	return bundle
}

// Changed says that something was changed, and nobody was told yet.
func (f ClientFiles) Changed() bool {
	root, err := os.OpenRoot(f.Dir)
	if err != nil {
		return false
	}
	defer root.Close()
	_, err = root.Lstat(f.changed())
	return err == nil
}

// Told notes that somebody was told of all changes.
func (f ClientFiles) Told() error {
	return f.swap(func(s swap) error {
		if err := s.root.Remove(s.changed()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return s.sync(s.pairs())
	})
}

// Pair is the pair that lies there, and is whole.
func (f ClientFiles) Pair() (pair pki.Pair, err error) {
	if pair.Cert, err = f.content(f.Name + ".pem"); err != nil {
		return pki.Pair{}, err
	}
	pair.Key, err = f.content(f.Name + "-key.pem")
	pair.Serial = "again"
	return pair, err
}

func (f ClientFiles) content(name string) ([]byte, error) {
	root, err := os.OpenRoot(f.Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return clientFile(root, name)
}

// together are a certificate and its key: where the pair is exchanged between the one and the other, both are read
// again.
func (f ClientFiles) together() (cert, key []byte, err error) {
	live := filepath.Join(f.Dir, f.live())
	for range 10 {
		before, _ := os.Readlink(live) // there may be none
		if cert, err = readSmall(f.Cert()); err != nil {
			return nil, nil, err
		}
		if err = f.Step("read key"); err != nil {
			return nil, nil, err
		}
		if key, err = readSmall(f.Key()); err != nil {
			return nil, nil, err
		}
		if after, _ := os.Readlink(live); before == after {
			return cert, key, nil
		}
	}
	return nil, nil, fmt.Errorf("%s is exchanged again and again", f.Cert())
}

// readSmall reads a file of a client, wherever it lies.
func readSmall(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return within(f)
}

// maxClientFile is how many bytes a file of a client may have: a pair, or a bundle of CAs, has a few thousand.
const maxClientFile = 1 << 20

// clientFile reads a file of the directory, which may be that of the client's user, and the run root's: no link leads
// out of it, no pipe holds the run up, and no file fills its memory.
func clientFile(root *os.Root, name string) ([]byte, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	data, err := within(f)
	if errors.Is(err, errNotSmall) {
		err = fmt.Errorf("%w: choose another --out", err)
	}
	return data, err
}

var errNotSmall = fmt.Errorf("is not a file of at most %d bytes", maxClientFile)

// within reads a file of bounded size, and closes it.
func within(f *os.File) ([]byte, error) {
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxClientFile {
		return nil, fmt.Errorf("%s %w", f.Name(), errNotSmall)
	}
	return io.ReadAll(io.LimitReader(f, maxClientFile))
}
