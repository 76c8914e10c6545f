package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/clusterup/clusterup/durable"
	"github.com/clusterup/clusterup/release"
)

// scratch is a directory of a drill, 0700, in the cache. It goes with end. When this process is killed, a guard that
// outlives it removes the directory; when the guard is killed as well, or the machine falls, the next session does.
type scratch struct {
	dir   string
	held  durable.Held
	guard *exec.Cmd
	alive io.Closer // the guard's stdin, which ends with this process
}

// guardScript waits until its stdin ends, and removes a directory then. The processes of the drill are killed at the
// same time, and may still make a file.
const guardScript = `while read -r _; do :; done
n=0
while [ -e "$0" ] && [ "$n" -lt 100 ]; do
	rm -rf -- "$0" "$0.lock" 2>/dev/null
	n=$((n + 1))
done`

func (s *Session) newScratch(ctx context.Context) (*scratch, error) {
	place := drillPlace(s.options)
	if place == "" {
		return nil, errors.New("there is no cache folder; set XDG_CACHE_HOME or HOME")
	}
	if err := os.MkdirAll(place, 0o700); err != nil {
		return nil, err
	}
	lock, err := durable.Lock(ctx, filepath.Join(place, "lock"))
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	if err := sweepScratch(place); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(place, "drill-")
	if err != nil {
		return nil, err
	}
	c := &scratch{dir: dir}
	if c.held, err = durable.TryLock(dir + ".lock"); err == nil {
		err = c.guarded()
	}
	if err != nil {
		return nil, errors.Join(err, c.end())
	}
	return c, nil
}

// drillPlace is where scratch directories lie; empty: there is no cache folder.
func drillPlace(o Options) string {
	cache := release.CacheDir(os.Getenv, o.Dialer.Home)
	if cache == "" {
		return ""
	}
	return filepath.Join(cache, "drills")
}

// sweepDrills removes what drills have left, unless another process is about to. That it cannot is no reason to fail.
func sweepDrills(o Options) {
	place := drillPlace(o)
	if place == "" {
		return
	}
	lock, err := durable.TryLock(filepath.Join(place, "lock"))
	if err != nil {
		return // there was no drill yet
	}
	defer lock.Unlock()
	_ = sweepScratch(place) // the next drill says why not
}

// sweepScratch removes what drills have left whose lock nobody holds.
func sweepScratch(place string) error {
	left, err := durable.Matching(place, "drill-*.lock")
	if err != nil {
		return err
	}
	for _, name := range left {
		held, err := durable.TryLock(name)
		if errors.Is(err, durable.ErrLocked) {
			continue
		}
		if err == nil {
			err = errors.Join(os.RemoveAll(name[:len(name)-len(".lock")]), os.Remove(name))
			held.Unlock()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *scratch) guarded() error {
	c.guard = exec.Command("/bin/sh", "-c", guardScript, c.dir) //nolint:gosec,noctx // it outlives every context
	apart(c.guard)
	stdin, err := c.guard.StdinPipe()
	if err != nil {
		return err
	}
	c.alive = stdin
	if err := c.guard.Start(); err != nil {
		return fmt.Errorf("guard %s: %w", c.dir, err)
	}
	return nil
}

// end removes the directory, and lets the guard go.
func (c *scratch) end() error {
	err := os.RemoveAll(c.dir)
	if c.alive != nil {
		_ = c.alive.Close()
	}
	if c.guard != nil && c.guard.Process != nil {
		_ = c.guard.Wait() // it finds nothing left to do
	}
	if c.held.File != nil {
		if gone := os.Remove(c.held.Name()); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
		c.held.Unlock()
	}
	return err
}

func (c *scratch) path(name string) string { return filepath.Join(c.dir, name) }
