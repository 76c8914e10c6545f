package apply

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// localHolder runs the lock's script with this machine's shell and flock, as a process that stands for a session on a
// host.
type localHolder struct {
	t   *testing.T
	dir string
	cmd *exec.Cmd
}

func (h *localHolder) Hold(ctx context.Context, script string) (string, <-chan struct{}, func() error, error) {
	local := strings.Replace(script, "dir=/run/clusterup ", "dir='"+h.dir+"' ", 1)
	if local == script {
		h.t.Fatal("the script does not use /run/clusterup")
	}
	h.cmd = exec.CommandContext(ctx, "/bin/sh", "-c", local)
	stdin, err := h.cmd.StdinPipe()
	if err != nil {
		return "", nil, nil, err
	}
	stdout, err := h.cmd.StdoutPipe()
	if err != nil {
		return "", nil, nil, err
	}
	if err := h.cmd.Start(); err != nil {
		return "", nil, nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil { // it ended without a word
		return "", nil, nil, errors.Join(err, h.cmd.Wait())
	}
	lost := make(chan struct{})
	go func() {
		_ = h.cmd.Wait() // however it ended, the lock is gone
		close(lost)
	}()
	release := func() error {
		select {
		case <-lost: // not for certain caught, but never wrongly so
			h.t.Errorf("after %q the script did not stay", line)
		default:
		}
		stdin.Close()
		<-lost
		return nil
	}
	return strings.TrimSuffix(line, "\n"), lost, release, nil
}

func acquire(t *testing.T, dir string, owner Owner, wait time.Duration) (*Lock, *localHolder, error) {
	t.Helper()
	h := &localHolder{t: t, dir: dir}
	lock, err := Acquire(t.Context(), "prod", []string{"etcd-1"}, map[string]Holder{"etcd-1": h}, owner, wait)
	if err == nil {
		err = lock.Missing["etcd-1"]
	}
	return lock, h, err
}

// Two real processes: the second one learns who has the lock, and gets it once the first has given it up.
func TestLockScript(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	first, _, err := acquire(t, dir, somebody, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := mode(t, dir); got != "0700" {
		t.Errorf("the lock's directory has mode %s", got)
	}
	_, _, err = acquire(t, dir, Owner{User: "ben"}, 0)
	var locked *LockedError
	if !errors.As(err, &locked) || locked.Owner != somebody || locked.Host != "etcd-1" {
		t.Fatalf("error %v, want locked by %s", err, somebody)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	second, _, err := acquire(t, dir, Owner{User: "ben"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	left := ownerFile(t, dir)
	if err := second.Release(); err != nil {
		t.Fatal(err)
	}
	if now := ownerFile(t, dir); now == left || now != letGo+left {
		t.Errorf("after the lock was let go its file says %q, and before it said %q", now, left)
	}
}

// ownerFile is what the lock's file says of who has it, or had it last.
func ownerFile(t *testing.T, dir string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "prod.owner"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(raw), "\n")
}

// A look counts only if nobody has held the lock since, and if who held it before had let it go by then.
func TestLockSince(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	take := func(user string) (*Lock, *localHolder) {
		lock, holder, err := acquire(t, dir, Owner{User: user}, 10*time.Second) // what a killed shell ran may end after it
		if err != nil {
			t.Fatal(err)
		}
		return lock, holder
	}
	check := func(lock *Lock, looked string, want bool) {
		t.Helper()
		if got := lock.Since("etcd-1", looked); got != want || lock.Since("etcd-2", looked) {
			t.Errorf("a look that saw %q: %t, want %t", looked, got, want)
		}
	}
	bare := ownerFile(t, dir)
	first, _ := take("ann")
	check(first, bare, true)
	during := ownerFile(t, dir)
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	after := ownerFile(t, dir)
	second, holder := take("ben")
	check(second, bare, false)
	check(second, during, false)
	check(second, after, true)
	if err := holder.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-second.Lost
	killed := ownerFile(t, dir)
	third, _ := take("ann")
	check(third, after, false)
	check(third, killed, false)
	if err := third.Release(); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "prod.owner"), "") // whoever held it was cut off while it wrote, or the disk was full
	fourth, _ := take("ben")
	check(fourth, bare, false)
	if err := fourth.Release(); err != nil {
		t.Fatal(err)
	}
}

// A lock falls with the process that holds it, however that dies.
func TestLockFallsWithItsOwner(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	first, holder, err := acquire(t, dir, somebody, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-first.Lost:
	case <-time.After(10 * time.Second):
		t.Fatal("the loss is not noticed within 10 s")
	}
	second, _, err := acquire(t, dir, Owner{User: "ben"}, 10*time.Second) // its child may end a moment later
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Release(); err != nil {
		t.Fatal(err)
	}
}

// Who stands in line gets the lock as soon as it is free.
func TestLockWait(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	first, _, err := acquire(t, dir, somebody, 0)
	if err != nil {
		t.Fatal(err)
	}
	type outcome struct {
		lock *Lock
		err  error
	}
	got := make(chan outcome)
	go func() {
		h := &localHolder{t: t, dir: dir}
		lock, err := Acquire(t.Context(), "prod", []string{"etcd-1"}, map[string]Holder{"etcd-1": h}, Owner{User: "ben"},
			time.Minute)
		got <- outcome{lock, err}
	}()
	inLine(t, dir)
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	select {
	case o := <-got:
		if o.err != nil {
			t.Fatal(o.err)
		}
		if err := o.lock.Release(); err != nil {
			t.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("no lock within 30 s of its being free")
	}
}

// inLine waits until a process waits for the lock, as the kernel tells it.
func inLine(t *testing.T, dir string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if open := holdersOf(t, dir+"/prod.lock"); open >= 2 {
			return
		}
		select {
		case <-deadline:
			t.Fatal("nobody stood in line within 30 s")
		case <-tick.C:
		}
	}
}

// holdersOf counts the flock processes and holders that have a file open.
func holdersOf(t *testing.T, file string) int {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/fd/9")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == file {
			count++
		}
	}
	return count
}

// A host on which the lock cannot be taken at all says so, and is not taken for a busy one.
func TestLockScriptFails(t *testing.T) {
	dir := put(t, t.TempDir()+"/file", "in the way")
	_, _, err := acquire(t, dir, somebody, 0)
	if err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("error %v, want one that is not %v", err, ErrLocked)
	}
}
