package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/clusterup/clusterup/durable"
)

// Options says which lab is wanted. The zero value is three hosts on bookworm in the lab "lab".
type Options struct {
	Name  string     // several labs run side by side; "" is DefaultName
	Dir   string     // the lab's disks and keys; "" is /var/lib/clusterup-lab/NAME
	Hosts []HostSpec // takes precedence over Count
	Count int        // hosts etcd-1 to etcd-N; 0 is three, or what the lab has
	User  string     // a user besides root, who may sudo without a password; "" is none
	Log   io.Writer  // progress, a line at a time; nil is silence

	// Packages are those of Debian that apt-get on every host can install, with all that they depend on but not what they
	// only recommend. No host has them installed by itself. The first Up with them downloads them. Nil is none, or what
	// the lab has.
	Packages []string
}

var userName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// Up makes the lab as wanted, and returns when systemd and sshd of every host are ready. Hosts that are up stay as they
// are, hosts that are down boot, and hosts beyond those wanted stay. The first Up with a suite downloads it.
func Up(ctx context.Context, o Options) (*Lab, error) {
	if err := Preflight(); err != nil {
		return nil, err
	}
	o.Name = cmp.Or(o.Name, DefaultName)
	if !labName.MatchString(o.Name) { // it becomes part of paths
		return nil, fmt.Errorf("name lab %q: at most 24 of a-z, 0-9 and -", o.Name)
	}
	held, err := lock(ctx, lockFile(o.Name))
	if err != nil {
		return nil, fmt.Errorf("bring up lab %s: %w", o.Name, err)
	}
	defer held.Unlock()
	log := &progress{w: o.Log}
	st, err := wanted(ctx, o, log)
	if err != nil {
		return nil, fmt.Errorf("bring up lab %s: %w", o.Name, err)
	}
	l := newLab(st)
	if err := l.up(ctx, log); err != nil {
		return nil, fmt.Errorf("bring up lab %s: %w", o.Name, err)
	}
	return l, nil
}

// wanted is the lab's state with what o adds to it, not yet written.
func wanted(ctx context.Context, o Options, log *progress) (*state, error) {
	st, err := readState(stateFile(o.Name))
	if errors.Is(err, ErrNoLab) {
		st, err = &state{Name: o.Name, Dir: o.Dir, User: o.User}, nil
	}
	if err != nil {
		return nil, err
	}
	st.Dir = cmp.Or(st.Dir, filepath.Join(stateDir, o.Name))
	switch {
	case o.Dir != "" && o.Dir != st.Dir:
		return nil, fmt.Errorf("it is up in %s, not in %s", st.Dir, o.Dir)
	case o.User != "" && o.User != st.User:
		return nil, fmt.Errorf("it is up with user %q, not %q", st.User, o.User)
	case st.User != "" && !userName.MatchString(st.User):
		return nil, fmt.Errorf("user %q: at most 31 of a-z, 0-9 and -", st.User)
	}
	if err := errors.Join(checkPath("directory", st.Dir), st.takePackages(o.Packages)); err != nil {
		return nil, err
	}
	specs := o.Hosts
	if specs == nil {
		if o.Count == 0 && len(st.Hosts) == 0 {
			o.Count = 3
		}
		specs = named(o.Count)
	}
	hosts, err := planHosts(o.Name, st.hosts(), specs)
	if err != nil {
		return nil, err
	}
	return st, st.adopt(ctx, hosts, log)
}

// adopt puts the planned hosts into the state, each on the image of its suite, with the packages for it.
func (s *state) adopt(ctx context.Context, hosts []Host, log *progress) error {
	var next []hostState
	for _, h := range hosts {
		if old, err := s.host(h.Name); err == nil {
			next = append(next, *old)
			continue
		}
		base, err := ensureBase(ctx, h.Suite, log)
		if err != nil {
			return err
		}
		repository, err := ensurePackages(ctx, h.Suite, base, s.Packages, log)
		if err != nil {
			return err
		}
		next = append(next, hostState{Host: h, Base: base, Repository: repository})
	}
	s.Hosts = next
	return nil
}

func (l *Lab) up(ctx context.Context, log *progress) error {
	if err := l.st.write(stateFile(l.name)); err != nil {
		return err
	}
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		return err
	}
	if err := ensureNetwork(ctx, l.name); err != nil {
		return err
	}
	if err := ensureKey(ctx, l.KeyFile(), "lab "+l.name); err != nil {
		return err
	}
	sites := l.sites()
	if err := l.prepare(ctx, sites); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range sites {
		g.Go(func() error {
			if err := s.boot(ctx); err != nil {
				return err
			}
			log.line("%s: up (%s, %s, %s)", s.Name, s.Suite, s.IPv4, s.IPv6)
			return nil
		})
	}
	return g.Wait()
}

// prepare gives every host its root, and every host the names of all.
func (l *Lab) prepare(ctx context.Context, sites []site) error {
	authorized, err := os.ReadFile(l.KeyFile() + ".pub")
	if err != nil {
		return err
	}
	all := l.Hosts()
	g, gctx := errgroup.WithContext(ctx)
	for _, s := range sites {
		g.Go(func() error { return s.ensureRoot(gctx, all, string(authorized), l.user) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, s := range sites {
		if err := s.introduce(all); err != nil {
			return fmt.Errorf("write hosts file of %s: %w", s.Name, err)
		}
	}
	text, err := knownHosts(sites)
	if err != nil {
		return err
	}
	return durable.Write(l.KnownHosts(), []byte(text), 0o644)
}

// introduce tells a host of hosts that came after it; a file that already names
// them all is left alone, whoever wrote it.
func (s site) introduce(all []Host) error {
	root, err := os.OpenRoot(s.root())
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	f := hostsFile(all)
	have, err := root.ReadFile(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, h := range all {
		if !strings.Contains(string(have), h.IPv4.String()+" "+h.Name+"\n") {
			return plant(root, []file{f})
		}
	}
	return nil
}
