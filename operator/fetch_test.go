package operator

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clusterup/clusterup/download"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/remote"
	"github.com/clusterup/clusterup/snapshot"
)

// sample is a snapshot that etcd wrote.
func sample(t *testing.T, version string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "snapshot", "testdata", "etcd-"+version+".db.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// descriptionOf is what lies beside a snapshot of a cluster.
func descriptionOf(t *testing.T, cluster string, data []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(data)
	raw, err := json.Marshal(facts.SavedSnapshot{
		Path: "../../etc/cron.d/x.db", Cluster: cluster, Version: "3.6.16", Revision: 24, Size: int64(len(data)),
		SHA256: hex.EncodeToString(sum[:]), Taken: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// store serves snapshots over TLS.
type store struct {
	*httptest.Server
	files map[string][]byte
	odd   map[string]http.HandlerFunc // in place of a file

	mu    sync.Mutex
	asked []string
}

func newStore(t *testing.T, files map[string][]byte) *store {
	t.Helper()
	s := &store{files: files, odd: map[string]http.HandlerFunc{}}
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of handshakes that must fail
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.URL.Path)
	s.mu.Unlock()
	if odd := s.odd[r.URL.Path]; odd != nil {
		odd(w, r)
		return
	}
	data, ok := s.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(data)
}

// fetched are the files that were asked for since the last time.
func (s *store) fetched() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.asked = nil }()
	return s.asked
}

// fetching is a session that trusts a store.
func fetching(t *testing.T, s *store) *Session {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	session := &Session{
		Cluster: &inventory.Cluster{Name: "prod", Version: "3.6.16"}, dir: t.TempDir(), Now: time.Now,
		options: Options{
			Dialer: &remote.Dialer{}, Fetching: func(string) func(_, _ int64) { return func(_, _ int64) {} },
		},
	}
	session.fetcher = download.Client{
		HTTP: download.HTTPClient(), Pace: download.Pace{Backoff: time.Millisecond, Idle: 10 * time.Second},
	}
	session.fetcher.HTTP.Transport = s.Client().Transport
	return session
}

// lies are the names of what lies in the directory of a session's snapshots, but what keeps git away.
func lies(t *testing.T, s *Session) []string {
	t.Helper()
	entries, err := os.ReadDir(s.snapshotDir())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != ".gitignore" {
			names = append(names, e.Name())
		}
	}
	return names
}

