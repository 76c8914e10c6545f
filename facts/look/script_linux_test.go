package look

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/lines/linestest"
	"github.com/clusterup/clusterup/shellword"
)

// room is a place on this machine that the script looks at instead of the usual one. Its paths are as awkward as paths
// can be.
type room struct {
	ask     facts.Ask
	release string
	env     []string // nil: as it is
	systemd string   // a directory that stands for systemd's; empty: as it is
	dpkg    string   // a directory that stands for that of packages' scripts; empty: as it is
	units   string   // a directory that stands for that of units; empty: as it is
	unread  []string // what of the answer cannot be read
}

func newRoom(t *testing.T) room {
	t.Helper()
	return roomIn(filepath.Join(t.TempDir(), "it's a $(touch /nowhere) room"))
}

func roomIn(root string) room {
	ask := facts.Ask{
		Unit: "no-such-unit-of-clusterup", ConfigDir: root + "/etc/etcd/x", DataDir: root + "/data dir",
		Ports: []int{1},
	}
	return room{ask: ask, release: root + "/opt/etcd"}
}

func (r room) put(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// look runs the script with a shell, as it would run on a host, and expects to read all of the answer but r.unread.
func (r room) look(t *testing.T, shell ...string) facts.Host {
	t.Helper()
	h := r.lookLoosely(t, shell...)
	if strings.Join(h.Unread, "\n") != strings.Join(r.unread, "\n") {
		t.Errorf("not read: %q, want %q", h.Unread, r.unread)
	}
	return h
}

func (r room) lookLoosely(t *testing.T, shell ...string) facts.Host {
	t.Helper()
	text := r.script(t)
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("the script does not end"))
	defer cancel()
	cmd := exec.CommandContext(ctx, shell[0], shell[1:]...)
	cmd.Stdin, cmd.Env = strings.NewReader(text), r.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what it waits for is ended with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v, %v: %s", err, context.Cause(ctx), &stderr)
	}
	h, err := parseHost(r.ask, out)
	if err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	return h
}

// script is what a host would be sent, for the room.
func (r room) script(t *testing.T) string {
	t.Helper()
	text := Script(r.ask)
	usual := fmt.Sprintf("rel='%s'\n", facts.ReleaseDir)
	if !strings.Contains(text, usual) {
		t.Fatalf("the script does not look into %s", facts.ReleaseDir)
	}
	text = strings.Replace(text, usual, "rel="+shellword.Quote(r.release)+"\n", 1)
	if r.systemd != "" {
		text = strings.ReplaceAll(text, "/run/systemd/system", r.systemd)
	}
	if r.dpkg != "" {
		text = strings.ReplaceAll(text, "/var/lib/dpkg/info/", r.dpkg+"/")
	}
	if r.units != "" {
		text = strings.ReplaceAll(text, "/etc/systemd/system/", r.units+"/")
	}
	return text
}

// Of a text as long as what systemd says of a unit, dash needs a tenth of a second to cut off what comes before a word.
func TestScriptCutsNoLongText(t *testing.T) {
	if cut := regexp.MustCompile(`\$\{(shown|stats|asked|used)[#%]`).FindString(shared + script + nodeScript); cut != "" {
		t.Errorf("%s… takes the square of its length", cut)
	}
}

func TestScriptInEveryShell(t *testing.T) {
	for name, shell := range linestest.Shells() {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			if h := r.look(t, shell...); h.Arch == "" || h.BootID == "" || h.Memory == 0 || h.Rooms["data"].Free == 0 ||
				len(h.Rooms) != 3 || h.Ways["/"].Kind != facts.Dir || len(h.Files) > 4 || h.Data.Exists {
				t.Errorf("an empty room: %+v", h)
			}
			r.ask.Owner = r.put(t, r.ask.ConfigDir+".owner", `ended {"doing":"a\\tb"}`+"\n")
			if h := r.look(t, shell...); h.Run != `ended {"doing":"a\\tb"}` {
				t.Errorf("the last run says %q", h.Run)
			}
			wal := r.put(t, r.ask.DataDir+"/member/wal/0-0.wal", "no log")
			r.put(t, r.ask.DataDir+"/.hidden", "")
			bundle := r.put(t, r.ask.ConfigDir+"/trust-peer-1.pem", "bundle")
			key := r.put(t, r.ask.ConfigDir+"/key.pem", "secret")
			binary := r.put(t, r.release+"/3.6.16-1/etcd", "binary")
			h := r.look(t, shell...)
			if string(h.Files[bundle].Content) != "bundle" || h.Files[bundle].Mode != 0o755 || h.Files[key].Content != nil ||
				h.Files[key].Kind != facts.Regular {
				t.Errorf("files: %+v", h.Files)
			}
			if !h.Data.WAL || !cmp.Equal(h.Data.Entries, []string{"member", ".hidden"}) {
				t.Errorf("data with %s: %+v", wal, h.Data)
			}
			if h.Binaries[binary] != digest("binary") {
				t.Errorf("binaries: %v", h.Binaries)
			}
		})
	}
}

