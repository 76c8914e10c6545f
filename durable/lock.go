package durable

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrLocked means that somebody else holds a lock. It may be free in the next moment.
var ErrLocked = errors.New("somebody else holds the lock")

// Held is a lock file. The lock is held until Unlock, or until this process ends, however it ends. Closing the file
// alone leaves the lock to processes that inherited the file.
type Held struct{ *os.File }

// Unlock lets go of the lock. It does more than close the file: a process that is just being started has a copy of it
// for a moment, and would keep the lock.
func (h Held) Unlock() {
	_ = unix.Flock(int(h.Fd()), unix.LOCK_UN)
	_ = h.Close()
}

// Lock takes the lock on a file, which it makes with mode 0600. It waits for whoever holds the lock, in this process or
// another, until ctx ends. The holder may delete the file.
func Lock(ctx context.Context, path string) (Held, error) {
	type result struct {
		held Held
		err  error
	}
	taken := make(chan result, 1)
	go func() {
		held, err := take(path, true)
		taken <- result{held, err}
	}()
	select {
	case r := <-taken:
		return r.held, r.err
	case <-ctx.Done():
		go func() { // nothing interrupts flock: the lock is given back at once when it comes
			if r := <-taken; r.err == nil {
				r.held.Unlock()
			}
		}()
		return Held{}, fmt.Errorf("wait for lock %s: %w", path, context.Cause(ctx))
	}
}

// TryLock is Lock without waiting; the error is ErrLocked where somebody else holds the lock.
func TryLock(path string) (Held, error) { return take(path, false) }

// Create makes a file that is not there, mode 0600, for reading and writing, and takes the lock on it. So a killed
// process leaves a file that [Sweep] can tell from those that somebody is writing. The error is fs.ErrExist where there
// is something of that name, whatever it is.
func Create(path string) (Held, error) {
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if err != nil {
			return Held{}, err
		}
		switch err := flock(f, false); {
		case err == nil && isFile(f, path), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOLCK):
			return Held{f}, nil // a file system without locks: Sweep takes nothing there
		case err != nil && !errors.Is(err, ErrLocked):
			return Held{}, errors.Join(err, f.Close(), os.Remove(path))
		}
		_ = f.Close() // a Sweep came in between, and takes it away
	}
}

// Matching are the paths of what a directory holds whose names match a pattern of [filepath.Match], sorted; none where
// there is no such directory. The directory's own path is no pattern, whatever stands in it.
func Matching(dir, pattern string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []string
	for _, entry := range entries {
		fits, err := filepath.Match(pattern, entry.Name())
		if err != nil {
			return nil, err
		}
		if fits {
			found = append(found, filepath.Join(dir, entry.Name()))
		}
	}
	return found, nil
}

// Sweep removes the files of a directory whose names match a pattern, and that nobody holds the lock on: whoever made
// them with [Create] was killed.
func Sweep(dir, pattern string) error {
	found, err := Matching(dir, pattern)
	if err != nil {
		return err
	}
	for _, path := range found {
		if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
			continue
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return err
		}
		if flock(f, false) == nil && isFile(f, path) {
			err = remove(path)
		}
		Held{f}.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

func take(path string, wait bool) (Held, error) {
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return Held{}, err
		}
		if err := flock(f, wait); err != nil {
			return Held{}, errors.Join(err, f.Close())
		}
		if isFile(f, path) {
			return Held{f}, nil
		}
		_ = f.Close() // whoever held the lock has deleted the file
	}
}

func flock(f *os.File, wait bool) error {
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	for {
		switch err := unix.Flock(int(f.Fd()), how); {
		case err == nil:
			return nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return ErrLocked
		case !errors.Is(err, unix.EINTR):
			return &os.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
	}
}

// isFile says whether f is still the file at path.
func isFile(f *os.File, path string) bool {
	mine, err := f.Stat()
	there, err2 := os.Stat(path)
	return err == nil && err2 == nil && os.SameFile(mine, there)
}
