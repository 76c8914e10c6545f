package remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pkg/sftp"
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
	script := fmt.Sprintf("#!/bin/sh\necho started >> %s\nREMOTE_TEST_SFTP=1 exec %s\n", Quote(note), Quote(self))
	if err := os.WriteFile(file, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return file, note
}

// bytesFile is a File with its content in memory.
func bytesFile(path string, mode fs.FileMode, content []byte) File {
	sum := sha256.Sum256(content)
	return File{
		Path: path, Mode: mode, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
	}
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
	sftp bool
	set  func(*server)
}{
	{"sftp", false, true, nil},
	{"no sftp", false, false, nil},
	{"sftp under sudo", true, true, fakeSudo("")},
	{"one session", false, true, func(s *server) { s.maxSessions = 1 }},
	{"noisy shell", false, true, func(s *server) { s.prelude = "echo hello; echo hello >&2; umask 0; " }},
}

func putHost(t *testing.T, sudo, withSFTP bool, set func(*server)) (s *server, h *Host, note string) {
	t.Helper()
	c := newClient(t)
	s = startServer(t, c.signer.PublicKey(), func(s *server) {
		if set != nil {
			set(s)
		}
	})
	file, note := sftpServer(t)
	c.dialer.sftpPaths = []string{"/nonexistent/sftp-server"}
	if withSFTP {
		c.dialer.sftpPaths = append(c.dialer.sftpPaths, file)
	}
	cfg := c.config(t, s)
	cfg.Sudo = sudo
	return s, c.host(t, cfg), note
}

