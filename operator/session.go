package operator

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
	"github.com/clusterup/clusterup/download"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/look"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/balancer"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/release"
	"github.com/clusterup/clusterup/remote"
	"github.com/clusterup/clusterup/snapshot"
)

// Options say how a session reaches hosts, and who hears of what it does. Only tests leave functions nil, except for
// Passphrase: nil means that nobody can be asked.
type Options struct {
	Dialer *remote.Dialer
	Now    func() time.Time
	Stop   <-chan struct{} // closed: nothing is looked at any more
	// Until is a context that ends with Stop.
	Until func(context.Context) (context.Context, context.CancelFunc)
	// Passphrase asks for the passphrase of a key file that opens the keys of the CAs.
	Passphrase func(keyFile string) ([]byte, error)
	// Download hears how a release comes in.
	Download func(version, arch string) func(done, total int64)
	// Saving hears how a snapshot of a member comes in.
	Saving func(member string) func(done, total int64)
	// Fetching hears how a snapshot comes in from a URL.
	Fetching func(url string) func(done, total int64)
	// Saved hears of a snapshot.
	Saved func(facts.SavedSnapshot)
	// Programs is the directory in which the programs for nodes lie, clusterup-node-linux-ARCH; empty: beside this one.
	Programs string
}

// Session is one run against one cluster: the operator directory, and a held connection to every host.
type Session struct {
	Cluster *inventory.Cluster
	options Options
	dir     string                  // the operator directory
	hosts   map[string]*remote.Host // by the name of the member or node; a host that is both has one name
	Etcd    *etcdAPI
	Now     func() time.Time

	restoring facts.SavedSnapshot // that a restore uses

	observer *Observer       // with which members are asked; nil: with a certificate of clusterup's own
	direct   bool            // members are dialled from this machine
	fetcher  download.Client // of snapshots

	passwords atomic.Pointer[passwords] // nil: they were not read

	holding atomic.Pointer[holding]        // the cluster's lock, while a run has it; nil: it has none
	last    atomic.Pointer[facts.Snapshot] // the last look of that run

	mu       sync.Mutex
	releases map[string]*resolved    // by VERSION/ARCH
	signing  *pki.Store              // nil: nothing was signed yet
	unsealer snapshot.Unseal         // nil: nothing was opened yet
	programs map[string]plan.Program // for nodes, by architecture; those that were read
}

// Open prepares everything; no network is used yet. It removes what drills have left that were killed.
func Open(cluster *inventory.Cluster, options Options) (*Session, error) {
	sweepDrills(options)
	s := &Session{
		Cluster: cluster, options: options, Now: options.Now, releases: map[string]*resolved{},
		dir: directory(cluster), hosts: map[string]*remote.Host{},
	}
	for _, m := range cluster.Members {
		config, err := sshConfig(m)
		if err != nil {
			return nil, err
		}
		s.hosts[m.Name] = options.Dialer.Host(config)
	}
	for _, n := range cluster.Nodes() {
		if s.hosts[n.Name] != nil { // it is a member's, too
			continue
		}
		config, err := sshConfig(nodeConfig(n))
		if err != nil {
			return nil, err
		}
		s.hosts[n.Name] = options.Dialer.Host(config)
	}
	s.Etcd = newEtcdAPI(s)
	return s, nil
}

// directory is the operator directory of a cluster.
func directory(c *inventory.Cluster) string { return filepath.Join(c.Dir, ".clusterup", c.Name) }

// Close ends all connections.
func (s *Session) Close() {
	s.Etcd.close()
	for _, host := range s.hosts {
		host.Close()
	}
	s.options.Dialer.Close()
}

