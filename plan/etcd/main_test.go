package etcd

import (
	"os"
	"runtime/debug"
	"testing"
)

// The walks make much that lives for a moment only: memory is cleared less often than it would be by itself.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	debug.SetMemoryLimit(2 << 30)
	os.Exit(m.Run())
}
