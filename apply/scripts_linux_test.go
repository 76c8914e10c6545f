package apply

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/clusterup/clusterup/plan"
)

// These tests run the scripts with the shell of this machine, in directories of their own. To give files to root takes root, and to wait
// for the disk shows nothing without a power cut.

const asWhoever = `chown() { [ "$(id -u)" -ne 0 ] || command chown "$@"; }
sync() { for file; do [ -e "$file" ] || return 1; done; }
`

// shell runs a script to its end, or to where it was killed.
func shell(t *testing.T, script string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh")
	cmd.Stdin = strings.NewReader(asWhoever + script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// killed are copies of a script that kill themselves: one before each of its lines that does something.
func killed(script string) []string {
	lines := strings.SplitAfter(script, "\n")
	var copies []string
	sums := regexp.MustCompile("^([0-9a-f]{64}|SUMS|#|fi$|else$|}$)")
	for i, line := range lines {
		if sums.MatchString(line) {
			continue
		}
		copies = append(copies, strings.Join(lines[:i], "")+"kill -KILL $$\n"+strings.Join(lines[i:], ""))
	}
	return copies
}

func me(t *testing.T) (owner, group string) {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		t.Fatal(err)
	}
	return u.Username, g.Name
}

func mode(t *testing.T, name string) string {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%04o", info.Mode().Perm())
}

func TestMakeDirs(t *testing.T) {
	owner, group := me(t)
	root := t.TempDir() + "/it's $(here)"
	paths := []plan.Path{
		{Path: root + "/etc/x", Owner: owner, Group: group, Mode: 0o755},
		{Path: root + "/etc/x/tls", Owner: owner, Group: group, Mode: 0o750},
		{Path: root + "/data/a/b", Owner: owner, Group: group, Mode: 0o700},
	}
	script := makeDirs(paths)
	for _, partly := range append(killed(script), script) {
		if err := os.RemoveAll(root); err != nil {
			t.Fatal(err)
		}
		modes := map[string]string{"/etc": "0755", "/etc/x": "0755", "/etc/x/tls": "0750", "/data/a": "0755", "/data/a/b": "0700"}
		_ = shell(t, "umask 077\n"+partly) // it may well fail
		for name, want := range modes {
			if _, err := os.Stat(root + name); err == nil && mode(t, root+name) != want {
				t.Fatalf("%s was made with mode %s, want %s, by\n%s", name, mode(t, root+name), want, partly)
			}
		}
		if err := shell(t, "umask 077\n"+script); err != nil {
			t.Fatalf("%v, after\n%s", err, partly)
		}
		for name, want := range modes {
			if got := mode(t, root+name); got != want {
				t.Fatalf("%s has mode %s, want %s, after\n%s", name, got, want, partly)
			}
		}
	}
	// A file where a directory belongs is no reason to remove it.
	file := put(t, root+"/file", "precious")
	if err := shell(t, makeDirs([]plan.Path{{Path: file, Owner: owner, Group: group, Mode: 0o700}})); err == nil || read(t, file) != "precious" {
		t.Errorf("error %v, and the file holds %q", err, read(t, file))
	}
}

func TestFixModes(t *testing.T) {
	owner, group := me(t)
	file := put(t, t.TempDir()+"/it's", "x")
	paths := []plan.Path{{Path: file, Owner: owner, Group: group, Mode: 0o640}}
	if err := shell(t, fixModes(paths)); err != nil || mode(t, file) != "0640" {
		t.Errorf("mode %s, %v", mode(t, file), err)
	}
	if err := shell(t, fixModes([]plan.Path{{Path: file + "-missing", Owner: owner, Group: group, Mode: 0o640}})); err == nil {
		t.Error("a missing file is no error")
	}
}

// The link always leads to a whole pair, the old or the new one, and in the end to the new one, with nothing else left.
func TestSwapLeaf(t *testing.T) {
	for _, first := range []bool{true, false} {
		root := filepath.Join(t.TempDir(), "it's tls")
		script := swapLeaf(root+"/peer", "peer-new")
		for _, partly := range append(killed(script), script) {
			if err := os.RemoveAll(root); err != nil {
				t.Fatal(err)
			}
			put(t, root+"/peer-new/cert.pem", "new")
			put(t, root+"/server-other/cert.pem", "another role")
			if !first {
				put(t, root+"/peer-old/cert.pem", "old")
				put(t, root+"/peer-older/cert.pem", "older")
				if err := os.Symlink("peer-old", root+"/peer"); err != nil {
					t.Fatal(err)
				}
			}
			_ = shell(t, partly)
			if got, err := os.ReadFile(root + "/peer/cert.pem"); !first && (err != nil || string(got) != "old" && string(got) != "new") {
				t.Fatalf("the link leads to %q, %v, after\n%s", got, err, partly)
			}
			if err := shell(t, script); err != nil {
				t.Fatalf("%v, after\n%s", err, partly)
			}
			if got := list(t, root); !slices.Equal(got, []string{"peer", "peer-new", "server-other"}) || read(t, root+"/peer/cert.pem") != "new" {
				t.Fatalf("left: %q, after\n%s", got, partly)
			}
		}
	}
}

// A directory where the link belongs is put aside, not removed: somebody may have made it by hand.
func TestSwapLeafDirectory(t *testing.T) {
	root := t.TempDir()
	put(t, root+"/peer-new/cert.pem", "new")
	put(t, root+"/peer/cert.pem", "by hand")
	if err := shell(t, swapLeaf(root+"/peer", "peer-new")); err != nil || read(t, root+"/peer/cert.pem") != "new" {
		t.Fatalf("error %v", err)
	}
	aside, _ := filepath.Glob(root + "/peer.aside.*/cert.pem")
	if len(aside) != 1 || read(t, aside[0]) != "by hand" {
		t.Errorf("aside: %q", aside)
	}
}

// binaries are the contents of a small release.
var contents = map[string]string{"etcd": "the server", "etcdctl": "the client", "etcdutl": "the tool"}

func smallRelease() plan.Release {
	r := plan.Release{Version: "3.6.16", Arch: "amd64", SHA256: "0123456789abcdef", Binaries: map[string]string{}}
	for name, text := range contents {
		r.Binaries[name] = sum(text)
	}
	return r
}

// archive packs files as etcd's releases are packed.
func archive(t *testing.T, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		header := &tar.Header{Name: "etcd-v3.6.16-linux-amd64/" + name, Mode: 0o4777, Size: int64(len(files[name])), Uid: 528287, Gid: 89939}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestUnpackRelease(t *testing.T) {
	good := archive(t, with(contents, "README.md", "more that is in there", "../../evil", "outside"))
	befores := map[string]map[string]string{
		"nothing there":    nil,
		"a binary altered": with(contents, "etcd", "altered", "manifest", sum("the server")+" 7 1 1.000000000 etcd\n"),
		"a binary missing": {"etcd": "the server", "etcdctl": "the client"},
	}
	for name, before := range befores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := filepath.Join(t.TempDir(), "it's opt")
			dir := root + "/3.6.16-01234567"
			script := unpackRelease(smallRelease(), dir, dir+".tar.gz")
			tries := []string{script}
			if len(before) != 2 { // where one is missing is no different from where one is altered
				tries = append(tries, killed(script)...)
			}
			for _, partly := range tries {
				if err := os.RemoveAll(root); err != nil {
					t.Fatal(err)
				}
				for name, text := range before {
					put(t, dir+"/"+name, text)
				}
				put(t, dir+".tar.gz", good)
				_ = shell(t, partly)
				halfway(t, dir, before, partly)
				put(t, dir+".tar.gz", good) // as an upload does, where it is not there any more
				if err := shell(t, script); err != nil {
					t.Fatalf("%v, after\n%s", err, partly)
				}
				unpacked(t, dir, partly)
				if _, err := os.Stat(dir + ".tar.gz"); err == nil {
					t.Fatal("the archive is still there")
				}
			}
		})
	}
}

