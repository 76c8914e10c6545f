package apply

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/shellword"
)

// contents are those of a small release.
var contents = map[string]string{"etcd": "the server", "etcdctl": "the client", "etcdutl": "the tool"}

func smallRelease() plan.Release {
	r := plan.Release{Version: "3.6.16", Arch: "amd64", SHA256: "0123456789abcdef", Binaries: map[string]string{}}
	for name, text := range contents {
		r.Binaries[name] = sum(text)
	}
	return r
}

// folder is where the binaries lie in etcd's own archives.
const folder = "etcd-v3.6.16-linux-amd64"

// archive packs files as etcd's releases are packed.
func archive(t *testing.T, files map[string]string) string {
	t.Helper()
	return archiveIn(t, folder+"/", files)
}

func archiveIn(t *testing.T, folder string, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		header := &tar.Header{Name: folder + name, Mode: 0o4777, Size: int64(len(files[name])), Uid: 528287, Gid: 89939}
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

// unpack is the script for the small release, in an archive that has so many bytes in it.
func unpack(dir, folder string, size int64) string {
	return unpackRelease(smallRelease(), dir, Archive{Folder: folder, Unpacked: size})
}

// feed runs a script with an input, to its end or to where it was killed.
func feed(t *testing.T, script, input string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", asWhoever+script)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
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
			script := unpack(dir, folder, 30)
			tries := []string{script}
			if len(before) != 2 { // where one is missing is no different from where one is altered
				tries = append(tries, killed(script)...)
			}
			for _, partly := range tries {
				if err := errors.Join(os.RemoveAll(root), os.MkdirAll(root, 0o755)); err != nil {
					t.Fatal(err)
				}
				for name, text := range before {
					put(t, dir+"/"+name, text)
				}
				_ = feed(t, partly, good)
				halfway(t, dir, before, partly)
				if err := feed(t, script, good); err != nil {
					t.Fatalf("%v, after\n%s", err, partly)
				}
				unpacked(t, dir, partly)
				if got := list(t, root); len(got) != 1 {
					t.Fatalf("left %q, after\n%s", got, partly)
				}
			}
		})
	}
}

// TestUnpackOpenSSL: openssl saves time where it is there and says what it should; sha256sum has the last word.
func TestUnpackOpenSSL(t *testing.T) {
	for name, openssl := range map[string]string{
		"none":         "command() { return 1; }",
		"broken":       "openssl() { return 1; }",
		"says nothing": "openssl() { :; }",
		"another form": "openssl() { sha256sum etcd etcdctl etcdutl; }",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir() + "/3.6.16-01234567"
			script := openssl + "\n" + strings.ReplaceAll(unpack(dir, folder, 30), "exec openssl", "openssl")
			if err := feed(t, script, archive(t, contents)); err != nil {
				t.Fatal(err)
			}
			unpacked(t, dir, name)
			if err := feed(t, script, archive(t, with(contents, "etcd", "altered"))); err != nil {
				t.Errorf("the release is there, and still: %v", err)
			}
			if err := feed(t, strings.ReplaceAll(script, dir, dir+"x"),
				archive(t, with(contents, "etcd", "altered"))); err == nil {
				t.Error("an altered binary was taken")
			}
		})
	}
}

// TestUnpackRepacked takes an archive whose names begin with "./", and tells of one that holds no release in tar's own
// words.
func TestUnpackRepacked(t *testing.T) {
	root := t.TempDir()
	dir := root + "/3.6.16-01234567"
	repacked := archiveIn(t, "./"+folder+"/", with(contents, "README.md", "more that is in there"))
	if err := feed(t, unpack(dir, "./"+folder, 30), repacked); err != nil {
		t.Fatal(err)
	}
	unpacked(t, dir, "nothing")
	err := feed(t, unpack(root+"/3.6.16-89abcdef", folder, 30), archiveIn(t, "else/", contents))
	if err == nil || !strings.Contains(err.Error(), "Not found in archive") {
		t.Errorf("an archive without a release: %v", err)
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
			t.Fatalf("%s: %q, mode %s; manifest\n%s\nafter\n%s", name, read(t, file), mode(t, file), read(t, dir+"/manifest"),
				partly)
		}
	}
	if got := list(t, dir); !slices.Equal(got, []string{"etcd", "etcdctl", "etcdutl", "manifest"}) ||
		mode(t, dir) != "0755" {
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
		"nothing":     "",
	} {
		for _, exists := range []bool{false, true} {
			root := t.TempDir()
			dir := root + "/3.6.16-01234567"
			var want []string
			if exists {
				put(t, dir+"/etcd", "as it was")
				want = []string{"3.6.16-01234567"}
			}
			if err := feed(t, unpack(dir, folder, 30), packed); err == nil {
				t.Errorf("%s: no error", name)
			}
			if got := list(t, root); !slices.Equal(got, want) || exists && read(t, dir+"/etcd") != "as it was" {
				t.Errorf("%s: left %q", name, got)
			}
		}
	}
}

