package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pkg/sftp"
	"golang.org/x/sys/unix"

	"github.com/clusterup/clusterup/shellword"
)

// TestMain makes this binary an sftp-server when a test's server starts it as one.
func TestMain(m *testing.M) {
	if os.Getenv("REMOTE_TEST_SFTP") != "" {
		if err := serveSFTP(); err != nil && !errors.Is(err, io.EOF) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func serveSFTP() error {
	server, err := sftp.NewServer(struct {
		io.Reader
		io.WriteCloser
	}{os.Stdin, os.Stdout})
	if err != nil {
		return err
	}
	return server.Serve()
}

// sftpServer is a command that speaks SFTP and notes that it was started.
func sftpServer(t *testing.T) (file, note string) {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file, note = filepath.Join(dir, "sftp-server"), filepath.Join(dir, "note")
	script := fmt.Sprintf("#!/bin/sh\necho started >> %s\nREMOTE_TEST_SFTP=1 exec %s\n", shellword.Quote(note),
		shellword.Quote(self))
	if err := os.WriteFile(file, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return file, note
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

// lanes are the ways that content can take.
var lanes = []struct {
	name string
	sudo bool
	set  func(*server)
	sftp bool // that secrets take
}{
	{"root", false, nil, false},
	{"sudo", true, fakeSudo(""), false},
	{"sudo that logs its input", true, loggingSudo, true},
	{"sudo that logs its input, one session", true, func(s *server) { loggingSudo(s); s.maxSessions = 1 }, true},
	{"noisy shell", false, func(s *server) { s.prelude = "echo hello; echo hello >&2; umask 0; " }, false},
	{"bash", false, func(s *server) { s.shell = []string{"bash", "--norc", "-c"} }, false},
}

// loggingSudo keeps what it is given to read in a file, as sudo does with log_input.
func loggingSudo(s *server) {
	s.sudoLog = filepath.Join(s.t.TempDir(), "log")
	fakeSudo(fmt.Sprintf(`shift 2; export SUDO_COMMAND=x SUDO_UID=%d SUDO_GID=%d; tee %s | "$@"`, os.Getuid(), os.Getgid(),
		shellword.Quote(s.sudoLog)))(s)
}

func putHost(t *testing.T, sudo bool, set func(*server)) (s *server, h *Host, note string) {
	t.Helper()
	c := newClient(t)
	s = startServer(t, c.signer.PublicKey(), func(s *server) {
		if set != nil {
			set(s)
		}
	})
	file, note := sftpServer(t)
	c.dialer.sftpPaths = []string{"/nonexistent/sftp-server", file}
	cfg := c.config(t, s)
	cfg.Sudo = sudo
	return s, c.host(t, cfg), note
}

func TestPut(t *testing.T) {
	for _, lane := range lanes {
		t.Run(lane.name, func(t *testing.T) {
			s, h, note := putHost(t, lane.sudo, lane.set)
			dir := filepath.Join(t.TempDir(), "it's a dir")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			odd := []byte("a\\nb\\\\c\\0101 %s %b 'quoted' \"$x\" `id`\r\n\x00\x01\xff\n\n  \\")
			files := []File{
				{Path: filepath.Join(dir, "key.pem"), Mode: 0o600, Content: []byte("hunter2\n"), Secret: true},
				{Path: filepath.Join(dir, "empty"), Mode: 0o644},
				{Path: filepath.Join(dir, "odd $x"), Mode: 0o755, Content: odd},
				{Path: filepath.Join(dir, `back\slash`), Mode: 0o640, Owner: "root", Group: "root", Content: randomBytes(60_000)},
				{Path: filepath.Join(dir, "theirs"), Mode: 0o640, Owner: "nobody", Content: []byte("x")},
			}
			then := "cat <" + shellword.Quote(files[0].Path) + " >" + shellword.Quote(dir+"/after")
			for range 2 { // the second time over those of the first
				if err := putOne(t.Context(), h, "", files, then); err != nil {
					t.Fatal(err)
				}
				paths := []string{dir + "/after"}
				for _, f := range files {
					paths = append(paths, f.Path)
					matches(t, f)
				}
				slices.Sort(paths)
				onlyThese(t, dir, paths)
			}
			if _, err := os.Stat(note); (err == nil) != lane.sftp {
				t.Errorf("sftp-server started: %v", err == nil)
			}
			if left, err := filepath.Glob("/run/clusterup-????????????????????????"); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
			log, err := os.ReadFile(s.sudoLog)
			if lane.sftp != (err == nil && bytes.Contains(log, []byte("sha256sum"))) || bytes.Contains(log, []byte("hunter2")) {
				t.Errorf("sudo's log (%v) holds a key, or nothing at all:\n%s", err, log)
			}
		})
	}
}

// Without a way past sudo's log, keys are not sent, and other files are.
func TestPutPastALog(t *testing.T) {
	_, h, _ := putHost(t, true, loggingSudo)
	h.dialer.sftpPaths = []string{"/nonexistent/sftp-server"}
	dir := t.TempDir()
	key := File{Path: dir + "/key", Mode: 0o600, Content: []byte("hunter2"), Secret: true}
	err := putOne(t.Context(), h, "", []File{key}, "")
	var e *Error
	if !errors.Is(err, ErrSudo) || !errors.As(err, &e) ||
		!strings.Contains(e.Remedy, "echo 'Defaults:ops !log_input' >>") || !strings.Contains(err.Error(), "logs") {
		t.Errorf("got %v, remedy %q", err, e.Remedy)
	}
	onlyThese(t, dir, nil)
	if err := putOne(t.Context(), h, "", []File{{Path: dir + "/cert", Mode: 0o644, Content: []byte("x")}},
		""); err != nil {
		t.Error(err)
	}
}

// A key that has gone past sudo's log is left nowhere, however early the rest fails.
func TestPutLeavesNothingAside(t *testing.T) {
	dir := t.TempDir()
	key := File{Path: dir + "/key", Mode: 0o600, Content: []byte("hunter2"), Secret: true}
	lost := key
	lost.Path = dir + "/nowhere/key"
	for name, parts := range map[string][]Part{
		"no directory": {{Files: []File{lost}}}, "a script before": {{Files: []File{key}}, {Before: "set -e; false"}},
		"the lock is lost": {{Files: []File{key}}},
	} {
		_, h, _ := putHost(t, true, loggingSudo)
		before, _ := filepath.Glob("/run/clusterup-????????????????????????")
		ctx, asked := t.Context(), 0
		if name == "the lock is lost" { // between the file and the script
			ctx = Checked(ctx, func() error {
				if asked++; asked > 2 {
					return errors.New("fallen")
				}
				return nil
			})
		}
		if _, _, err := h.Put(ctx, parts...); err == nil {
			t.Errorf("%s: no error", name)
		}
		if after, _ := filepath.Glob("/run/clusterup-????????????????????????"); len(after) > len(before) {
			t.Errorf("%s: %q is left", name, after)
		}
		onlyThese(t, dir, nil)
	}
}

// matches checks a file on the host against its description.
func matches(t *testing.T, f File) {
	t.Helper()
	info, err := os.Lstat(f.Path)
	if err != nil {
		t.Error(err)
		return
	}
	content, err := os.ReadFile(f.Path)
	if err != nil {
		t.Error(err)
	}
	owner := uint32(os.Getuid())
	if f.Owner == "nobody" {
		owner = 65534
	}
	if !bytes.Equal(content, f.Content) || info.Mode() != f.Mode || info.Sys().(*syscall.Stat_t).Uid != owner {
		t.Errorf("%s: mode %s, %d bytes, want mode %s, %d bytes", f.Path, info.Mode(), len(content), f.Mode, len(f.Content))
	}
}

// onlyThese checks that nothing else was left in a directory.
func onlyThese(t *testing.T, dir string, paths []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, filepath.Join(dir, e.Name()))
	}
	if d := cmp.Diff(paths, got); d != "" {
		t.Errorf("in %s (-want +got):\n%s", dir, d)
	}
}

func TestPutOverWhatIsThere(t *testing.T) {
	_, h, _ := putHost(t, false, nil)
	dir := t.TempDir()
	write := func(name string, mode fs.FileMode, content string) {
		put(t, filepath.Join(dir, name), []byte(content), mode)
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("wrong mode", 0o666, "wanted")
	write("wrong content", 0o640, "tampered")
	write("target", 0o640, "target")
	if err := os.Symlink("target", filepath.Join(dir, "symlink")); err != nil {
		t.Fatal(err)
	}
	const token = "0123456789abcdef01234567"
	write("missing."+token+".tmp", 0o600, "left by a run that was killed")
	write("another."+token+".tmp", 0o600, "not of these files")
	var files []File
	for _, name := range []string{"wrong mode", "wrong content", "symlink", "missing"} {
		files = append(files, File{Path: filepath.Join(dir, name), Mode: 0o640, Content: []byte("wanted")})
	}
	if err := putOne(t.Context(), h, "", files, ""); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		matches(t, f)
	}
	if target, err := os.ReadFile(dir + "/target"); err != nil || string(target) != "target" {
		t.Errorf("wrote through a link: %q, %v", target, err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.tmp"))
	if d := cmp.Diff([]string{filepath.Join(dir, "another."+token+".tmp")}, left); d != "" || err != nil {
		t.Errorf("temporary files (-want +got): %s%v", d, err)
	}
}

func TestPutFails(t *testing.T) {
	file := func(path string, content []byte) func(string) File {
		return func(dir string) File { return File{Path: dir + path, Mode: 0o644, Content: content} }
	}
	tests := []struct {
		name string
		file func(dir string) File
		set  func(*server)
		kind error
		text string
	}{
		{
			"no directory", file("/missing/x", []byte("x")), nil, errFile,
			"put DIR/missing/x: there is no directory DIR/missing",
		},
		{"a directory in its place", file("/sub", []byte("x")), nil, errFile, "put DIR/sub: a directory is in its place"},
		{"unknown owner", func(dir string) File {
			return File{Path: dir + "/x", Mode: 0o644, Owner: "nobody-here", Group: "root", Content: []byte("x")}
		}, nil, errFile, "cannot give it to nobody-here:"},
		{"digest", file("/x", []byte("x")), brokenDisk, errFile, "another digest"},
		{
			"secret for everybody", func(dir string) File { return File{Path: dir + "/x", Mode: 0o644, Secret: true} }, nil,
			errFile, "lets everybody read it",
		},
		{
			"relative path", func(string) File { return File{Path: "x/../y"} }, nil, errFile,
			`"x/../y" is not a clean absolute path`,
		},
		{"too big", file("/x", make([]byte, fileLimit+1)), nil, errFile, "small files have at most"},
		{
			"file size limit", file("/x", randomBytes(900_000)), func(s *server) { s.prelude = "trap '' XFSZ; ulimit -f 200; " },
			errFile, "put DIR/x: ",
		},
		{
			"file system too small", file("/full/x", randomBytes(900_000)), smallDisk, errNoSpace,
			"put DIR/full/x: no space left on DIR/full",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "dir")
			if err := errors.Join(os.Mkdir(dir, 0o755), os.Mkdir(dir+"/sub", 0o755), os.Mkdir(dir+"/full", 0o755)); err != nil {
				t.Fatal(err)
			}
			_, h, _ := putHost(t, false, func(s *server) {
				if test.set != nil {
					test.set(s)
				}
				s.prelude = strings.ReplaceAll(s.prelude, "DIR", dir)
			})
			good := File{Path: dir + "/a-good-one", Mode: 0o644, Content: []byte("good")}
			err := putOne(t.Context(), h, "", []File{good, test.file(dir)}, "touch "+shellword.Quote(dir+"/after"))
			if err == nil {
				t.Fatal("no error")
			}
			if text := strings.ReplaceAll(err.Error(), dir, "DIR"); !strings.Contains(text, test.text) ||
				!strings.HasPrefix(text, "etcd-1: ") {
				t.Errorf("error %q, want %q", text, test.text)
			}
			if !errors.Is(err, test.kind) {
				t.Errorf("error %v is not %v", err, test.kind)
			}
			onlyThese(t, dir, []string{dir + "/full", dir + "/sub"})
		})
	}
}

// smallDisk gives each session a mount namespace with a file system of 500 KiB at DIR/full.
func smallDisk(s *server) {
	s.shell = []string{"unshare", "--mount", "--map-root-user", "/bin/sh", "-c"}
	if os.Getuid() == 0 {
		s.shell = []string{"unshare", "--mount", "/bin/sh", "-c"}
	}
	s.prelude = "mount -t tmpfs -o size=500k none DIR/full; "
}

// brokenDisk reads something else than was written, as far as sha256sum can tell.
func brokenDisk(s *server) {
	s.shell = []string{"unshare", "--mount", "/bin/sh", "-c"}
	broken := filepath.Join(s.t.TempDir(), "sha256sum")
	put(s.t, broken, []byte("#!/bin/sh\nshift; for f; do echo "+strings.Repeat("ab", 32)+"  $f; done\n"), 0o755)
	s.prelude = "mount --bind " + broken + " /usr/bin/sha256sum; "
}

func TestPutThenFails(t *testing.T) {
	_, h, _ := putHost(t, false, nil)
	f := File{Path: t.TempDir() + "/x", Mode: 0o644, Content: []byte("x")}
	err := putOne(t.Context(), h, "", []File{f}, "echo 'no such unit' >&2; exit 5")
	var e *Error
	if !errors.Is(err, ErrScript) || !errors.As(err, &e) || e.ExitStatus != 5 ||
		err.Error() != "etcd-1: put files: no such unit" {
		t.Errorf("got %v", err)
	}
	matches(t, f)
}

func TestPutBefore(t *testing.T) {
	_, h, _ := putHost(t, false, nil)
	dir := t.TempDir() + "/new"
	f := File{Path: dir + "/x", Mode: 0o600, Content: []byte("x")}
	var e *Error
	if err := putOne(t.Context(), h, "set -eu\necho no >&2; false; mkdir "+shellword.Quote(dir), []File{f},
		""); !errors.As(err, &e) || e.Stderr != "no\n" {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("it went on")
	}
	if err := putOne(t.Context(), h, "set -euCf; umask 0\nmkdir "+shellword.Quote(dir), []File{f},
		`echo "$unset"`); err != nil {
		t.Error(err)
	}
	matches(t, f)
}

// A part that is done stays done when a later one fails. A script that exits early is no success. An error says of
// which part it is.
func TestPutParts(t *testing.T) {
	for name, test := range map[string]struct {
		parts        func(dir string) []Part
		done, failed int
		left         []string
	}{
		"the second ends it well": {func(dir string) []Part {
			return []Part{{Files: []File{{Path: dir + "/a"}}}, {Then: "exit 0"}, {Files: []File{{Path: dir + "/c"}}}}
		}, 1, 1, []string{"/a"}},
		"a new one stays": {func(dir string) []Part {
			return []Part{
				{Files: []File{{Path: dir + "/a", New: true}}, Then: "true"},
				{Files: []File{{Path: dir + "/b", New: true}}, Then: "false"},
				{Files: []File{{Path: dir + "/c", New: true}}},
			}
		}, 1, 1, []string{"/a", "/b"}},
		"too large": {func(dir string) []Part {
			return []Part{
				{Files: []File{{Path: dir + "/a"}}},
				{Files: []File{{Path: dir + "/b", Content: make([]byte, fileLimit+1)}}},
			}
		}, 0, 1, nil},
		"a script before": {func(dir string) []Part {
			return []Part{{Before: "true", Files: []File{{Path: dir + "/a"}}}, {Before: "set -e; false"}}
		}, 0, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, h, _ := putHost(t, false, nil)
			dir := t.TempDir()
			done, failed, err := h.Put(t.Context(), test.parts(dir)...)
			if err == nil || done != test.done || failed != test.failed {
				t.Errorf("%d done, and of %d: %v", done, failed, err)
			}
			var want []string
			for _, name := range test.left {
				want = append(want, dir+name)
			}
			onlyThese(t, dir, want)
		})
	}
}

// The mode of a file is not changed by the defaults that its directory has for new ones.
func TestPutBelowDefaultACL(t *testing.T) {
	_, h, _ := putHost(t, false, nil)
	dir := t.TempDir()
	acl := []byte{2, 0, 0, 0}
	for _, entry := range [][2]byte{{0x01, 7}, {0x04, 5}, {0x20, 0}} { // owner, group, others
		acl = append(acl, entry[0], 0, entry[1], 0, 0xff, 0xff, 0xff, 0xff)
	}
	if err := unix.Setxattr(dir, "system.posix_acl_default", acl, 0); err != nil {
		t.Skipf("no ACL here: %v", err)
	}
	files := []File{{Path: dir + "/cert", Mode: 0o644}, {Path: dir + "/key", Mode: 0o600, Secret: true}}
	if err := putOne(t.Context(), h, "", files, ""); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		matches(t, f)
	}
}