// halfway: a binary is as it was or as it should be, and a directory that was not there before appears whole.
func halfway(t *testing.T, dir string, before map[string]string, partly string) {
	t.Helper()
	_, err := os.Stat(dir)
	for name, want := range contents {
		got, errRead := os.ReadFile(dir + "/" + name)
		text, was := before[name]
		switch {
		case errRead != nil && was, errRead != nil && before == nil && err == nil:
			t.Fatalf("%s is gone, or not there yet, after\n%s", name, partly)
		case errRead == nil && string(got) != want && string(got) != text:
			t.Fatalf("%s holds %q, after\n%s", name, got, partly)
		}
	}
}

func unpacked(t *testing.T, dir, partly string) {
	t.Helper()
	for name, text := range contents {
		file := dir + "/" + name
		out, err := exec.CommandContext(t.Context(), "stat", "-c", "%s %i %.9Z", file).Output()
		if err != nil {
			t.Fatal(err)
		}
		line := sum(text) + " " + strings.TrimSpace(string(out)) + " " + name + "\n"
		if read(t, file) != text || mode(t, file) != "0755" || !strings.Contains(read(t, dir+"/manifest"), line) {
			t.Fatalf("%s: %q, mode %s; manifest\n%s\nafter\n%s", name, read(t, file), mode(t, file), read(t, dir+"/manifest"), partly)
		}
	}
	if got := list(t, dir); !slices.Equal(got, []string{"etcd", "etcdctl", "etcdutl", "manifest"}) || mode(t, dir) != "0755" {
		t.Fatalf("%q in the directory, mode %s, after\n%s", got, mode(t, dir), partly)
	}
}

