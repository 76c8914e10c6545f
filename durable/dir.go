package durable

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// LockDir is [Lock] on a directory itself, so that no file comes to lie there. Where the file system has no locks for
// directories, such as NFS, nobody is kept out. It calls busy, once, before it waits for somebody; nil: nobody is told.
func LockDir(ctx context.Context, dir string, busy func()) (Held, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return Held{}, err
	}
	switch err := flock(f, false); {
	case err == nil, errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOLCK), errors.Is(err, unix.EBADF):
		return Held{f}, nil
	case !errors.Is(err, ErrLocked):
		return Held{}, errors.Join(err, f.Close())
	}
	if busy != nil {
		busy()
	}
	taken := make(chan error, 1)
	go func() { taken <- flock(f, true) }()
	select {
	case err := <-taken:
		if err != nil {
			return Held{}, errors.Join(err, f.Close())
		}
		return Held{f}, nil
	case <-ctx.Done():
		go func() { // nothing interrupts flock: the lock is given back at once when it comes
			if err := <-taken; err == nil {
				Held{f}.Unlock()
			}
		}()
		return Held{}, fmt.Errorf("wait for the lock on %s: %w", dir, context.Cause(ctx))
	}
}
