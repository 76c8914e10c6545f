package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/release"
	"github.com/clusterup/clusterup/snapshot"
)

// Drilled is what a restore on trial has shown.
type Drilled struct {
	Etcd      string // the version that it was restored with
	Revision  int64  // of the restored store
	Keys      int64  // at that of the description, or else now
	Hash      facts.KeyHash
	Compared  []string // what was held against the description, in a word each
	Unmatched string   // why the hash was not; empty: it was, or there is no description
}

// ErrNoDrill covers a machine or a snapshot that no drill is possible with. It says nothing about the snapshot.
var ErrNoDrill = errors.New("no drill is possible")

// maxStart is how long a restored member may take to serve.
const maxStart = 10 * time.Minute

// Drill restores a snapshot into a member of its own on this machine, with the release's own etcd, and holds what that
// serves against the description. The member listens on Unix sockets in a directory that only this user can enter, and
// asks for a certificate of a CA that goes with it. Nothing is left, also when this process is killed. The bytes of a
// sealed snapshot have a name, and may outlive a kill of all processes together, only from its restore until etcd
// serves them: etcdutl and etcd take a data directory by its path alone. The next run of clusterup removes them then.
func (s *Session) Drill(ctx context.Context, c snapshot.Checked) (_ Drilled, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("drill %s: %w", c.Path, err)
		}
	}()
	if runtime.GOOS != "linux" {
		return Drilled{}, fmt.Errorf("%w: etcd's releases for this system are not what the cluster runs; use a Linux machine",
			ErrNoDrill)
	}
	archive, err := s.drillRelease(ctx, c)
	if err != nil {
		return Drilled{}, err
	}
	place, err := s.newScratch(ctx)
	if err != nil {
		return Drilled{}, err
	}
	defer func() { err = errors.Join(err, place.end()) }()
	d := &drill{session: s, scratch: place, snapshot: c}
	if err := d.restore(ctx, archive); err != nil {
		return Drilled{}, err
	}
	return d.serve(ctx, archive.Version)
}

// drillRelease is the release to restore with: that which the snapshot was taken from, or else the inventory's, if the
// minor version is the same.
func (s *Session) drillRelease(ctx context.Context, c snapshot.Checked) (*release.Archive, error) {
	lock, err := release.ReadLock(s.lockFile())
	if err != nil {
		return nil, err
	}
	of, wanted := c.Etcd(), s.Cluster.Version
	same := wanted != "" && c.SameMinor(wanted)
	if c.Described == nil && !same {
		return nil, fmt.Errorf("%w: it is of some etcd %s, and nothing beside it says which; name an inventory of that version",
			ErrNoDrill, of)
	}
	var first error
	for _, v := range []string{of, wanted} {
		if v == "" || c.Described == nil && v == of || v == wanted && !same {
			continue
		}
		archive, err := s.release(ctx, v, runtime.GOARCH, lock)
		if err == nil && archive == nil {
			err = fmt.Errorf("%w: etcd is not released for %s", ErrNoDrill, runtime.GOARCH)
		}
		if err == nil || ctx.Err() != nil {
			return archive, err
		}
		first = cmp.Or(first, err)
	}
	return nil, first
}

// drill is a restore under way.
type drill struct {
	session  *Session
	scratch  *scratch
	snapshot snapshot.Checked
}

// The member of a drill knows its sockets by names of the form that every version of etcd takes for an address.
const (
	drillName   = "drill"
	drillSocket = "client:1"
	drillPeer   = "unix://peer:1"
)

// restore makes a data directory of the snapshot.
func (d *drill) restore(ctx context.Context, archive *release.Archive) error {
	for _, program := range []string{"etcd", "etcdutl"} {
		if err := unpack(archive, program, d.scratch.path(program)); err != nil {
			return err
		}
	}
	from, err := d.plain()
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // it was only read, or goes
	const inherited = "/proc/self/fd/3"
	cmd, said := d.command("etcdutl", "snapshot", "restore", inherited, "--data-dir=data", "--name="+drillName,
		"--initial-cluster="+drillName+"="+drillPeer, "--initial-advertise-peer-urls="+drillPeer,
		"--initial-cluster-token="+drillName)
	cmd.ExtraFiles = []*os.File{from}
	if err := run(ctx, cmd, said); err != nil {
		return fmt.Errorf("restore it: %w", err)
	}
	return nil
}

// plain are the plain bytes: a copy without a name, if the snapshot is sealed.
func (d *drill) plain() (*os.File, error) {
	if !d.snapshot.Sealed {
		return os.Open(d.snapshot.Path)
	}
	f, err := snapshot.Open(d.snapshot.Path, d.session.unseal)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	to, err := os.CreateTemp(d.scratch.dir, "plain-")
	if err != nil {
		return nil, err
	}
	if err = os.Remove(to.Name()); err == nil {
		_, err = io.Copy(to, f)
	}
	if err != nil {
		return nil, errors.Join(err, to.Close())
	}
	return to, nil
}

// unnamed takes the name of the restored database away, which etcd has opened.
func (d *drill) unnamed() error { return os.Remove(d.scratch.path("data/member/snap/db")) }

// run runs a program of the release to its end.
func run(ctx context.Context, cmd *exec.Cmd, said *lastWords) error {
	ended, err := child(cmd)
	if err != nil {
		return err
	}
	select {
	case err = <-ended:
	case <-ctx.Done():
		_ = cmd.Process.Kill() // it may have ended by itself
		if err = <-ended; err != nil {
			return context.Cause(ctx)
		}
	}
	if err != nil {
		return said.explain(err)
	}
	return nil
}

// command is a program in the scratch directory, without an environment that could tell it something.
func (d *drill) command(program string, args ...string) (*exec.Cmd, *lastWords) {
	said := &lastWords{}
	cmd := exec.Command(d.scratch.path(program), args...) //nolint:gosec,noctx // a program of the release; see child
	cmd.Dir, cmd.Env = d.scratch.dir, []string{"PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = said, said
	return cmd, said
}
