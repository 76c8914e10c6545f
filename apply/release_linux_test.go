package apply

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
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

// archive packs files as etcd's releases are packed.
func archive(t *testing.T, files map[string]string) string {
	t.Helper()
	return archiveIn(t, "etcd-v3.6.16-linux-amd64/", files)
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
			script := unpackRelease(smallRelease(), dir, "prod")
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
				put(t, dir+archiveSuffix("prod"), good)
				_ = shell(t, partly)
				halfway(t, dir, before, partly)
				put(t, dir+archiveSuffix("prod"), good) // as an upload does, where it is not there any more
				if err := shell(t, script); err != nil {
					t.Fatalf("%v, after\n%s", err, partly)
				}
				unpacked(t, dir, partly)
				if _, err := os.Stat(dir + archiveSuffix("prod")); err == nil {
					t.Fatal("the archive is still there")
				}
			}
		})
	}
}

// TestUnpackRepacked takes an archive whose names begin with "./", and tells of one that holds no release in tar's own words.
func TestUnpackRepacked(t *testing.T) {
	root := t.TempDir()
	dir := root + "/3.6.16-01234567"
	put(t, dir+archiveSuffix("prod"), archiveIn(t, "./etcd-v3.6.16-linux-amd64/", with(contents, "README.md", "more that is in there")))
	if err := shell(t, unpackRelease(smallRelease(), dir, "prod")); err != nil {
		t.Fatal(err)
	}
	unpacked(t, dir, "nothing")
	dir = root + "/3.6.16-89abcdef"
	put(t, dir+archiveSuffix("prod"), archiveIn(t, "else/", contents))
	if err := shell(t, unpackRelease(smallRelease(), dir, "prod")); err == nil || !strings.Contains(err.Error(), "Not found in archive") {
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
			put(t, dir+archiveSuffix("prod"), packed)
			want := []string{"3.6.16-01234567_prod.tar.gz"}
			if exists {
				put(t, dir+"/etcd", "as it was")
				want = []string{"3.6.16-01234567", "3.6.16-01234567_prod.tar.gz"}
			}
			if err := shell(t, unpackRelease(smallRelease(), dir, "prod")); err == nil {
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
	for _, there := range []bool{true, false} {
		root := t.TempDir()
		dir := root + "/3.6.16-01234567"
		if there {
			put(t, dir+archiveSuffix("prod"), archive(t, contents))
			if err := shell(t, unpackRelease(smallRelease(), dir, "prod")); err != nil {
				t.Fatal(err)
			}
		}
		kept := []string{
			"3.5.35-89abcdef/etcd", "3.6.16-01234567_apps.tar.gz", "3.6.16-01234567_eu.prod.tar.gz", "3.7.3-89abcdef_apps.tar.gz.89abcdef.part",
			"3.7.3-89abcdef_prod.tar.gz.tar.gz", "notes.folder/etcd",
		}
		for _, name := range append([]string{
			"3.6.16-01234567.oldold/etcd", "3.7.3-89abcdef.newnew/etcd", "3.6.16-01234567_prod.tar.gz.01234567.part", "3.7.3-89abcdef_prod.tar.gz",
			"3.7.3-89abcdef_prod.tar.gz.89abcdef.part", "3.7.3-89abcdef_prod.tar.gz." + strings.Repeat("0", 24) + ".tmp",
		}, kept...) {
			put(t, root+"/"+name, "x")
		}
		put(t, dir+archiveSuffix("prod"), archive(t, contents))
		if err := shell(t, unpackRelease(smallRelease(), dir, "prod")); err != nil {
			t.Fatal(err)
		}
		unpacked(t, dir, "")
		want := []string{"3.6.16-01234567"}
		for _, name := range kept {
			first, _, _ := strings.Cut(name, "/")
			want = append(want, first)
		}
		slices.Sort(want)
		if got := list(t, root); !slices.Equal(got, want) {
			t.Errorf("left %q", got)
		}
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
			put(t, dir+archiveSuffix(cluster), archive(t, contents))
			script := "echo >" + quote(root+"/"+cluster+".begun") + "\n" + unpackRelease(smallRelease(), dir, cluster)
			go func() { ended <- shell(t, script) }()
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

// Whoever comes second leaves the binaries alone, which a member may run already.
func TestUnpackReleaseAgain(t *testing.T) {
	root := t.TempDir()
	dir := root + "/3.6.16-01234567"
	var before os.FileInfo
	for _, cluster := range []string{"first", "second"} {
		put(t, dir+archiveSuffix(cluster), archive(t, contents))
		if err := shell(t, unpackRelease(smallRelease(), dir, cluster)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(dir + "/etcd")
		if err != nil {
			t.Fatal(err)
		}
		if before != nil && !os.SameFile(before, info) {
			t.Error("etcd was replaced by itself")
		}
		before = info
	}
	if got := list(t, root); !slices.Equal(got, []string{"3.6.16-01234567"}) {
		t.Errorf("left %q", got)
	}
}

// A file system that is too small is not filled, and the words are those that Explain knows.
func TestUnpackReleaseNoRoom(t *testing.T) {
	root := t.TempDir()
	dir := root + "/3.6.16-01234567"
	put(t, dir+archiveSuffix("prod"), archive(t, contents))
	const full = `df() { printf '%s\n' 'Filesystem 1024-blocks Used Available Capacity Mounted on' '/dev/vdb 4096 4093 3 100% /opt'; }
`
	err := shell(t, full+unpackRelease(smallRelease(), dir, "prod"))
	if err == nil || !strings.Contains(err.Error(), "no room to unpack the release on /opt: 1 MiB needed, 0 MiB free") {
		t.Fatalf("error %v", err)
	}
	if why := explain(fullSignatures, []string{err.Error()}); why == nil || !strings.HasPrefix(why.Remedy, "make room on /opt") {
		t.Errorf("explained as %+v", why)
	}
	if got := list(t, root); !slices.Equal(got, []string{"3.6.16-01234567_prod.tar.gz"}) {
		t.Errorf("left %q", got)
	}
}
