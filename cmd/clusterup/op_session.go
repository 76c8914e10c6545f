package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/look"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/release"
	"github.com/clusterup/clusterup/remote"
)

// session is one run against one cluster: what is wanted, the operator directory, and a held connection to every host.
type session struct {
	console *console
	flags   clusterFlags
	file    string // the inventory
	cluster *inventory.Cluster
	dir     string // the operator directory
	hosts   map[string]*remote.Host
	etcd    *etcdAPI
	now     func() time.Time
	verb    string                                    // the command, as others are told
	edit    *edit                                     // of the inventory, once its plan is agreed to; nil: none
	wish    func(etcd.Want, facts.Snapshot) etcd.Want // what a verb wants besides; nil: nothing

	holding atomic.Pointer[holding]        // the cluster's lock, while a run has it; nil: it has none
	last    atomic.Pointer[facts.Snapshot] // the last look of that run

	mu       sync.Mutex
	releases map[string]*resolved // by VERSION/ARCH
	signing  *pki.Store           // nil: nothing was signed yet
}

// open loads the inventory and prepares everything; no network is used yet.
func (c *console) open(path string, flags clusterFlags) (*session, error) {
	cluster, err := c.load(path, nil, flags)
	if err != nil {
		return nil, err
	}
	return c.begin(path, cluster, flags)
}

// openEdited is open for an inventory as it will be.
func (c *console) openEdited(change *edit, flags clusterFlags) (*session, error) {
	cluster, err := c.load(change.path, change.now, flags)
	if err != nil {
		return nil, err
	}
	return c.begin(change.path, cluster, flags)
}

func (c *console) begin(path string, cluster *inventory.Cluster, flags clusterFlags) (*session, error) {
	s := &session{
		console: c, flags: flags, verb: "apply", file: path, cluster: cluster, now: time.Now,
		releases: map[string]*resolved{},
		dir:      filepath.Join(cluster.Dir, ".clusterup", cluster.Name), hosts: map[string]*remote.Host{},
	}
	dialer := c.dialer(flags)
	for _, m := range cluster.Members {
		config, err := sshConfig(m)
		if err != nil {
			return nil, err
		}
		s.hosts[m.Name] = dialer.Host(config)
	}
	s.etcd = newEtcdAPI(s)
	c.Intact = true
	return s, nil
}

// close ends all connections, and says what they have cost where that was asked for.
func (s *session) close() {
	s.showStats()
	s.etcd.close()
	for _, host := range s.hosts {
		_ = host.Close() // nothing is lost with it
	}
}

func sshConfig(m inventory.Member) (remote.Config, error) {
	login := m.SSH.User
	if login == "" {
		current, err := user.Current()
		if err != nil {
			return remote.Config{}, fmt.Errorf("find the current user, to log in as: %w: "+
				"name the user in the inventory's ssh block", err)
		}
		login = current.Username
	}
	config := remote.Config{
		Name: m.Name, Address: m.SSHAddress, Port: m.SSHPort, User: login, IdentityFiles: m.SSH.IdentityFiles,
		Agent:      m.SSH.Agent,
		KnownHosts: m.SSH.KnownHosts, Sudo: m.SSH.Sudo, ConnectTimeout: m.SSH.ConnectTimeout,
	}
	for _, jump := range m.SSH.Jump {
		hop := remote.Config{
			Name: jump.Address, Address: jump.Address, Port: jump.Port, User: jump.User, IdentityFiles: jump.IdentityFiles,
			Agent: m.SSH.Agent, KnownHosts: m.SSH.KnownHosts, ConnectTimeout: m.SSH.ConnectTimeout,
		}
		if hop.User == "" {
			hop.User = login
		}
		if len(hop.IdentityFiles) == 0 {
			hop.IdentityFiles = m.SSH.IdentityFiles
		}
		config.Jump = append(config.Jump, hop)
	}
	return config, nil
}

// gather looks at everything. A run that holds the lock looks only where it holds it.
func (s *session) gather(ctx context.Context) (facts.Snapshot, error) {
	return s.gatherBut(ctx, map[string]facts.Host{})
}

// gatherBut looks at everything but what lies on hosts that were looked at before.
func (s *session) gatherBut(ctx context.Context, keep map[string]facts.Host) (facts.Snapshot, error) {
	shells := make(map[string]look.Shell, len(s.hosts))
	for name, host := range s.hosts {
		shells[name] = prober{shell{host}}
		if held := s.holding.Load(); held != nil {
			if why := held.unheld(name); why != nil {
				shells[name] = dark{why}
				delete(keep, name)
			}
		}
	}
	seen, err := look.Gather(ctx, look.Source{
		Asks: etcd.Asks(s.cluster), Shells: shells, Etcd: s.etcd, Operator: s.operator, Now: s.now, Route: s.etcd.route,
		Handshake: s.handshake, Keep: keep,
	})
	select { // hosts that a stop has cut short are not unreachable
	case <-s.console.Stop:
		return seen, context.Canceled
	case <-ctx.Done():
		return seen, context.Cause(ctx)
	default:
		if err == nil {
			s.last.Store(&seen)
		}
		return seen, err
	}
}