// Costs are what connections have cost so far, by host.
func (s *Session) Costs() map[string]remote.Stats {
	costs := map[string]remote.Stats{}
	for name, host := range s.hosts {
		costs[name] = host.Stats()
	}
	return costs
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

// balancers are those of the inventory, by name, unless an observer asks, who may read no key.
func (s *Session) balancers() []string {
	var names []string
	if s.observer != nil {
		return nil
	}
	for _, b := range s.Cluster.Balancers {
		names = append(names, b.Name)
	}
	return names
}

// nodeAsks say where to look on nodes; nil: there are none, or an observer asks, who sees no host.
func (s *Session) nodeAsks() map[string]facts.NodeAsk {
	if s.observer != nil {
		return nil
	}
	return balancer.Asks(s.Cluster)
}

// Gather looks at everything. A run that holds the lock looks only where it holds it.
func (s *Session) Gather(ctx context.Context) (facts.Snapshot, error) {
	return s.gatherBut(ctx, map[string]facts.Host{}, map[string]facts.Node{})
}

// gatherBut looks at everything but what lies on hosts that were looked at before.
func (s *Session) gatherBut(
	ctx context.Context, keep map[string]facts.Host, keepNodes map[string]facts.Node,
) (facts.Snapshot, error) {
	shells := make(map[string]look.Shell, len(s.hosts))
	for name, host := range s.hosts {
		shells[name] = prober{shell{host}}
		if held := s.holding.Load(); held != nil {
			if why := held.unheld(name); why != nil {
				shells[name] = dark{why}
				delete(keep, name)
				delete(keepNodes, name)
			}
		}
	}
	seen, err := look.Gather(ctx, look.Source{
		Asks: etcd.Asks(s.Cluster), Shells: shells, Etcd: s.Etcd, Operator: s.operator, Now: s.Now, Route: s.Etcd.route,
		Handshake: s.handshake, Keep: keep, Auth: s.Cluster.Auth != nil && s.Cluster.Auth.Enabled, Last: s.last.Load(),
		Logins: s.logins(), Balancers: s.balancers(),
		NodeAsks: s.nodeAsks(), NodeShells: shells, KeepNodes: keepNodes,
	})
	select { // a host whose look a stop has cut short is not unreachable
	case <-s.options.Stop:
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

// Look looks at what may have changed since the last look; nil: at everything.
func (s *Session) Look(ctx context.Context, last *apply.Last) (facts.Snapshot, error) {
	switch {
	case last == nil:
		return s.Gather(ctx)
	case len(last.Touched) > 0:
		keep, keepNodes := maps.Clone(last.Seen.Hosts), maps.Clone(last.Seen.Nodes)
		for _, name := range last.Touched {
			delete(keep, name)
			delete(keepNodes, name)
		}
		return s.gatherBut(ctx, keep, keepNodes)
	}
	operator, err := s.operator()
	if err != nil {
		return last.Seen, err
	}
	seen, ok := look.With(last.Seen, operator)
	if !ok {
		return s.Gather(ctx)
	}
	if held := s.holding.Load(); held != nil {
		seen = held.darkened(seen) // it may have been lost on some meanwhile
	}
	s.last.Store(&seen)
	return seen, ctx.Err()
}

// operator reads the operator directory.
func (s *Session) operator() (facts.Operator, error) {
	store, err := s.OpenStore()
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
	seen.Snapshots, err = s.Snapshots()
	return seen, err
}

// CADir is where the CAs lie.
func (s *Session) CADir() string { return filepath.Join(s.dir, "ca") }

func (s *Session) lockFile() string { return filepath.Join(s.dir, "release.lock.hcl") }

// WithReleases puts the releases into what is wanted, for the architectures that were seen. It downloads archives that
// are not in the cache.
func (s *Session) WithReleases(ctx context.Context, w etcd.Want, seen facts.Snapshot) (etcd.Want, error) {
	w.Releases = map[string]plan.Release{}
	for _, version := range etcd.Versions(s.Cluster, seen) {
		if err := s.addReleases(ctx, w, seen, version); err != nil {
			return w, err
		}
	}
	return w, nil
}

// addReleases puts the releases of a version into what is wanted.
func (s *Session) addReleases(ctx context.Context, w etcd.Want, seen facts.Snapshot, version string) error {
	for _, name := range seen.Names() {
		arch := seen.Hosts[name].Arch
		if _, known := w.Releases[version+"/"+arch]; known || arch == "" {
			continue
		}
		archive, err := s.release(ctx, version, arch, seen.Operator.Pinned)
		if err != nil {
			return err
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
	return nil
}

// WithAnyRelease puts releases without digests into what is wanted, so that none is downloaded.
func (s *Session) WithAnyRelease(w etcd.Want, seen facts.Snapshot) etcd.Want {
	w.Releases = map[string]plan.Release{}
	for _, version := range etcd.Versions(s.Cluster, seen) {
		for arch := range releasedFor {
			r := plan.Release{Version: version, Arch: arch}
			w.Releases[r.Pin()] = r
		}
	}
	return w
}

// release is the archive of a version for an architecture, resolved once a run; nil when etcd is not released for it.
// Files and digests in the inventory are of the version that it asks for; versions on the way there come from the
// mirror.
func (s *Session) release(ctx context.Context, version, arch string,
	pinned map[string]string,
) (*release.Archive, error) {
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
	if version == s.Cluster.Version {
		archives, digests = s.Cluster.Release.Archives, s.Cluster.Release.SHA256
		if s.Cluster.Release.Archive != "" {
			archives = map[string]string{"": s.Cluster.Release.Archive}
		}
	}
	archive, err := release.Resolve(ctx, release.Source{
		Mirror: s.Cluster.Release.Mirror, Archives: archives, SHA256: digests, Pinned: pinned,
		CacheDir: release.CacheDir(os.Getenv, s.options.Dialer.Home), Progress: s.options.Download(version, arch),
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