func TestPut(t *testing.T) {
	for _, lane := range lanes {
		t.Run(lane.name, func(t *testing.T) {
			s, h, note := putHost(t, lane.sudo, lane.sftp, lane.set)
			dir := filepath.Join(t.TempDir(), "it's a dir")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			big := randomBytes(9<<20 + 17)
			files := []File{
				bytesFile(filepath.Join(dir, "key.pem"), 0o600, []byte("secret\n")),
				bytesFile(filepath.Join(dir, "empty"), 0o644, nil),
				bytesFile(filepath.Join(dir, "binary $x"), 0o755, big),
				bytesFile(filepath.Join(dir, "half"), 0o640, randomBytes(600_000)),
			}
			files[0].Secret = true
			var last, total int64
			progress := func(done, all int64) {
				if done < last || done > all {
					t.Errorf("progress went from %d to %d of %d", last, done, all)
				}
				last, total = done, all
			}
			changed, err := h.Put(t.Context(), files, progress)
			if err != nil {
				t.Fatal(err)
			}
			var paths []string
			for _, f := range files {
				paths = append(paths, f.Path)
				matches(t, f)
			}
			slices.Sort(paths)
			if d := cmp.Diff(paths, changed); d != "" {
				t.Errorf("changed (-want +got):\n%s", d)
			}
			if want := int64(len(big) + 600_000 + 7); last != want || total != want {
				t.Errorf("progress ended at %d of %d, want %d", last, total, want)
			}
			onlyThese(t, dir, paths)
			if _, err := os.Stat(note); (err == nil) != (lane.sftp && s.maxSessions == 0) {
				t.Errorf("sftp-server started: %v", err == nil)
			}

			s.input()
			changed, err = h.Put(t.Context(), files, nil)
			if err != nil || len(changed) != 0 {
				t.Errorf("again: changed %v, %v", changed, err)
			}
			if n := s.input(); n > 20_000 {
				t.Errorf("again: %d bytes were sent for nothing", n)
			}
		})
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
	sum := sha256.Sum256(content)
	if hex.EncodeToString(sum[:]) != f.SHA256 || info.Mode() != f.Mode {
		t.Errorf("%s: mode %s, %d bytes, want mode %s, %d bytes", f.Path, info.Mode(), len(content), f.Mode, f.Size)
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

func TestPutMends(t *testing.T) {
	s, h, _ := putHost(t, false, false, nil)
	dir := t.TempDir()
	wanted := func(name string) File { return bytesFile(filepath.Join(dir, name), 0o640, randomBytes(200_000)) }
	content := randomBytes(200_000)
	write := func(name string, mode fs.FileMode, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("right", 0o640, content)
	write("wrong mode", 0o666, content)
	write("wrong content", 0o640, []byte("tampered"))
	write("target", 0o640, content)
	if err := os.Symlink("target", filepath.Join(dir, "symlink")); err != nil {
		t.Fatal(err)
	}
	const token = "0123456789abcdef01234567"
	write("missing."+token+".tmp", 0o600, []byte("left by a run that was killed"))
	write("another."+token+".tmp", 0o600, []byte("not of these files"))
	before, err := os.Stat(filepath.Join(dir, "right"))
	if err != nil {
		t.Fatal(err)
	}
	files := []File{wanted("right"), wanted("wrong mode"), wanted("wrong content"), wanted("symlink"), wanted("missing")}
	changed, err := h.Put(t.Context(), files, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range changed {
		names = append(names, filepath.Base(c))
	}
	if d := cmp.Diff([]string{"missing", "symlink", "wrong content", "wrong mode"}, names); d != "" {
		t.Errorf("changed (-want +got):\n%s", d)
	}
	for _, f := range files {
		matches(t, f)
	}
	after, err := os.Stat(filepath.Join(dir, "right"))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the file that was right was replaced (%v)", err)
	}
	if n := s.input(); n < 600_000 || n > 650_000 {
		t.Errorf("%d bytes were sent, want three files of 200000", n)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.tmp"))
	if d := cmp.Diff([]string{filepath.Join(dir, "another."+token+".tmp")}, left); d != "" || err != nil {
		t.Errorf("temporary files (-want +got): %s%v", d, err)
	}
}

func TestPutFails(t *testing.T) {
	good := func(dir string) File { return bytesFile(filepath.Join(dir, "a-good-one"), 0o644, []byte("good")) }
	tests := []struct {
		name string
		file func(dir string) File
		set  func(*server)
		kind error
		text string
	}{
		{
			name: "no directory", kind: ErrFile, text: "there is no directory DIR/missing",
			file: func(dir string) File { return bytesFile(dir+"/missing/x", 0o644, []byte("x")) },
		},
		{
			name: "a directory in its place", kind: ErrFile, text: "a directory is in its place",
			file: func(dir string) File { return bytesFile(dir+"/sub", 0o644, []byte("x")) },
		},
		{
			name: "unknown owner", kind: ErrFile, text: "cannot give it to nobody-here:",
			file: func(dir string) File {
				f := bytesFile(dir+"/x", 0o644, []byte("x"))
				f.Owner = "nobody-here"
				return f
			},
		},
		{
			name: "digest", kind: ErrFile, text: "what arrived has digest",
			file: func(dir string) File {
				f := bytesFile(dir+"/x", 0o644, []byte("x"))
				f.SHA256 = strings.Repeat("ab", 32)
				return f
			},
		},
		{
			name: "digest of a big file", kind: ErrFile, text: "what arrived has digest",
			file: func(dir string) File {
				f := bytesFile(dir+"/x", 0o644, randomBytes(2<<20))
				f.SHA256 = strings.Repeat("ab", 32)
				return f
			},
		},
		{
			name: "source too short", text: "it is 5 bytes shorter than it said",
			file: func(dir string) File {
				f := bytesFile(dir+"/x", 0o644, []byte("12345"))
				f.Size = 10
				return f
			},
		},
		{
			name: "source cannot be opened", text: "file does not exist",
			file: func(dir string) File {
				f := bytesFile(dir+"/x", 0o644, []byte("12345"))
				f.Open = func() (io.ReadCloser, error) { return nil, fs.ErrNotExist }
				return f
			},
		},
		{
			name: "secret for everybody", kind: ErrFile, text: "lets everybody at it",
			file: func(dir string) File {
				f := bytesFile(dir+"/x", 0o644, []byte("x"))
				f.Secret = true
				return f
			},
		},
		{
			name: "relative path", kind: ErrFile, text: `"x/../y" is not a clean absolute path`,
			file: func(string) File { return bytesFile("x/../y", 0o644, []byte("x")) },
		},
		{
			name: "file size limit", kind: ErrFile, text: "put DIR/x: ", set: func(s *server) { s.prelude = "trap '' XFSZ; ulimit -f 200; " },
			file: func(dir string) File { return bytesFile(dir+"/x", 0o644, randomBytes(900_000)) },
		},
		{
			name: "file system too small", kind: ErrNoSpace, text: "no space left on DIR/full: 3072 KiB needed, ", set: smallDisk(""),
			file: func(dir string) File { return bytesFile(dir+"/full/x", 0o644, randomBytes(3<<20)) },
		},
		{
			name: "file system fills up", kind: ErrNoSpace, text: "no space left on DIR/full: 2048 KiB needed, ",
			// Room was there when it was asked for, and is gone when the content comes.
			set: smallDisk("(until [ -e DIR.go ]; do :; done; ls DIR/full/x.* && { head -c 9000000 /dev/zero > DIR/full/other; : > DIR.full; }) </dev/null >/dev/null 2>&1 & "),
			file: func(dir string) File {
				f := bytesFile(dir+"/full/x", 0o644, randomBytes(2<<20))
				open := f.Open
				f.Open = func() (io.ReadCloser, error) {
					if err := os.WriteFile(dir+".go", nil, 0o600); err != nil {
						return nil, err
					}
					eventually(t, "the disk is full", func() bool { _, err := os.Stat(dir + ".full"); return err == nil })
					return open()
				}
				return f
			},
		},
	}
	for _, test := range tests {
		for _, withSFTP := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/sftp=%t", test.name, withSFTP), func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "dir")
				if err := errors.Join(os.Mkdir(dir, 0o755), os.Mkdir(dir+"/sub", 0o755), os.Mkdir(dir+"/full", 0o755)); err != nil {
					t.Fatal(err)
				}
				_, h, _ := putHost(t, false, withSFTP, func(s *server) {
					if test.set != nil {
						test.set(s)
					}
					s.prelude = strings.ReplaceAll(s.prelude, "DIR", dir)
				})
				changed, err := h.Put(t.Context(), []File{good(dir), test.file(dir)}, nil)
				if err == nil {
					t.Fatal("no error")
				}
				if text := strings.ReplaceAll(err.Error(), dir, "DIR"); !strings.Contains(text, test.text) || !strings.HasPrefix(text, "etcd-1: ") {
					t.Errorf("error %q, want %q", text, test.text)
				}
				if test.kind != nil && !errors.Is(err, test.kind) {
					t.Errorf("error %v is not %v", err, test.kind)
				}
				if len(changed) > 0 {
					t.Errorf("changed %v", changed)
				}
				onlyThese(t, dir, []string{dir + "/full", dir + "/sub"})
			})
		}
	}
}

// smallDisk gives each session a mount namespace with a file system of 2.5 MiB at DIR/full.
func smallDisk(then string) func(*server) {
	return func(s *server) {
		s.shell = []string{"unshare", "--mount", "--map-root-user", "/bin/sh", "-c"}
		if os.Getuid() == 0 {
			s.shell = []string{"unshare", "--mount", "/bin/sh", "-c"}
		}
		s.prelude = "mount -t tmpfs -o size=2500k none DIR/full; " + then
	}
}

func TestPutRemedies(t *testing.T) {
	dir := t.TempDir()
	_, h, _ := putHost(t, false, true, func(s *server) {
		smallDisk("")(s)
		s.prelude = strings.ReplaceAll(s.prelude, "DIR/full", dir)
	})
	_, err := h.Put(t.Context(), []File{bytesFile(dir+"/x", 0o644, randomBytes(3<<20))}, nil)
	var e *Error
	if !errors.As(err, &e) || e.Remedy != "make room on "+dir+", then run again" {
		t.Errorf("got %+v", err)
	}
}

func put(t *testing.T, file string, content []byte, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(file, content, mode); err != nil {
		t.Fatal(err)
	}
}

func TestPutCancelled(t *testing.T) {
	_, h, _ := putHost(t, false, false, nil)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f := bytesFile(filepath.Join(dir, "x"), 0o600, randomBytes(900_000))
	f.Open = func() (io.ReadCloser, error) { cancel(); return io.NopCloser(strings.NewReader("")), nil }
	if _, err := h.Put(ctx, []File{f}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	onlyThese(t, dir, nil)
}

func TestPutModeFromTheFirstByte(t *testing.T) {
	_, h, _ := putHost(t, false, false, func(s *server) { s.prelude = "umask 0; " })
	dir := t.TempDir()
	first := true
	f := bytesFile(filepath.Join(dir, "key"), 0o600, []byte("secret"))
	open := f.Open
	f.Open = func() (io.ReadCloser, error) {
		found, err := filepath.Glob(dir + "/key.*.tmp")
		if err != nil || len(found) != 1 {
			t.Errorf("temporary files: %v, %v", found, err)
		} else if info, err := os.Stat(found[0]); err != nil || info.Mode() != 0o600 {
			t.Errorf("before the first byte: %v, %v", info, err)
		}
		first = false
		return open()
	}
	if _, err := h.Put(t.Context(), []File{f}, nil); err != nil {
		t.Fatal(err)
	}
	if first {
		t.Error("the content was never asked for")
	}
}

func TestScriptsAreClean(t *testing.T) {
	for _, shell := range [][]string{{"dash", "-n"}, {"bash", "--posix", "-n"}} {
		for _, file := range []string{"sh/wrap.sh", "sh/put.sh"} {
			if out, err := exec.Command(shell[0], append(shell[1:], file)...).CombinedOutput(); err != nil {
				t.Errorf("%v %s: %v\n%s", shell, file, err, out)
			}
		}
	}
}