func TestScriptSymlinkToLeaf(t *testing.T) {
	r := newRoom(t)
	dir := r.ask.ConfigDir + "/tls/peer-1"
	r.put(t, dir+"/cert.pem", "no certificate")
	r.put(t, dir+"/key.pem", "key")
	r.put(t, dir+"/sums", digest("no certificate")+"  cert.pem\n"+digest("key")+"  key.pem\n")
	if err := os.Symlink("peer-1", r.ask.ConfigDir+"/tls/peer"); err != nil {
		t.Fatal(err)
	}
	h := r.look(t, "/bin/sh")
	if link := h.Files[r.ask.ConfigDir+"/tls/peer"]; link.Kind != facts.Link || link.Target != "peer-1" {
		t.Errorf("link: %+v", link)
	}
	if len(h.Leaves) != 0 {
		t.Errorf("leaves: %+v", h.Leaves)
	}
}

// A pipe in the place of any file holds nobody up: nobody may ever write to it.
func TestScriptPipes(t *testing.T) {
	r := newRoom(t)
	r.ask.V2Log = true
	r.units = filepath.Join(t.TempDir(), "units")
	server, peer := r.ask.ConfigDir+"/tls/server", r.ask.ConfigDir+"/tls/peer"
	r.put(t, server+"/cert.pem", "certificate")
	r.put(t, server+"/sums", digest("certificate")+"  cert.pem\n"+digest("key")+"  key.pem\n")
	key := server + "/key.pem"
	binary := r.put(t, r.release+"/3.6.16-1/etcd", "binary")
	r.put(t, r.units+"/etcd-x.service", "ExecStart="+binary)
	pipes := []string{
		key, peer + "/cert.pem", peer + "/key.pem", peer + "/sums", r.ask.ConfigDir + "/born.json",
		r.ask.ConfigDir + "/trust-peer-1.pem",
		r.ask.ConfigDir + "/revoked-clients.crl", r.release + "/3.6.16-1/manifest", r.release + "/3.6.16-2/etcd",
		r.release + "/3.6.16-3/manifest",
		r.units + "/a.service", r.units + "/no-such-unit-of-clusterup.service", r.ask.DataDir + "/member/wal/0-0.wal",
		r.ask.DataDir + "/member/snap/1.snap",
	}
	for _, pipe := range pipes {
		if err := os.MkdirAll(filepath.Dir(pipe), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, shell := range linestest.Shells() {
		h := r.look(t, shell...)
		if h.Files[key].Kind == facts.Regular || h.Binaries[binary] != digest("binary") || len(h.Binaries) != 1 ||
			len(h.InUse) != 1 {
			t.Errorf("%s: a host of pipes: %+v", name, h)
		}
	}
}

// A host without some of the tools says so, and still answers.
func TestScriptMissingTools(t *testing.T) {
	r := newRoom(t)
	bin := t.TempDir()
	for _, tool := range []string{
		"cat", "sed", "date", "uname", "stat", "base64", "tr", "df", "dirname", "cut",
		"readlink", "head", "sha256sum",
	} {
		real, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(real, filepath.Join(bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	r.env = []string{"PATH=" + bin}
	h := r.look(t, "/bin/sh")
	for _, tool := range []string{"tar", "gzip", "getent", "flock"} {
		if !slices.Contains(h.Missing, tool) {
			t.Errorf("%s is not missed: %q", tool, h.Missing)
		}
	}
	if slices.Contains(h.Missing, "stat") || h.Arch == "" {
		t.Errorf("missing %q, architecture %q", h.Missing, h.Arch)
	}
}

// A binary is believed to be what its manifest says only while it is the same, untouched file.
func TestScriptManifest(t *testing.T) {
	const lie = "00000000000000000000000000000000000000000000000000000000000000aa"
	tests := map[string]struct {
		alter func(t *testing.T, file string)
		want  string
	}{
		// The digest is a lie, so that it shows where it comes from.
		"untouched": {func(*testing.T, string) {}, lie},
		"appended": {func(t *testing.T, file string) {
			t.Helper()
			write(t, file, os.O_APPEND, "!")
		}, digest("binary!")},
		"overwritten with as many bytes": {func(t *testing.T, file string) {
			t.Helper()
			write(t, file, 0, "BINARY")
		}, digest("BINARY")},
		"overwritten, and its time set back": {func(t *testing.T, file string) {
			t.Helper()
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			write(t, file, 0, "BINARY")
			if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
				t.Fatal(err)
			}
		}, digest("BINARY")},
		"replaced": {func(t *testing.T, file string) {
			t.Helper()
			write(t, file+".new", os.O_CREATE, "BINARY")
			if err := os.Rename(file+".new", file); err != nil {
				t.Fatal(err)
			}
		}, digest("BINARY")},
		"its mode changed": {func(t *testing.T, file string) {
			t.Helper()
			if err := os.Chmod(file, 0o777); err != nil {
				t.Fatal(err)
			}
		}, digest("binary")},
		"manifest gone": {func(t *testing.T, file string) {
			t.Helper()
			if err := os.Remove(filepath.Dir(file) + "/manifest"); err != nil {
				t.Fatal(err)
			}
		}, digest("binary")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			file := r.put(t, r.release+"/3.6.16-1/etcd", "binary")
			out, err := exec.CommandContext(t.Context(), "stat", "-c", "%s %i %.9Z", file).Output()
			if err != nil {
				t.Fatal(err)
			}
			r.put(t, r.release+"/3.6.16-1/manifest", lie+" "+strings.TrimSpace(string(out))+" etcd\n")
			tick(t, r.release)
			test.alter(t, file)
			if got := r.look(t, "/bin/sh").Binaries[file]; got != test.want {
				t.Errorf("digest %s, want %s", got, test.want)
			}
		})
	}
}

// tick waits until the file system's clock, which is coarse, has moved on.
func tick(t *testing.T, dir string) {
	t.Helper()
	file := filepath.Join(dir, "tick")
	var first time.Time
	for range 1_000_000 {
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if first.IsZero() {
			first = info.ModTime()
		}
		if !info.ModTime().Equal(first) {
			os.Remove(file)
			return
		}
	}
	t.Fatal("the file system's clock stands still")
}

// Law 8: looking writes nothing, not even a time of change.
func TestScriptWritesNothing(t *testing.T) {
	r := newRoom(t)
	r.put(t, r.ask.DataDir+"/member/wal/0-0.wal", "no log")
	r.put(t, r.ask.ConfigDir+"/tls/peer/cert.pem", "no certificate")
	r.put(t, r.release+"/3.6.16-1/etcd", "binary")
	top := filepath.Dir(filepath.Dir(r.release))
	list := func() string {
		out, err := exec.CommandContext(t.Context(), "find", top, "-printf", `%p\t%i\t%s\t%C@\t%T@\t%m\n`).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	before := list()
	for _, shell := range linestest.Shells() {
		r.look(t, shell...)
	}
	if diff := cmp.Diff(before, list()); diff != "" {
		t.Errorf("the script changed something:\n%s", diff)
	}
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// TestScriptPackages: scripts of packages that delete what clusters of before have; a package that keeps it, or none,
// is not named.
func TestScriptPackages(t *testing.T) {
	const deletes = "#!/bin/sh\nset -e\nif [ \"$1\" = \"purge\" ]; then\n\tdeluser --system etcd || true\n\trm -rf /var/lib/etcd || true\nfi\n"
	for name, shell := range linestest.Shells() {
		r := newRoom(t)
		r.dpkg = t.TempDir()
		if h := r.look(t, shell...); h.Packages != nil {
			t.Errorf("%s: no package, and %q", name, h.Packages)
		}
		r.put(t, r.dpkg+"/etcd-server.postrm", deletes)
		r.put(t, r.dpkg+"/etcd.postrm", "#!/bin/sh\necho /var/lib/etcd is kept")
		if h := r.look(t, shell...); !cmp.Equal(h.Packages, []string{"etcd-server"}) {
			t.Errorf("%s: %q", name, h.Packages)
		}
	}
}