// look looks at what may have changed since the last look; nil: at everything.
func (s *session) look(ctx context.Context, last *apply.Last) (facts.Snapshot, error) {
	switch {
	case last == nil:
		return s.gather(ctx)
	case len(last.Touched) > 0:
		keep := maps.Clone(last.Seen.Hosts)
		for _, name := range last.Touched {
			delete(keep, name)
		}
		return s.gatherBut(ctx, keep)
	}
	operator, err := s.operator()
	if err != nil {
		return last.Seen, err
	}
	seen, ok := look.With(last.Seen, operator)
	if !ok {
		return s.gather(ctx)
	}
	if held := s.holding.Load(); held != nil {
		seen = held.darkened(seen) // it may have been lost on some meanwhile
	}
	s.last.Store(&seen)
	return seen, ctx.Err()
}

// operator reads the operator directory.
func (s *session) operator() (facts.Operator, error) {
	store, err := s.openStore()
	if err != nil {
		return facts.Operator{}, err
	}
	lock, err := release.ReadLock(s.lockFile())
	if err != nil {
		return facts.Operator{}, err
	}
	seen := facts.Operator{Pinned: lock}
	if err := s.authorities(store, &seen); err != nil {
		return facts.Operator{}, err
	}
	seen.Snapshots, err = s.snapshots()
	return seen, err
}

func (s *session) caDir() string    { return filepath.Join(s.dir, "ca") }
func (s *session) lockFile() string { return filepath.Join(s.dir, "release.lock.hcl") }

// want is what the operator wants, with the releases for the architectures that were seen.
func (s *session) want(ctx context.Context, seen facts.Snapshot, token string) (etcd.Want, error) {
	w := etcd.Want{
		Cluster: s.cluster, Token: token, Writer: version(), Accept: s.flags.accepted(), HoldLast: s.flags.holdLast,
		Releases: map[string]plan.Release{},
	}
	for _, version := range etcd.Versions(s.cluster, seen) {
		for _, name := range seen.Names() {
			arch := seen.Hosts[name].Arch
			if _, known := w.Releases[version+"/"+arch]; known || arch == "" {
				continue
			}
			archive, err := s.release(ctx, version, arch, seen.Operator.Pinned)
			if err != nil {
				return etcd.Want{}, err
			}
			if archive == nil {
				continue
			}
			r := plan.Release{Version: archive.Version, Arch: arch, SHA256: archive.SHA256, Binaries: map[string]string{}}
			for name, binary := range archive.Binaries {
				r.Binaries[name] = binary.SHA256
			}
			w.Releases[r.Pin()] = r
		}
	}
	if s.wish != nil {
		w = s.wish(w, seen)
	}
	return w, nil
}

// release is the archive of a version for an architecture, resolved once a run; nil when etcd is not released for it.
// Files and digests in the inventory are of the version that it asks for; versions on the way there come from the
// mirror.
func (s *session) release(ctx context.Context, version, arch string, pinned map[string]string) (*release.Archive, error) {
	if !releasedFor[arch] {
		return nil, nil
	}
	s.mu.Lock()
	r := s.releases[version+"/"+arch]
	if r == nil {
		r = &resolved{}
		s.releases[version+"/"+arch] = r
	}
	s.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.archive != nil {
		return r.archive, nil
	}
	var archives, digests map[string]string
	if version == s.cluster.Version {
		archives, digests = s.cluster.Release.Archives, s.cluster.Release.SHA256
		if s.cluster.Release.Archive != "" {
			archives = map[string]string{"": s.cluster.Release.Archive}
		}
	}
	archive, err := release.Resolve(ctx, release.Source{
		Mirror: s.cluster.Release.Mirror, Archives: archives, SHA256: digests, Pinned: pinned,
		CacheDir: release.CacheDir(os.Getenv, homeDir()), Progress: s.console.Download(version, arch),
	}, version, arch)
	if err != nil {
		return nil, err
	}
	r.archive = archive
	return archive, nil
}

// resolved is one release; its lock is held through the download, which others need not wait for.
type resolved struct {
	mu      sync.Mutex
	archive *release.Archive // nil: not yet
}

// releasedFor are the architectures that etcd is released for.
var releasedFor = map[string]bool{"amd64": true, "arm64": true, "ppc64le": true, "s390x": true}
