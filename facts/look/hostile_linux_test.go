package look

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/lines/linestest"
)

// A stranger who names a file on a host forges no line of the answer.
func TestScriptHostileNames(t *testing.T) {
	for name, shell := range linestest.Shells() {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			forged := "x\nsystemd\t0\nmissing\ttar\nend"
			r.put(t, r.ask.DataDir+"/"+forged, "")
			r.put(t, r.ask.DataDir+"/a\\nb\x1b[2K\xff", "")
			r.put(t, r.ask.ConfigDir+"/trust-peer-1\nintact\tpeer.pem", "bundle")
			r.put(t, r.ask.ConfigDir+"/trust-peer-\x1b]0;x\a.pem", "bundle")
			r.put(t, r.ask.ConfigDir+"/back\\slash", "")
			r.put(t, r.ask.ConfigDir+"/tls/peer-1/cert.pem", "")
			target := "peer-1\nintact\tpeer\\"
			if err := os.Symlink(target, r.ask.ConfigDir+"/tls/peer"); err != nil {
				t.Fatal(err)
			}
			binary := r.put(t, r.release+"/3.6.16-1\nboot\tx/etcd", "binary")
			h := r.lookLoosely(t, shell...)
			// One in the directory of configuration; a release, and the file in it.
			if len(h.Unread) != 3 || !strings.Contains(h.Unread[0], `a file called "trust-peer-1\nintact\tpeer.pem" in `) {
				t.Errorf("not read: %q", h.Unread)
			}
			if got := h.Data.Entries; len(got) != 2 || !slices.Contains(got, forged) ||
				!slices.Contains(got, "a\\nb\x1b[2K\xff") {
				t.Errorf("entries %q", got)
			}
			if len(h.Leaves) > 0 || h.Files[r.ask.ConfigDir+"/tls/peer"].Target != target {
				t.Errorf("leaves %v, link %+v", h.Leaves, h.Files[r.ask.ConfigDir+"/tls/peer"])
			}
			if string(h.Files[r.ask.ConfigDir+"/trust-peer-\x1b]0;x\a.pem"].Content) != "bundle" ||
				h.Files[r.ask.ConfigDir+`/back\slash`].Kind != facts.Regular {
				t.Errorf("files %+v", h.Files)
			}
			if h.Binaries[binary] != digest("binary") {
				t.Errorf("binaries %v", h.Binaries)
			}
		})
	}
}

// A process that calls itself what it likes is a listener of that name, and no other.
func TestScriptHostileListener(t *testing.T) {
	if _, err := exec.LookPath("ss"); err != nil {
		t.Skip("no ss")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	program, err := os.ReadFile("/bin/sleep")
	if err != nil {
		t.Fatal(err)
	}
	for name, sees := range map[string]string{
		"a\nend": "", "a\tb": "a\tb", `etcd",pid=1,`: "", "a b": "a b",
		"a\\n": `a\n`,
	} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, program, 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), file, "600")
		cmd.ExtraFiles = []*os.File{socket}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		r := newRoom(t)
		r.ask.Ports = []int{listener.Addr().(*net.TCPAddr).Port}
		h := r.lookLoosely(t, "/bin/sh")
		if len(h.Sockets) != 1 || h.Sockets[0].Process != sees && h.Sockets[0].Process != "look.test" {
			t.Errorf("%q: %+v, not read %q", name, h.Sockets, h.Unread)
		}
		cmd.Process.Kill()
		cmd.Wait()
	}
}

func TestScriptAndParserAgree(t *testing.T) {
	linestest.Agree(t, shared+script, kinds, "clock", "file", "free")
}

func write(t *testing.T, file string, flags int, text string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY|flags, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// A link ends where readlink says, whatever stat makes of it.
func TestScriptLinks(t *testing.T) {
	for name, shell := range linestest.Shells() {
		t.Run(name, func(t *testing.T) {
			r := roomIn(t.TempDir() + "/plain")
			r.put(t, r.ask.ConfigDir+"/tls/peer-1/cert.pem", "")
			ends := map[string]string{
				"peer": "peer-1", "spaces": "a b  c", "quote": "it's", "quotes": `"it's"`, "arrow": "a -> b", "arrows": "a' -> 'b",
				"lines": "peer-1\nlink\tpeer", "back": `\n\x41`, "letters": "ä", "control": "\x1b[2K", "pattern": "*", "empty": "''",
				"x' -> 'y": "z", "x -> y": "z",
			}
			for link, end := range ends {
				if err := os.Symlink(end, r.ask.ConfigDir+"/tls/"+link); err != nil {
					t.Fatal(err)
				}
			}
			h := r.look(t, shell...)
			for link, end := range ends {
				if got := h.Files[r.ask.ConfigDir+"/tls/"+link]; got.Target != end || got.Kind != facts.Link {
					t.Errorf("%q ends at %q, want %q", link, got.Target, end)
				}
			}
		})
	}
}
