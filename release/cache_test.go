package release

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/durable"
)

func TestResolveSideBySide(t *testing.T) {
	s := fakeMirror(t, amd64, 200_000)
	src := s.source(t)
	src.SHA256 = map[string]string{"amd64": hexOf(s.archive)}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			a, err := Resolve(t.Context(), src, amd64.version, amd64.arch)
			if err != nil || a.SHA256 != hexOf(s.archive) {
				t.Errorf("resolve: %v", err)
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff([]string{amd64.file()}, s.seen()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestResolveWaitsForAnotherRun(t *testing.T) {
	s := fakeMirror(t, amd64, 100)
	src := s.source(t)
	c := cache{src.CacheDir}
	dir := c.folder(digest{Hex: hexOf(s.archive)})
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	held, err := durable.Lock(t.Context(), filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Resolve(ctx, src, amd64.version, amd64.arch); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while another run downloads: %v", err)
	}
	held.Unlock()
	requireWhole(t, resolve(t, src, amd64), s.archive)
}

// TestResolveReadsNoKnownArchive proves that a run believes the record of an earlier one: it repeats a mark put there.
func TestResolveReadsNoKnownArchive(t *testing.T) {
	s := fakeMirror(t, amd64, 100)
	src := s.source(t)
	path := writeTemp(t, "mine.tar.gz", s.archive)
	c := cache{src.CacheDir}
	local := src
	local.Archives = map[string]string{"": path}
	for _, tt := range []struct {
		name   string
		src    Source
		record string
	}{
		{"cache", src, c.record(digest{Hex: hexOf(s.archive)})},
		{"local", local, c.localRecord(path)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := resolve(t, tt.src, amd64)
			mark := hexOf([]byte("mark"))
			edit(t, tt.record, func(r *record) { r.Binaries["etcd"] = Binary{SHA256: mark} })
			got := resolve(t, tt.src, amd64)
			if got.Binaries["etcd"].SHA256 != mark {
				t.Error("the archive was read again")
			}
			if got.Path != a.Path || got.Size != int64(len(s.archive)) { // which no record has to say
				t.Errorf("by its record it is %s, %d bytes", got.Path, got.Size)
			}
			now := time.Now()
			if err := os.Chtimes(a.Path, now, now); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(a.Binaries, resolve(t, tt.src, amd64).Binaries); diff != "" {
				t.Errorf("the touched archive was not read again (-want +got):\n%s", diff)
			}
			edit(t, tt.record, func(r *record) { r.Rules, r.Binaries["etcd"] = r.Rules-1, Binary{SHA256: mark} })
			requireWhole(t, resolve(t, tt.src, amd64), s.archive)
		})
	}
}

func edit(t *testing.T, path string, change func(*record)) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	change(&r)
	if text, err = json.Marshal(r); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestResolveMendsCache(t *testing.T) {
	s := fakeMirror(t, amd64, 100)
	src := s.source(t)
	a := resolve(t, src, amd64)
	st, err := os.Stat(a.Path)
	if err != nil {
		t.Fatal(err)
	}
	bad := append([]byte(nil), s.archive...)
	bad[len(bad)/2] ^= 1
	f, err := os.OpenFile(a.Path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(bad); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Close(), os.Chtimes(a.Path, st.ModTime(), st.ModTime())); err != nil {
		t.Fatal(err)
	}

	if _, err := a.Open(); !errors.As(err, new(*mismatchError)) {
		t.Errorf("open an archive that changed: %v", err)
	}
	requireWhole(t, resolve(t, src, amd64), s.archive)

	// A record of nonsense is no harm.
	if err := os.WriteFile(cache{src.CacheDir}.record(digest{Hex: hexOf(s.archive)}), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	requireWhole(t, resolve(t, src, amd64), s.archive)
}
