package lab

import (
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Work in another namespace is never done on the main thread: a thread that has been in a mount namespace is thrown
// away, and the main one would stay there, with all that /proc/self says.
func TestNamespacesKeepOffTheMainThread(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("entering a namespace needs root")
	}
	for range 50 {
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				err := inNamespace("/proc/self/ns/net", unix.CLONE_NEWNET, "net", func() error {
					if unix.Gettid() == unix.Getpid() {
						t.Error("on the main thread")
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}