// An archive that holds other bytes than those that were verified replaces nothing, and leaves nothing.
func TestUnpackReleaseWrongBytes(t *testing.T) {
	for name, packed := range map[string]string{
		"other bytes": archive(t, with(contents, "etcdutl", "evil")),
		"one missing": archive(t, map[string]string{"etcd": "the server", "etcdctl": "the client"}),
		"cut short":   archive(t, contents)[:60],
		"no archive":  "hello",
	} {
		for _, exists := range []bool{false, true} {
			root := t.TempDir()
			dir := root + "/3.6.16-01234567"
			put(t, dir+".tar.gz", packed)
			want := []string{"3.6.16-01234567.tar.gz"}
			if exists {
				put(t, dir+"/etcd", "as it was")
				want = []string{"3.6.16-01234567", "3.6.16-01234567.tar.gz"}
			}
			if err := shell(t, unpackRelease(smallRelease(), dir, dir+".tar.gz")); err == nil {
				t.Errorf("%s: no error", name)
			}
			if got := list(t, root); !slices.Equal(got, want) || exists && read(t, dir+"/etcd") != "as it was" {
				t.Errorf("%s: left %q", name, got)
			}
		}
	}
}

// What a killed run has left in the release directory goes with the next installation, but not what another run is at.
func TestUnpackReleaseLeftovers(t *testing.T) {
	root := t.TempDir()
	dir := root + "/3.6.16-01234567"
	put(t, dir+".oldold/etcd", "left")
	put(t, dir+".newnew/etcd", "in use")
	busy, err := os.Open(dir + ".newnew")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	if err := syscall.Flock(int(busy.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	put(t, dir+".tar.gz", archive(t, contents))
	if err := shell(t, unpackRelease(smallRelease(), dir, dir+".tar.gz")); err != nil {
		t.Fatal(err)
	}
	if got := list(t, root); !slices.Equal(got, []string{"3.6.16-01234567", "3.6.16-01234567.newnew"}) {
		t.Errorf("left %q", got)
	}
}

func TestQuote(t *testing.T) {
	for _, text := range []string{"", "a b", "it's", `"$(id)"`, "`id`", "\\", "a\nb", "*", "''"} {
		out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", "printf %s "+quote(text)).Output()
		if err != nil || string(out) != text {
			t.Errorf("%q comes out as %q, %v", text, out, err)
		}
	}
}

// Every script reads as a shell reads it.
func TestScriptsParse(t *testing.T) {
	paths := []plan.Path{{Path: "/x y", Owner: "root", Group: "root", Mode: 0o700}}
	for name, script := range map[string]string{
		"createUser": createUser, "makeDirs": makeDirs(paths), "fixModes": fixModes(paths), "unpackRelease": unpackRelease(smallRelease(), "/x", "/y"),
		"swapLeaf": swapLeaf("/x/peer", "peer-1"), "startUnit": startUnit("start", "etcd-x"), "journal": journalScript("etcd-x", 60),
		"lock": lockScript("x", Owner{Doing: "it's"}, 0),
	} {
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-n")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

func put(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func read(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// list are the names in a directory, without those that a killed script leaves under a name that nobody looks at.
func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func sum(text string) string {
	digest := sha256.Sum256([]byte(text))
	return hex.EncodeToString(digest[:])
}

// with is a copy of files with more of them, as pairs of name and text.
func with(files map[string]string, more ...string) map[string]string {
	all := maps.Clone(files)
	for i := 0; i < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	return all
}
