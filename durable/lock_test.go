package durable

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func locked(t *testing.T, path string) Held {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	held, err := Lock(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	return held
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	held := locked(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := TryLock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("while it is held: %v", err)
	}
	late := errors.New("too late")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, late)
	defer cancel()
	if _, err := Lock(ctx, path); !errors.Is(err, late) {
		t.Errorf("while it is held: %v", err)
	}
	waits := make(chan Held)
	go func() {
		next, err := Lock(t.Context(), path)
		if err != nil {
			t.Error(err)
		}
		waits <- next
	}()
	held.Unlock()
	(<-waits).Unlock()
	free := func() error { // once whoever did not wait until it came has given it back
		held, err := TryLock(path)
		if err == nil {
			held.Unlock()
		}
		return err
	}
	for until := time.Now().Add(time.Minute); ; runtime.Gosched() {
		err := free()
		if err == nil {
			break
		}
		if !errors.Is(err, ErrLocked) || time.Now().After(until) {
			t.Fatal(err)
		}
	}
	if _, err := TryLock(filepath.Join(path, "x")); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("a lock that cannot be: %v", err)
	}
}

// A lock that was given back is free, even while a process that is just being started has a copy of every file of this
// one. To close alone leaves it to such a process.
func TestUnlockedDespiteCopies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	copied := func(h Held) int {
		t.Helper()
		twin, err := unix.Dup(int(h.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		return twin
	}
	held := locked(t, path)
	twin := copied(held)
	held.Unlock()
	held = locked(t, path)
	_ = unix.Close(twin)
	twin = copied(held)
	_ = held.Close()
	if _, err := TryLock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("while another process holds it: %v", err)
	}
	_ = unix.Close(twin)
	locked(t, path).Unlock()
}

// A lock that was waited for is on the file that is there then, also where the first one was deleted meanwhile.
func TestLockOfADeletedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	held := locked(t, path)
	waits := make(chan Held)
	go func() {
		next, err := Lock(t.Context(), path)
		if err != nil {
			t.Error(err)
		}
		waits <- next
	}()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	held.Unlock()
	next := <-waits
	defer next.Unlock()
	if _, err := TryLock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("two have the lock: %v", err)
	}
}

// Sweep takes what a killed process has left, and nothing that somebody is writing.
func TestSweep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a[b") // no pattern
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	running, err := Create(filepath.Join(dir, "running.part"))
	if err != nil {
		t.Fatal(err)
	}
	defer running.Unlock()
	killed, err := Create(filepath.Join(dir, "killed.part"))
	if err != nil {
		t.Fatal(err)
	}
	killed.Unlock()
	if err := os.WriteFile(filepath.Join(dir, "other"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("other", filepath.Join(dir, "link.part")); err != nil {
		t.Fatal(err)
	}
	if err := Sweep(dir, "*.part"); err != nil {
		t.Fatal(err)
	}
	holds(t, dir, "link.part", "other", "running.part")
	for _, name := range []string{"running.part", "link.part", "other"} {
		if _, err := Create(filepath.Join(dir, name)); !errors.Is(err, fs.ErrExist) {
			t.Errorf("over %s: %v", name, err)
		}
	}
	if info, err := running.Stat(); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}