// What killed runs have left in the release directory goes with the next installation; what others are at stays.
func TestUnpackReleaseLeftovers(t *testing.T) {
	root := t.TempDir()
	dir := root + "/3.6.16-01234567"
	kept := []string{"3.5.35-89abcdef/etcd", "3.6.16-01234567_apps.tar.gz", "notes.folder/etcd"}
	for _, name := range append([]string{
		"3.6.16-01234567.unpack/etcd", "3.6.16-01234567.oldold/etcd", "3.7.3-89abcdef.newnew/etcd",
	}, kept...) {
		put(t, root+"/"+name, "x")
	}
	if err := feed(t, unpack(dir, folder, 30), archive(t, contents)); err != nil {
		t.Fatal(err)
	}
	unpacked(t, dir, "")
	if got, want := list(t, root), []string{
		"3.5.35-89abcdef", "3.6.16-01234567", "3.6.16-01234567_apps.tar.gz",
		"notes.folder",
	}; !slices.Equal(got, want) {
		t.Errorf("left %q", got)
	}
}

// Several clusters may install the same release on a host at the same moment: all end well, and with one directory.
func TestUnpackReleaseSideBySide(t *testing.T) {
	for _, before := range []map[string]string{nil, with(contents, "etcd", "altered")} {
		root := t.TempDir()
		dir := root + "/3.6.16-01234567"
		for name, text := range before {
			put(t, dir+"/"+name, text)
		}
		busy, err := os.Open(root)
		if err != nil {
			t.Fatal(err)
		}
		defer busy.Close()
		if err := syscall.Flock(int(busy.Fd()), syscall.LOCK_EX); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error)
		clusters := []string{"a", "b", "c", "d"}
		for _, cluster := range clusters {
			script := "echo >" + shellword.Quote(root+"/"+cluster+".begun") + "\n" + unpack(dir, folder, 30)
			go func() { ended <- feed(t, script, archive(t, contents)) }()
		}
		deadline := time.After(time.Minute)
		for begun := []string{}; len(begun) < len(clusters); begun, _ = filepath.Glob(root + "/*.begun") {
			select {
			case err := <-ended:
				t.Fatalf("one did not wait for its turn: %v", err)
			case <-deadline:
				t.Fatalf("of %q only %q have begun", clusters, begun)
			default:
			}
		}
		busy.Close()
		for range clusters {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		unpacked(t, dir, "")
		if got := list(t, root); len(got) != 1+len(clusters) {
			t.Errorf("left %q", got)
		}
	}
}

// The second to come reads nothing, and leaves the binaries alone, which a member may run already.
func TestUnpackReleaseAgain(t *testing.T) {
	root := t.TempDir()
	dir := root + "/3.6.16-01234567"
	if err := feed(t, unpack(dir, folder, 30), archive(t, contents)); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(dir + "/etcd")
	if err != nil {
		t.Fatal(err)
	}
	if err := feed(t, unpack(dir, folder, 30), "no archive"); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(dir + "/etcd")
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("etcd was replaced by itself, %v", err)
	}
	if got := list(t, root); !slices.Equal(got, []string{"3.6.16-01234567"}) {
		t.Errorf("left %q", got)
	}
}

// A file system that is too small is not filled, and the words are those that Explain knows. One of which df does not
// tell the size is tried.
func TestUnpackReleaseNoRoom(t *testing.T) {
	root := t.TempDir()
	dir := root + "/3.6.16-01234567"
	df := func(free string) string {
		return "df() { printf '%s\\n' 'Filesystem 1024-blocks Used Available Capacity Mounted on' '/dev/vdb 4096 4093 " +
			free + " 100% /opt'; }\n"
	}
	err := feed(t, df("3")+unpack(dir, folder, 3<<10+1), archive(t, contents))
	if err == nil || !strings.Contains(err.Error(), "no room to unpack the release on /opt: 1 MiB needed, 0 MiB free") {
		t.Fatalf("error %v", err)
	}
	if why := explain(fullSignatures, []string{err.Error()}); why == nil ||
		!strings.HasPrefix(why.Remedy, "make room on /opt") {
		t.Errorf("explained as %+v", why)
	}
	if got := list(t, root); len(got) > 0 {
		t.Errorf("left %q", got)
	}
	for _, free := range []string{"3", "-"} {
		if err := feed(t, df(free)+unpack(dir, folder, 3<<10), archive(t, contents)); err != nil {
			t.Errorf("%s free: %v", free, err)
		}
	}
}

// An archive that has changed since it was verified is not sent to its end, and the step fails.
func TestArchiveChanged(t *testing.T) {
	for content, want := range map[string]string{
		"archive": "", "brchive": "has changed",
		"archive and more": "has changed",
	} {
		a := Archive{Input: Input{
			Size: 7,
			Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil },
		}}
		from, err := a.only(sum("archive")).Open()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(from)
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || len(got) >= 7) {
			t.Errorf("%q: read %q, %v", content, got, err)
		}
	}
	broken := errors.New("it is gone")
	a := Archive{Input: Input{Open: func() (io.ReadCloser, error) { return nil, broken }}}
	if _, err := a.only("").Open(); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}
