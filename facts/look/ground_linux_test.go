package look

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/lines/linestest"
)

// The way to a member's directories is told in every shell, also behind a link, and with places where nobody can write.
func TestScriptGround(t *testing.T) {
	loopback := netip.MustParseAddr("127.0.0.1")
	for name, shell := range linestest.Shells() {
		r := newRoom(t)
		r.ask.Peers = []netip.Addr{loopback, netip.MustParseAddr("::1")}
		behind := t.TempDir()
		if err := os.Chmod(behind, 0o710); err != nil {
			t.Fatal(err)
		}
		parent := filepath.Dir(r.ask.DataDir)
		if err := os.MkdirAll(filepath.Dir(parent), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(behind, parent); err != nil {
			t.Fatal(err)
		}
		h := r.look(t, shell...)
		room := h.Rooms["data"]
		if room.Dir != parent || room.Size < room.Free || room.Free <= 0 || room.Inodes < room.InodesFree ||
			h.Rooms["opt"].Dir == r.release {
			t.Errorf("%s: rooms are %+v", name, h.Rooms)
		}
		if way := h.Ways[parent]; way.Kind != facts.Dir || way.Mode != 0o710 || way.Owner == "" {
			t.Errorf("%s: ways are %+v", name, h.Ways)
		}
		if _, there := h.Ways[r.ask.DataDir]; there || h.Ways["/etc/systemd"].Kind != facts.Dir || len(h.Sealed) > 0 {
			t.Errorf("%s: ways are %+v, sealed %q", name, h.Ways, h.Sealed)
		}
		if h.Sources[loopback] != loopback {
			t.Errorf("%s: sources are %v", name, h.Sources)
		}
	}
}

// The shell asks the kernel, which knows of mounts that are read-only and of files that nobody may change.
func TestScriptSealed(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may write everywhere else")
	}
	for name, shell := range linestest.Shells() {
		if name == "busybox" { // which takes root's word for it
			continue
		}
		r := newRoom(t)
		r.ask.DataDir = "/proc/sys/fs/binfmt_misc/../clusterup" // /proc/sys lets nobody make a file
		r.ask.ConfigDir = "/sys/kernel/clusterup/x"
		if h := r.look(t, shell...); len(h.Sealed) == 0 {
			t.Logf("%s: sealed %q, near %+v", name, h.Sealed, h.Rooms)
		}
	}
}
