package lab

import (
	"cmp"
	"fmt"
	"path/filepath"
	"sync"
)

// Lab is a lab that exists. Its methods may be called from several goroutines.
type Lab struct {
	name, dir, user string // as in the state, and never changed

	mu sync.Mutex
	st *state
}

func newLab(st *state) *Lab { return &Lab{name: st.Name, dir: st.Dir, user: st.User, st: st} }

// Open returns a lab that is there, whether or not its hosts run; ErrNoLab if
// there is none. An empty name is DefaultName.
func Open(name string) (*Lab, error) {
	name = cmp.Or(name, DefaultName)
	if !labName.MatchString(name) {
		return nil, fmt.Errorf("open lab %q: %w", name, ErrNoLab)
	}
	st, err := readState(stateFile(name))
	if err != nil {
		return nil, fmt.Errorf("open lab %s: %w", name, err)
	}
	return newLab(st), nil
}

// reload reads the state that another process may have changed. The lab's lock must be held.
func (l *Lab) reload() error {
	st, err := readState(stateFile(l.name))
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.st = st
	return nil
}

// Name is the lab's name.
func (l *Lab) Name() string { return l.name }

// Hosts lists the hosts, up or not, in the order they were asked for.
func (l *Lab) Hosts() []Host {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.st.hosts()
}

// KeyFile is the private key (Ed25519, no passphrase) that root and Options.User of every host accept.
func (l *Lab) KeyFile() string { return filepath.Join(l.dir, "id_ed25519") }

// KnownHosts is an ssh known_hosts file with the key of every host, under its two addresses and its name.
func (l *Lab) KnownHosts() string { return filepath.Join(l.dir, "known_hosts") }

// Root is a host's file system as the machine sees it, also while the host is down. Disks of LimitedDisk are not in it.
func (l *Lab) Root(host string) string { return filepath.Join(l.dir, "hosts", host, "root") }
