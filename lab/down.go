package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// Down kills the hosts and takes the lab away with all it made; base images stay. A lab that is already gone is fine,
// and one that is half gone is finished.
func (l *Lab) Down(ctx context.Context) error {
	held, err := lock(ctx, lockFile(l.name))
	if err != nil {
		return err
	}
	defer held.Unlock()
	if err := l.reload(); errors.Is(err, ErrNoLab) {
		return os.Remove(lockFile(l.name))
	} else if err != nil {
		return err
	}
	if err := l.down(ctx); err != nil {
		return fmt.Errorf("take down lab %s: %w", l.name, err)
	}
	return errors.Join(os.Remove(stateFile(l.name)), os.Remove(lockFile(l.name)))
}

func (l *Lab) down(ctx context.Context) error {
	var g errgroup.Group
	for _, s := range l.sites() {
		g.Go(func() error {
			if err := s.kill(ctx); err != nil {
				return err
			}
			return removeTree(s.dir)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := removeNetwork(ctx, l.name); err != nil {
		return err
	}
	for _, f := range []string{l.KeyFile(), l.KeyFile() + ".pub", l.KnownHosts()} {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	_ = os.Remove(filepath.Join(l.dir, "hosts"))
	_ = os.Remove(l.dir) // unless somebody keeps something there
	return nil
}