// putOne is a Put of one part.
func putOne(ctx context.Context, h *Host, before string, files []File, then string) error {
	_, _, err := h.Put(ctx, Part{before, files, then})
	return err
}

func put(t *testing.T, file string, content []byte, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(file, content, mode); err != nil {
		t.Fatal(err)
	}
}

// A Put that is stopped before the last step leaves nothing, and no secret content is ever readable by others.
func TestPutStopped(t *testing.T) {
	for pattern, fresh := range map[string]bool{"/key.*.tmp": false, "/key": true} {
		_, h, _ := putHost(t, false, func(s *server) {
			s.shell = []string{"unshare", "--mount", "/bin/sh", "-c"}
			waits := filepath.Join(s.t.TempDir(), "sync")
			put(s.t, waits, []byte("#!/bin/sh\nexec sleep 600\n"), 0o755)
			s.prelude = "umask 0; mount --bind " + waits + " /usr/bin/sync; "
		})
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() {
			ended <- putOne(ctx, h, "", []File{
				{Path: dir + "/cert", Mode: 0o644, Content: []byte("for all"), New: fresh},
				{Path: dir + "/key", Mode: 0o600, Content: []byte("secret"), Secret: true, New: fresh},
			}, "")
		}()
		eventually(t, "the content is there", func() bool {
			found, err := filepath.Glob(dir + pattern)
			if err != nil || len(found) == 0 {
				return false
			}
			info, err := os.Stat(found[0])
			if err != nil || info.Mode() != 0o600 {
				t.Errorf("%v, %v", info, err)
			}
			return info.Size() > 0
		})
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		onlyThese(t, dir, nil)
	}
}