// A snapshot at a URL comes to lie in the operator directory, once, with its description.
func TestFetch(t *testing.T) {
	data := sample(t, "3.6.16")
	server := newStore(t, map[string][]byte{
		"/b/a.db": data, "/b/a.db.json": descriptionOf(t, "prod", data), "/b/bare.db": data,
		"/c/bare.db": sample(t, "3.5.35"),
	})
	s := fetching(t, server)
	told := int64(0)
	s.options.Fetching = func(string) func(done, total int64) { return func(done, _ int64) { told = done } }
	for _, test := range []struct {
		url, name string
		fetched   []string
	}{
		{"/b/a.db", "a.db", []string{"/b/a.db.json", "/b/a.db"}},
		{"/b/a.db", "a.db", []string{"/b/a.db.json"}}, // its description says that it is there
		{"/b/bare.db", "bare.db", []string{"/b/bare.db.json", "/b/bare.db"}},
		{"/b/bare.db", "bare.db", []string{"/b/bare.db.json", "/b/bare.db"}},
		{"/c/bare.db", "bare-" + digest(sample(t, "3.5.35"))[:8] + ".db", []string{"/c/bare.db.json", "/c/bare.db"}},
	} {
		got, err := s.Locate(t.Context(), server.URL+test.url)
		if err != nil || got.Path != filepath.Join(s.snapshotDir(), test.name) || got.Name() != got.Path {
			t.Fatalf("%s: %+v, %v", test.url, got, err)
		}
		if asked := server.fetched(); !slices.Equal(asked, test.fetched) {
			t.Errorf("%s: it asked for %q, want %q", test.url, asked, test.fetched)
		}
		if _, err := s.CheckSnapshot(got.Path); err != nil {
			t.Error(err)
		}
		if err := got.End(); err != nil {
			t.Error(err)
		}
	}
	if told != int64(len(data)) && told != int64(len(sample(t, "3.5.35"))) {
		t.Errorf("told of %d bytes", told)
	}
	all, err := s.Snapshots()
	if err != nil || len(all) != 1 || all[0].Path != filepath.Join(s.snapshotDir(), "a.db") || all[0].Revision != 24 {
		t.Errorf("listed are %+v, %v", all, err)
	}
	from, err := s.RestoreFrom(t.Context(), server.URL+"/b/a.db?token=secret")
	if err != nil || from.Path != all[0].Path || from.SHA256 != digest(data) {
		t.Errorf("restored from %+v, %v", from, err)
	}
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Each way to get no snapshot has its own words, and leaves nothing.
func TestFetchRefuses(t *testing.T) {
	data := sample(t, "3.6.16")
	files := map[string][]byte{
		"/page.db": []byte("<!doctype html><title>Sign in</title>"), "/altered.db": append([]byte{}, data...),
		"/chunked.db": data[:len(data)/2], "/other.db": data, "/other.db.json": descriptionOf(t, "staging", data),
		"/lied.db": data, "/lied.db.json": descriptionOf(t, "prod", data[:len(data)-1]),
		"/odd.db": data, "/odd.db.json": []byte(`{"error": "no such file, but status 200"}`),
		"/paged.db": data, "/paged.db.json": []byte("<html>no such file, but status 200</html>"),
		"/empty.db": nil, "/long.db": data, "/long.db.json": make([]byte, maxDescription+1),
	}
	files["/altered.db"][len(data)/2] ^= 1
	server := newStore(t, files)
	plain := httptest.NewServer(server)
	defer plain.Close()
	maps.Copy(server.odd, map[string]http.HandlerFunc{
		"/cut.db": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			_, _ = w.Write(data[:len(data)/2])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"/chunked.db": func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush() // so that no length is told
			_, _ = w.Write(data[:len(data)/2])
		},
		"/secret.db": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"/moved.db":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plain.URL+"/a.db", http.StatusFound) },
		"/large.db": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(int64(1)<<60))
		},
		"/broken.db": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
	})
	for path, test := range map[string]struct {
		is   error
		says []string
	}{
		"/no.db":      {download.ErrAbsent, []string{"check the URL"}},
		"/secret.db":  {download.ErrRefused, []string{"403 Forbidden", "token", "give the file"}},
		"/moved.db":   {download.ErrUntrusted, []string{"redirected from https to http"}},
		"/cut.db":     {io.ErrUnexpectedEOF, []string{"unexpected EOF", "run again"}},
		"/broken.db":  {nil, []string{"502 Bad Gateway", "run again"}},
		"/chunked.db": {snapshot.ErrCut, []string{"cut short", "another copy"}},
		"/altered.db": {snapshot.ErrAltered, []string{"altered"}},
		"/page.db":    {snapshot.ErrForeign, []string{"HTML page"}},
		"/empty.db":   {snapshot.ErrForeign, []string{"it is empty"}},
		"/other.db":   {snapshot.ErrOther, []string{"of another cluster: it is of staging, and not of prod"}},
		"/lied.db":    {snapshot.ErrMismatched, []string{"not what its description says"}},
		"/odd.db":     {snapshot.ErrMismatched, []string{"/odd.db.json: ", "describes no snapshot"}},
		"/long.db":    {snapshot.ErrMismatched, []string{"/long.db.json: ", "describes no snapshot", "give the file"}},
		"/large.db":   {errNoRoom, []string{"1099511627776 MB", "free some space"}},
	} {
		t.Run(path, func(t *testing.T) {
			s := fetching(t, server)
			from := strings.Replace(server.URL, "://", "://user:secret@", 1) + path + "?token=secret"
			_, err := s.Locate(t.Context(), from)
			if err == nil || test.is != nil && !errors.Is(err, test.is) || strings.Contains(err.Error(), "=secret") ||
				strings.Contains(err.Error(), "user:") {
				t.Errorf("%v, want %v", err, test.is)
			}
			for _, words := range append(test.says, server.URL+path) {
				if !strings.Contains(fmt.Sprint(err), words) {
					t.Errorf("%v, which does not say %q", err, words)
				}
			}
			if strings.Count(fmt.Sprint(err), server.URL+path) > 1 && path != "/odd.db" && path != "/long.db" {
				t.Errorf("it says the URL twice: %v", err)
			}
			if left := lies(t, s); len(left) != 0 {
				t.Errorf("it left %q", left)
			}
		})
	}
	if l, err := fetching(t, server).Locate(t.Context(), server.URL+"/paged.db"); err != nil || l.Path == "" {
		t.Errorf("a page in place of a description: %+v, %v", l, err)
	}
	s := fetching(t, server)
	s.fetcher.HTTP = nil
	if _, err := s.Locate(t.Context(), server.URL+"/a.db"); !errors.Is(err, download.ErrUntrusted) ||
		!strings.Contains(err.Error(), "SSL_CERT_FILE") {
		t.Errorf("from a server that nobody trusts: %v", err)
	}
	if asked := server.fetched(); slices.Contains(asked, "/other.db") {
		t.Error("a snapshot of another cluster was fetched before it was refused")
	}
}

