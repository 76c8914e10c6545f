package release

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// writeFile replaces path by way of a temporary file beside it: after a crash it holds the old bytes or the new ones.
func writeFile(path string, data []byte, perm os.FileMode) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(perm), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// lockFile takes the lock at path, waiting for whoever holds it, in this process or another. It falls with the process.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, cacheError(err)
	}
	locked := make(chan error, 1)
	go func() {
		for {
			err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
			if !errors.Is(err, unix.EINTR) {
				locked <- err
				return
			}
		}
	}()
	select {
	case err := <-locked:
		if err != nil {
			return nil, errors.Join(cacheError(&os.PathError{Op: "lock", Path: path, Err: err}), f.Close())
		}
		return func() { unlockFile(f) }, nil
	case <-ctx.Done():
		// Nothing interrupts flock; its goroutine gives the lock back at once when it comes.
		go func() {
			if err := <-locked; err != nil { // then it holds nothing
				_ = f.Close()
				return
			}
			unlockFile(f)
		}()
		return nil, fmt.Errorf("wait for another download of the same release (%s): %w", path, context.Cause(ctx))
	}
}

// unlockFile does more than close: a process that is just being started has a copy of f for a moment, and would keep
// the lock.
func unlockFile(f *os.File) {
	_ = unix.Flock(int(f.Fd()), unix.LOCK_UN)
	_ = f.Close()
}