// Somebody who guesses the name of a temporary file gets nothing written through it.
func TestPutMakesItsTemporaryFiles(t *testing.T) {
	_, h, _ := putHost(t, false, nil)
	h.dialer.token = func() string { return strings.Repeat("0", 24) }
	dir := t.TempDir()
	f := File{Path: dir + "/key", Mode: 0o600, Content: []byte("secret")}
	put(t, filepath.Join(dir, "victim"), []byte("precious"), 0o644)
	if err := os.Symlink("victim", f.Path+"."+strings.Repeat("0", 24)+".tmp"); err != nil {
		t.Fatal(err)
	}
	if err := putOne(t.Context(), h, "", []File{f}, ""); !errors.Is(err, errFile) {
		t.Errorf("got %v", err)
	}
	if victim, err := os.ReadFile(filepath.Join(dir, "victim")); err != nil || string(victim) != "precious" {
		t.Errorf("the victim now holds %q, %v", victim, err)
	}
}

func TestScriptsAreClean(t *testing.T) {
	for _, shell := range [][]string{{"dash", "-n"}, {"bash", "--posix", "-n"}, {"busybox", "ash", "-n"}} {
		if _, err := exec.LookPath(shell[0]); err != nil && shell[0] == "busybox" {
			continue
		}
		if out, err := exec.Command(shell[0], append(shell[1:], "sh/held.sh")...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", shell, err, out)
		}
	}
}
