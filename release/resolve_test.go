package release

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestResolveMirror(t *testing.T) {
	s := fakeMirror(t, amd64, 1000)
	src := s.source(t)
	var last, total int64
	src.Progress = func(d, t int64) { last, total = d, t }

	requireWhole(t, resolve(t, src, amd64), s.archive)
	if want := int64(len(s.archive)); last != want || total != want {
		t.Errorf("progress ended with %d of %d bytes, want %d", last, total, want)
	}
	if diff := cmp.Diff([]string{sumsName, amd64.file()}, s.seen()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}

	s.Close() // from here on, there is no network
	requireWhole(t, resolve(t, src, amd64), s.archive)

	src.Mirror = "http://elsewhere.invalid"
	src.Pinned = map[string]string{amd64.key(): hexOf(s.archive)}
	requireWhole(t, resolve(t, src, amd64), s.archive)
}

func TestResolveFileMirror(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a mirror")
	data := pack(t, official(amd64, 100))
	for file, text := range map[string][]byte{
		amd64.file(): data,
		sumsName:     []byte(hexOf(data) + " *" + amd64.file() + "\n"),
	} {
		p := filepath.Join(dir, "v"+amd64.version, file)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	src := Source{Mirror: "file://" + strings.ReplaceAll(dir, " ", "%20"), CacheDir: t.TempDir()}
	requireWhole(t, resolve(t, src, amd64), data)

	_, err := Resolve(t.Context(), src, "3.6.15", "amd64")
	if gone := new(notFoundError); !errors.As(err, &gone) || gone.What != sumsName {
		t.Errorf("a version that is not there: %v", err)
	}
}

func TestResolveLocalArchive(t *testing.T) {
	data := pack(t, official(amd64, 100))
	path := writeTemp(t, "mine.tar.gz", data)
	for _, key := range []string{"", "amd64"} {
		src := Source{Archives: map[string]string{key: path}, Mirror: "http://elsewhere.invalid", CacheDir: t.TempDir()}
		requireWhole(t, resolve(t, src, amd64), data)
	}
	requireWhole(t, resolve(t, Source{Archives: map[string]string{"": path}}, amd64), data) // no cache folder

	tests := []struct {
		name string
		src  Source
		want func(error) bool
	}{
		{"missing", Source{Archives: map[string]string{"": path + ".gone"}}, isType[*notFoundError]},
		{"folder", Source{Archives: map[string]string{"": filepath.Dir(path)}}, isType[*fs.PathError]},
		{"pinned to another", Source{
			Archives: map[string]string{"": path},
			Pinned:   map[string]string{amd64.key(): hexOf(nil)},
		}, isType[*mismatchError]},
		{
			"another wanted",
			Source{Archives: map[string]string{"": path}, SHA256: map[string]string{"amd64": hexOf(nil)}},
			isType[*mismatchError],
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Resolve(t.Context(), tt.src, amd64.version, amd64.arch)
			if !tt.want(err) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestResolveMismatch(t *testing.T) {
	other := hexOf([]byte("another archive"))
	tests := []struct {
		name   string
		change func(*server, *Source)
		source string
	}{
		{FromLock, func(_ *server, src *Source) { src.Pinned = map[string]string{amd64.key(): other} }, FromLock},
		{
			"inventory", func(_ *server, src *Source) { src.SHA256 = map[string]string{"amd64": strings.ToUpper(other)} },
			FromInventory,
		},
		{sumsName, func(s *server, _ *Source) {
			s.serveSums([]byte(other + "  " + amd64.file() + "\n"))
		}, "URL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := fakeMirror(t, amd64, 100)
			src := s.source(t)
			tt.change(s, &src)
			_, err := Resolve(t.Context(), src, amd64.version, amd64.arch)
			var got *mismatchError
			if !errors.As(err, &got) {
				t.Fatalf("error %v, want a mismatch", err)
			}
			want := &mismatchError{
				What: s.URL + "/etcd/v3.6.16/" + amd64.file(), Want: other, Got: hexOf(s.archive),
				Source: tt.source,
			}
			if tt.source == "URL" {
				want.Source = s.URL + "/etcd/v3.6.16/" + sumsName
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
			if !strings.Contains(err.Error(), other) || !strings.Contains(err.Error(), hexOf(s.archive)) {
				t.Errorf("the text does not name both digests: %v", err)
			}
			requireNoFiles(t, src.CacheDir, "*.tar.gz", "partial", "*.json")
		})
	}
}

// requireNoFiles checks that no file below dir matches.
func requireNoFiles(t *testing.T, dir string, patterns ...string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		for _, p := range patterns {
			if ok, _ := filepath.Match(p, filepath.Base(path)); ok {
				t.Errorf("left behind: %s", path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestResolveInventoryAgainstLock(t *testing.T) {
	src := Source{
		Mirror: "http://elsewhere.invalid", CacheDir: t.TempDir(),
		SHA256: map[string]string{"amd64": hexOf([]byte("new"))},
		Pinned: map[string]string{amd64.key(): hexOf([]byte("old"))},
	}
	_, err := Resolve(t.Context(), src, amd64.version, amd64.arch)
	var got *mismatchError
	if !errors.As(err, &got) || got.Want != hexOf([]byte("old")) || got.Got != hexOf([]byte("new")) ||
		got.Source != FromLock {
		t.Errorf("error %v, want a mismatch with the lock", err)
	}
}

func TestResolveRefusesInput(t *testing.T) {
	for _, tt := range []struct{ version, arch, sum, mirror, want string }{
		{version: "v3.6.16", arch: "amd64", want: "without a leading v"},
		{version: "3.6.16/../../x", arch: "amd64", want: "3.6.16"},
		{version: "", arch: "amd64", want: "3.6.16"},
		{version: "3.6.16", arch: "sparc", want: "amd64, arm64"},
		{version: "3.6.16", arch: "amd64", sum: "abc", want: "64 hex digits"},
		{version: "3.6.16", arch: "amd64", mirror: "ftp://x/y", want: "https://HOST/PATH"},
		{version: "3.6.16", arch: "amd64", mirror: "/srv/mirror", want: "file:///PATH"},
		{version: "3.6.16", arch: "amd64", mirror: "http://user:secret@%zz", want: "https://HOST/PATH"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			src := Source{Mirror: tt.mirror, CacheDir: t.TempDir(), SHA256: map[string]string{"amd64": tt.sum}}
			_, err := Resolve(t.Context(), src, tt.version, tt.arch)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one that says %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

func TestResolveSums(t *testing.T) {
	s := fakeMirror(t, amd64, 100)
	src := s.source(t)
	for _, tt := range []struct{ name, text, want string }{
		{"entry missing", strings.Repeat("a", 64) + "  etcd-v3.6.16-linux-arm64.tar.gz\n", amd64.file()},
		{"no digest", "nonsense  " + amd64.file() + "\n", "nonsense"},
		{
			"two digests", strings.Repeat("a", 64) + "  " + amd64.file() + "\n" + strings.Repeat("b", 64) + "  " + amd64.file(),
			"two digests",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.serveSums([]byte(tt.text))
			_, err := Resolve(t.Context(), src, amd64.version, amd64.arch)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), sumsName) {
				t.Errorf("error %v, want one that names %s and %s", err, tt.want, sumsName)
			}
		})
	}
	t.Run("missing", func(t *testing.T) {
		s.serveSums(nil)
		_, err := Resolve(t.Context(), src, amd64.version, amd64.arch)
		if gone := new(notFoundError); !errors.As(err, &gone) || !strings.Contains(err.Error(), "release.sha256") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("not needed", func(t *testing.T) {
		src.SHA256 = map[string]string{"amd64": hexOf(s.archive)}
		requireWhole(t, resolve(t, src, amd64), s.archive)
	})
}

func TestBinaryChangedInPlace(t *testing.T) {
	a := &Archive{
		Version: amd64.version, Arch: amd64.arch, Path: writeTemp(t, "a.tar.gz", pack(t, official(amd64, 100))),
		Binaries: map[string]Binary{"etcd": {SHA256: hexOf(nil)}},
	}
	r, err := a.Binary("etcd")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := hashOf(r); !errors.As(err, new(*mismatchError)) {
		t.Errorf("read other bytes than were verified: %v", err)
	}
	if _, err := a.Binary("etcdctl"); !errors.As(err, new(*notFoundError)) {
		t.Errorf("a program that is not there: %v", err)
	}
}

func TestCacheDir(t *testing.T) {
	for _, tt := range []struct{ xdg, home, want string }{
		{"/var/tmp/c", "/home/a", "/var/tmp/c/clusterup"},
		{"relative", "/home/a", "/home/a/.cache/clusterup"},
		{"", "/home/a", "/home/a/.cache/clusterup"},
		{"", "", ""},
	} {
		env := func(string) string { return tt.xdg }
		if got := CacheDir(env, tt.home); got != tt.want {
			t.Errorf("CacheDir(%q, %q) = %q, want %q", tt.xdg, tt.home, got, tt.want)
		}
	}
}
