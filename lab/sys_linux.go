package lab

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

func mountOverlay(lower, upper, work, root string) error {
	return unix.Mount("overlay", root, "overlay", 0, "lowerdir="+lower+",upperdir="+upper+",workdir="+work)
}

// unmount detaches a busy mount instead of failing: whoever still stands in it keeps it, out of everybody's sight.
func unmount(path string) error {
	err := unix.Unmount(path, unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EBUSY) {
		err = unix.Unmount(path, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH)
	}
	return err
}

// killIf sends SIGKILL to pid if it is still the process that ours knows. The
// descriptor pins the process, so a number used again is never hit.
func killIf(pid int, ours func(int) bool) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if !ours(pid) {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

// inNetns runs fn on a thread of its own inside a network namespace. Sockets
// that fn opens stay in that namespace. fn must not start goroutines.
func inNetns(path string, fn func() error) error {
	return inNamespace(path, unix.CLONE_NEWNET, "net", fn)
}

// inNamespace runs fn on a thread inside a namespace. That is never the main thread: it cannot be ended, and all of
// /proc/self is what the main thread sees, so that a process whose main thread were left behind in a host's namespace
// would take that host's mounts for the machine's.
func inNamespace(path string, kind int, name string, fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // not unlocked on failure: the thread then ends with the goroutine
		if unix.Gettid() == unix.Getpid() {
			done <- inNamespace(path, kind, name, fn) // on another thread, as this one is taken
			runtime.UnlockOSThread()
			return
		}
		done <- onThread(path, kind, name, fn)
	}()
	return <-done
}

// onThread runs fn on this thread, which is locked, inside a namespace, and unlocks it where it is back afterwards.
func onThread(path string, kind int, name string, fn func() error) error {
	back, err := os.Open("/proc/thread-self/ns/" + name)
	if err != nil {
		return err
	}
	defer back.Close()
	to, err := os.Open(path)
	if err != nil {
		return err
	}
	defer to.Close()
	if kind == unix.CLONE_NEWNS {
		// A thread that shares its root and directory with others may not change
		// mount namespaces; unshared, it can never be given back.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return err
		}
	}
	if err := unix.Setns(int(to.Fd()), kind); err != nil {
		return fmt.Errorf("enter %s: %w", path, err)
	}
	err = fn()
	if kind != unix.CLONE_NEWNS && unix.Setns(int(back.Fd()), kind) == nil {
		runtime.UnlockOSThread()
	}
	return err
}

// mountInto makes what is mounted at src appear at dst inside the mount namespace of process pid.
func mountInto(pid int, src, dst string) error {
	fd, err := unix.OpenTree(unix.AT_FDCWD, src, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fmt.Errorf("clone mount %s: %w", src, err)
	}
	defer func() { _ = unix.Close(fd) }()
	return inNamespace(fmt.Sprintf("/proc/%d/ns/mnt", pid), unix.CLONE_NEWNS, "mnt", func() error {
		return unix.MoveMount(fd, "", unix.AT_FDCWD, dst, unix.MOVE_MOUNT_F_EMPTY_PATH)
	})
}

func deviceOf(path string) (string, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev)), nil
}
