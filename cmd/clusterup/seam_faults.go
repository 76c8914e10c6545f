//go:build faults && linux

package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// errInjected is a fault that was asked for.
var errInjected = errors.New("injected fault")

// seam injects one fault: CLUSTERUP_FAULT is "kill POINT", "fail POINT" or "stop POINT", where POINT is what the seam
// is called with, and from the second time on has "@2", "@3", … behind it. CLUSTERUP_FAULT_LIST names a file to which
// every point is appended, a line each.
func seam() func(point string) error {
	verb, target, _ := strings.Cut(os.Getenv("CLUSTERUP_FAULT"), " ")
	list := os.Getenv("CLUSTERUP_FAULT_LIST")
	if target == "" && list == "" {
		return nil
	}
	var mu sync.Mutex
	seen := map[string]int{}
	return func(point string) error {
		mu.Lock()
		defer mu.Unlock()
		seen[point]++
		if n := seen[point]; n > 1 {
			point = fmt.Sprintf("%s@%d", point, n)
		}
		if list != "" {
			if err := appendLine(list, point); err != nil {
				return err
			}
		}
		switch {
		case point != target:
			return nil
		case verb == "fail":
			return fmt.Errorf("%w: %s", errInjected, point)
		case verb == "stop": // until somebody has it go on
			return stopHere()
		default:
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}
}

// apart ends a piece at the point of the fault, each time that the point is passed.
func apart() func(point string) bool {
	_, target, _ := strings.Cut(os.Getenv("CLUSTERUP_FAULT"), " ")
	target, _, _ = strings.Cut(target, "@")
	return func(point string) bool { return point == target }
}

func appendLine(path, line string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := file.WriteString(line + "\n"); err != nil {
		return err
	}
	return file.Close()
}

// stopHere stops this process, and comes back when somebody has it go on. The signal is for this very thread: one for
// the process may be taken by another, and this one would go on for a moment.
func stopHere() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.SIGSTOP)
}