// A run that is stopped leaves nothing, and is asked for no more.
func TestFetchStopped(t *testing.T) {
	data := sample(t, "3.6.16")
	server := newStore(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	server.odd["/a.db"] = func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(data[:len(data)/2])
		_ = http.NewResponseController(w).Flush()
		cancel()
		<-r.Context().Done()
	}
	s := fetching(t, server)
	if _, err := s.Locate(ctx, server.URL+"/a.db"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if left, asked := lies(t, s), server.fetched(); len(left) != 0 || len(asked) != 2 {
		t.Errorf("it left %q, and asked for %q", left, asked)
	}
}

// Without a cluster, what was fetched goes at the end.
func TestFetchForNobody(t *testing.T) {
	data := sample(t, "3.6.16")
	server := newStore(t, map[string][]byte{"/a.db": data})
	s := fetching(t, server)
	s.Cluster, s.dir = &inventory.Cluster{}, filepath.Join(t.TempDir(), "nowhere")
	got, err := s.Locate(t.Context(), server.URL+"/a.db")
	if err != nil || got.Name() != server.URL+"/a.db" {
		t.Fatalf("%+v, %v", got, err)
	}
	if raw, err := os.ReadFile(got.Path); err != nil || !bytes.Equal(raw, data) {
		t.Error(err)
	}
	if err := got.End(); err != nil {
		t.Error(err)
	}
	for _, path := range []string{got.Path, filepath.Dir(got.Path), s.dir} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there: %v", path, err)
		}
	}
}

func TestCheckSource(t *testing.T) {
	for from, says := range map[string]string{
		"latest": "", "snapshots/a.db": "", "/srv/http:/a.db": "", "https://backup/a.db": "", "file:///srv/a.db": "",
		"file://localhost/srv/a.db":            "",
		"http://u:secret@backup/a.db?t=secret": "http://backup/a.db: over http, anybody on the way",
		"HTTP://backup/a.db":                   "over http, ",
		"s3://bucket/a.db":                     "only https:// and file://",
		"https://":                             "names no file",
		"file://backup/a.db":                   "names no file",
		"https://u:secret@bad host/a.db":       "read the URL of the snapshot",
	} {
		err := CheckSource(from)
		if (err == nil) != (says == "") || !strings.Contains(fmt.Sprint(err), says) && says != "" ||
			strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%s: %v, want %q", from, err, says)
		}
	}
	s := &Session{}
	got, err := s.Locate(t.Context(), "file:///srv/a.db")
	if err != nil || got.Path != "/srv/a.db" || got.Name() != got.Path {
		t.Errorf("%+v, %v", got, err)
	}
}

// The end of a URL becomes the name of a file, and never a path.
func TestFetchedName(t *testing.T) {
	for from, want := range map[string]string{
		"https://backup/b/2026-a.db.age?x=y": "2026-a.db.age",
		"https://backup":                     "fetched.db", "https://backup/": "fetched.db",
		"https://backup/b/..": "fetched.db", "https://backup/b/%2e%2e": "fetched.db", "https://backup/.hidden": "fetched.db",
		"https://backup/a%2F..%2F..%2Fx.db": "x.db", "https://backup/a%0Ab": "fetched.db",
		"https://backup/" + strings.Repeat("x", 300): "fetched.db",
	} {
		u, err := sourceURL(from)
		if err != nil {
			t.Fatal(err)
		}
		if got := fetchedName(u); got != want {
			t.Errorf("%s: %q, want %q", from, got, want)
		}
	}
}
