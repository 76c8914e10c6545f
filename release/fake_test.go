package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clusterup/clusterup/download"
)

var amd64 = name{"3.6.16", "amd64"}

// program is the start of an ELF file for arch, and then bytes that do not compress.
func program(arch string, size int, seed uint64) []byte {
	m := machines[arch]
	b := make([]byte, elfHead+size)
	copy(b, elf.ELFMAG)
	b[elf.EI_CLASS], b[elf.EI_DATA] = byte(elf.ELFCLASS64), byte(m.order)
	if m.order == elf.ELFDATA2LSB {
		b[18], b[19] = byte(m.code), byte(m.code>>8)
	} else {
		b[18], b[19] = byte(m.code>>8), byte(m.code)
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := elfHead; i < len(b); i++ {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// entry is one entry of a fake archive; a zero kind is a regular file.
type entry struct {
	name string
	kind byte
	data []byte
	link string
}

// official are the entries of a proper release of n whose programs have size bytes.
func official(n name, size int) []entry {
	es := []entry{{name: n.dir() + "/", kind: tar.TypeDir}, {name: n.dir() + "/README.md", data: []byte("etcd\n")}}
	for i, p := range programs {
		es = append(es, entry{name: n.dir() + "/" + p, data: program(n.arch, size, uint64(i))})
	}
	return es
}

func pack(tb testing.TB, es []entry) []byte {
	tb.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	for _, e := range es {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Mode: 0o755, Size: int64(len(e.data)), Linkname: e.link}
		if e.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := tw.WriteHeader(h); err != nil {
			tb.Fatal(err)
		}
		if _, err := tw.Write(e.data); err != nil {
			tb.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		tb.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func hexOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// server is a mirror with one release, which can be told to misbehave.
type server struct {
	*httptest.Server
	archive []byte
	files   map[string][]byte // path → bytes

	mu       sync.Mutex
	requests []string // "PATH RANGE"
	// first handles the first requests for the archive, one each, instead of the plain answer.
	first []http.HandlerFunc
}

// fakeMirror serves a release of n whose programs have size bytes below /etcd.
func fakeMirror(t *testing.T, n name, size int) *server {
	t.Helper()
	s := &server{archive: pack(t, official(n, size))}
	dir := "/etcd/v" + n.version + "/"
	s.files = map[string][]byte{
		dir + n.file(): s.archive,
		dir + sumsName: fmt.Appendf(nil, "%064x  etcd-other.zip\n%s  %s\n", 1, hexOf(s.archive), n.file()),
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, strings.TrimSpace(path.Base(r.URL.Path)+" "+r.Header.Get("Range")))
	var special http.HandlerFunc
	if strings.HasSuffix(r.URL.Path, ".tar.gz") && len(s.first) > 0 {
		special, s.first = s.first[0], s.first[1:]
	}
	data, ok := s.files[r.URL.Path]
	s.mu.Unlock()
	switch {
	case special != nil:
		special(w, r)
	case !ok:
		http.NotFound(w, r)
	default:
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}
}

// seen are the requests so far.
func (s *server) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// misbehave gives the next requests for the archive to hs, one each.
func (s *server) misbehave(hs ...http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.first = hs
}

// serveSums puts SHA256SUMS in place; nil removes it.
func (s *server) serveSums(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := "/etcd/v" + amd64.version + "/" + sumsName
	s.files[path] = data
	if data == nil {
		delete(s.files, path)
	}
}

// cut sends the first n bytes of the archive and then drops the connection.
func (s *server) cut(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(s.archive)))
		_, _ = w.Write(s.archive[:n])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// source is one that gives up quickly.
func (s *server) source(t *testing.T) Source {
	t.Helper()
	return Source{
		Mirror: s.URL + "/etcd", CacheDir: t.TempDir(),
		pace: download.Pace{Tries: 3, Backoff: time.Millisecond, Idle: 10 * time.Second},
	}
}

func resolve(t *testing.T, src Source, n name) *Archive {
	t.Helper()
	a, err := Resolve(t.Context(), src, n.version, n.arch)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// requireWhole checks that a is the archive with these bytes, and that its programs can be read.
func requireWhole(t *testing.T, a *Archive, want []byte) {
	t.Helper()
	if a.SHA256 != hexOf(want) || a.Size != int64(len(want)) {
		t.Fatalf("resolved %s, %d bytes; want %s, %d bytes", a.SHA256, a.Size, hexOf(want), len(want))
	}
	f, err := a.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatal("the archive's bytes are others than the mirror's")
	}
	for _, p := range programs {
		r, err := a.Binary(p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if b := a.Binaries[p]; hexOf(got) != b.SHA256 || int64(len(got)) != b.Size {
			t.Fatalf("%s is %s, %d bytes; want %+v", p, hexOf(got), len(got), b)
		}
	}
}

func writeTemp(t *testing.T, file string, data []byte) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), file)
	if err := os.WriteFile(p, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}
