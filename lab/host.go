package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/clusterup/clusterup/durable"
)

// site is where one host of a lab lies on the machine.
type site struct {
	lab string
	dir string // DIR/hosts/HOST
	hostState
}

func (l *Lab) site(name string) (site, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h, err := l.st.host(name)
	if err != nil {
		return site{}, err
	}
	return l.siteOf(*h), nil
}

func (l *Lab) siteOf(h hostState) site {
	return site{lab: l.name, dir: filepath.Join(l.dir, "hosts", h.Name), hostState: h}
}

func (l *Lab) sites() []site {
	l.mu.Lock()
	defer l.mu.Unlock()
	var sites []site
	for _, h := range l.st.Hosts {
		sites = append(sites, l.siteOf(h))
	}
	return sites
}

func (s site) root() string        { return filepath.Join(s.dir, "root") }
func (s site) console() string     { return filepath.Join(s.dir, "console.log") }
func (s site) seeded() string      { return filepath.Join(s.dir, "seeded") }
func (s site) hostKey() string     { return filepath.Join(s.dir, "host_key") }
func (s site) slot() (slot, error) { return newSlot(s.lab, s.Name) }

func (s site) image(d disk) string { return filepath.Join(s.dir, "disks", d.Name+".img") }
func (s site) point(d disk) string { return filepath.Join(s.dir, "disks", d.Name) }

// machine is what nspawn calls the host, short enough for the name of a network link to be made of it (nspawn(1),
// --network-veth).
func (s site) machine() string {
	h := fnv.New32a()
	h.Write([]byte(s.lab + "/" + s.Name))
	return fmt.Sprintf("lab-%08x", h.Sum32())
}

// port is the end of the host's network link on the bridge; in the host it is host0.
func (s site) port() string { return "vb-" + s.machine() }

// ensureRoot mounts the host's file system and, the first time, makes it this
// host's. A host that was only half made is made again.
func (s site) ensureRoot(ctx context.Context, all []Host, authorized, user string) error {
	if err := s.mountRoot(); err != nil {
		return err
	}
	if _, err := os.Stat(s.seeded()); err == nil {
		return nil
	}
	if err := s.seed(ctx, all, authorized, user); err != nil {
		return fmt.Errorf("prepare root of %s: %w", s.Name, err)
	}
	return durable.Write(s.seeded(), nil, 0o644)
}

func (s site) mountRoot() error {
	for _, d := range []string{"root", "upper", "work", "disks"} {
		if err := os.MkdirAll(filepath.Join(s.dir, d), 0o755); err != nil {
			return err
		}
	}
	if ok, err := mounted(s.root()); ok || err != nil {
		return err
	}
	err := mountOverlay(s.Base, filepath.Join(s.dir, "upper"), filepath.Join(s.dir, "work"), s.root())
	if err != nil {
		return fmt.Errorf("mount overlay for %s: %w (its directory must lie on a real disk, not on another overlay)", s.Name,
			err)
	}
	return nil
}

func (s site) seed(ctx context.Context, all []Host, authorized, user string) error {
	id, err := s.identity(ctx)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(s.root())
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if user != "" {
		if err := addUser(root, user); err != nil {
			return err
		}
	}
	files := seedFiles(s.Host, all, id, authorized, user)
	if s.Repository != "" {
		files = append(files, sourcesFile())
	}
	return plant(root, files)
}

// identity makes the host's key and machine ID, or takes those it had.
func (s site) identity(ctx context.Context) (identity, error) {
	if err := ensureKey(ctx, s.hostKey(), s.Name); err != nil {
		return identity{}, err
	}
	key, err := os.ReadFile(s.hostKey())
	if err != nil {
		return identity{}, err
	}
	pub, err := os.ReadFile(s.hostKey() + ".pub")
	if err != nil {
		return identity{}, err
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return identity{machineID: hex.EncodeToString(id[:]), hostKey: string(key), hostKeyPub: string(pub)}, nil
}

// ensureKey makes an Ed25519 key pair, 0600 from its first byte, unless it is there.
func ensureKey(ctx context.Context, path, comment string) error {
	if _, err := os.Stat(path + ".pub"); err == nil {
		return nil
	}
	if err := os.RemoveAll(path); err != nil { // without its .pub it was never finished
		return err
	}
	_, err := run(ctx, "", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path)
	return err
}

// wipe throws away what the host ever wrote; the host must be down.
func (s site) wipe(keepKey bool) error {
	if err := unmountBelow(s.dir); err != nil {
		return err
	}
	gone := []string{
		s.seeded(), filepath.Join(s.dir, "upper"), filepath.Join(s.dir, "work"),
		filepath.Join(s.dir, "disks"),
	}
	if !keepKey {
		gone = append(gone, s.hostKey(), s.hostKey()+".pub")
	}
	var errs []error
	for _, p := range gone {
		errs = append(errs, removeTree(p))
	}
	return errors.Join(errs...)
}

// knownHosts is what ssh must find about the hosts, read from their own disks.
func knownHosts(sites []site) (string, error) {
	var b strings.Builder
	for _, s := range sites {
		root, err := os.OpenRoot(s.root())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		pub, err := root.ReadFile("etc/ssh/ssh_host_ed25519_key.pub")
		_ = root.Close()
		if err != nil {
			return "", fmt.Errorf("read host key of %s: %w", s.Name, err)
		}
		f := strings.Fields(string(pub))
		if len(f) < 2 {
			return "", fmt.Errorf("read host key of %s: not a public key", s.Name)
		}
		fmt.Fprintf(&b, "%s,%s,%s %s %s\n", s.IPv4, s.IPv6, s.Name, f[0], f[1])
	}
	return b.String(), nil
}
