package release

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/download"
)

// status answers with a code.
func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func TestFetchTriesAgain(t *testing.T) {
	whole := func(s *server) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(s.archive) }
	}
	a := amd64.file()
	tests := []struct {
		name  string
		first func(*server) []http.HandlerFunc
		want  []string
	}{
		{
			"cut twice", func(s *server) []http.HandlerFunc { return []http.HandlerFunc{s.cut(1000), s.cut(0)} },
			[]string{a, a, a},
		},
		{"called gzip-encoded", func(s *server) []http.HandlerFunc {
			return []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				whole(s)(w, r)
			}}
		}, []string{a}},
		{"unavailable", func(*server) []http.HandlerFunc {
			return []http.HandlerFunc{status(http.StatusServiceUnavailable), status(http.StatusTooManyRequests)}
		}, []string{a, a, a}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := fakeMirror(t, amd64, 400_000)
			src := s.source(t)
			src.SHA256 = map[string]string{"amd64": hexOf(s.archive)}
			s.misbehave(tt.first(s)...)
			requireWhole(t, resolve(t, src, amd64), s.archive)
			if diff := cmp.Diff(tt.want, s.seen()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFetchGivesUp(t *testing.T) {
	always := func(h http.HandlerFunc) []http.HandlerFunc { return []http.HandlerFunc{h, h, h, h, h, h} }
	tests := []struct {
		name  string
		first func(*server) []http.HandlerFunc
		want  func(error) bool
		tries int
	}{
		{"cut again and again", func(s *server) []http.HandlerFunc { return always(s.cut(0)) }, isAgain, 3},
		{"unavailable", func(*server) []http.HandlerFunc { return always(status(503)) }, isAgain, 3},
		{"not found", func(*server) []http.HandlerFunc { return always(status(404)) }, isType[*notFoundError], 1},
		{"gone", func(*server) []http.HandlerFunc { return always(status(410)) }, isType[*notFoundError], 1},
		{"forbidden", func(*server) []http.HandlerFunc { return always(status(403)) }, isType[*fetchError], 1},
		{"silent", func(*server) []http.HandlerFunc {
			return always(func(w http.ResponseWriter, r *http.Request) {
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			})
		}, func(err error) bool { return isAgain(err) && errors.Is(err, download.ErrSilent) }, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := fakeMirror(t, amd64, 100)
			src := s.source(t)
			src.SHA256 = map[string]string{"amd64": hexOf(s.archive)}
			src.Mirror = strings.Replace(src.Mirror, "http://", "http://user:secret@", 1) + "?token=secret"
			if tt.name == "silent" { // long enough for a busy machine to get the request through
				src.pace.Idle = time.Second
			}
			s.misbehave(tt.first(s)...)
			_, err := Resolve(t.Context(), src, amd64.version, amd64.arch)
			if !tt.want(err) {
				t.Errorf("error %#v", err)
			}
			if got := len(s.seen()); got != tt.tries {
				t.Errorf("%d requests, want %d", got, tt.tries)
			}
			if strings.Contains(fmt.Sprint(err), "secret") {
				t.Errorf("the error shows the credentials: %v", err)
			}
			requireNoFiles(t, src.CacheDir, "*.tar.gz", "partial")
		})
	}
}

// TestFetchSlow: a server that is slow, but never silent for long, may take longer than it may be silent.
func TestFetchSlow(t *testing.T) {
	s := fakeMirror(t, amd64, 1000)
	src := s.source(t)
	src.pace = download.Pace{Tries: 1, Idle: 2 * time.Second}
	src.SHA256 = map[string]string{"amd64": hexOf(s.archive)}
	s.misbehave(func(w http.ResponseWriter, _ *http.Request) {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for i := range 45 {
			<-tick.C
			_, _ = w.Write(s.archive[i*30 : (i+1)*30])
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = w.Write(s.archive[45*30:])
	})
	start := time.Now()
	requireWhole(t, resolve(t, src, amd64), s.archive)
	if took := time.Since(start); took < src.pace.Idle {
		t.Errorf("the transfer took only %v", took)
	}
}

func isType[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

// isAgain says that trying again later may help.
func isAgain(err error) bool {
	var failed *fetchError
	return errors.As(err, &failed) && failed.again
}

func TestFetchOffline(t *testing.T) {
	s := fakeMirror(t, amd64, 100)
	src := s.source(t)
	s.Close()
	_, err := Resolve(t.Context(), src, amd64.version, amd64.arch)
	if !isAgain(err) || !strings.Contains(err.Error(), "learn the digest") {
		t.Errorf("error %v, want one that says that the digest is not known", err)
	}
}

func TestFetchCancelled(t *testing.T) {
	s := fakeMirror(t, amd64, 100)
	src := s.source(t)
	src.SHA256 = map[string]string{"amd64": hexOf(s.archive)}
	ctx, cancel := context.WithCancel(t.Context())
	s.misbehave(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := Resolve(ctx, src, amd64.version, amd64.arch); !errors.Is(err, context.Canceled) || isAgain(err) {
		t.Errorf("error %v", err)
	}
	if got := len(s.seen()); got != 1 {
		t.Errorf("%d requests after the cancelling", got)
	}
}

func TestFetchRedirect(t *testing.T) {
	s := fakeMirror(t, amd64, 100)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, s.URL+r.URL.Path, http.StatusFound)
	}))
	defer front.Close()
	src := s.source(t)
	src.Mirror = front.URL + "/etcd"
	requireWhole(t, resolve(t, src, amd64), s.archive)
}

func TestFetchTLS(t *testing.T) {
	s := fakeMirror(t, amd64, 100)
	hits := 0
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits++
		http.Redirect(w, r, s.URL+r.URL.Path, http.StatusFound)
	}))
	front.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of the handshake that must fail
	front.StartTLS()
	defer front.Close()
	src := s.source(t)
	src.Mirror = front.URL + "/etcd"

	_, err := Resolve(t.Context(), src, amd64.version, amd64.arch)
	if !isType[*fetchError](err) || isAgain(err) || !strings.Contains(err.Error(), "SSL_CERT_FILE") {
		t.Errorf("a certificate that nobody knows: %v", err)
	}
	src.Client = download.HTTPClient()
	src.Client.Transport = front.Client().Transport
	_, err = Resolve(t.Context(), src, amd64.version, amd64.arch)
	if !strings.Contains(fmt.Sprint(err), "redirected from https to http") || hits != 1 {
		t.Errorf("redirected from https to http: %v (%d requests)", err, hits)
	}
}

func TestFetchTooLarge(t *testing.T) {
	s := fakeMirror(t, amd64, 100)
	s.serveSums(make([]byte, sumsMax+1))
	if _, err := Resolve(t.Context(), s.source(t), amd64.version, amd64.arch); err == nil ||
		!strings.Contains(err.Error(), "more than") {
		t.Errorf("error %v", err)
	}
}

// TestPartial: whatever an earlier run left, the result is whole, and got from the start.
func TestPartial(t *testing.T) {
	s := fakeMirror(t, amd64, 1000)
	for name, left := range map[string][]byte{
		"the beginning": s.archive[:700], "nothing": nil, "something else": []byte("something else"),
		"too much": append(append([]byte(nil), s.archive...), 0),
	} {
		t.Run(name, func(t *testing.T) {
			s := fakeMirror(t, amd64, 1000)
			src := s.source(t)
			src.SHA256 = map[string]string{"amd64": hexOf(s.archive)}
			if err := write(filepath.Join(cache{src.CacheDir}.folder(digest{Hex: hexOf(s.archive)}), "partial"), left,
				0o600); err != nil {
				t.Fatal(err)
			}
			requireWhole(t, resolve(t, src, amd64), s.archive)
			if diff := cmp.Diff([]string{amd64.file()}, s.seen()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			requireNoFiles(t, src.CacheDir, "partial")
		})
	}
}

// TestMain lets the test binary be a run of its own, which can be killed: it resolves CHILD_MIRROR into CHILD_CACHE.
func TestMain(m *testing.M) {
	mirror := os.Getenv("CHILD_MIRROR")
	if mirror == "" {
		os.Exit(m.Run())
	}
	src := Source{
		Mirror: mirror, CacheDir: os.Getenv("CHILD_CACHE"),
		Progress: func(done, _ int64) { fmt.Println("progress", done) },
	}
	a, err := Resolve(context.Background(), src, amd64.version, amd64.arch)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(a.SHA256)
}

func child(t *testing.T, mirror, cacheDir string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), append(env, "CHILD_MIRROR="+mirror, "CHILD_CACHE="+cacheDir)...)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestKilledWhileDownloading(t *testing.T) {
	const sent = 5000
	s := fakeMirror(t, amd64, 100_000)
	s.misbehave(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(s.archive)))
		_, _ = w.Write(s.archive[:sent])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done() // the child's end
	})
	src := s.source(t)
	cmd := child(t, src.Mirror, src.CacheDir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() == fmt.Sprint("progress ", sent) {
			break
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
	requireNoFiles(t, src.CacheDir, "*.tar.gz", "*.json")

	requireWhole(t, resolve(t, src, amd64), s.archive)
	want := []string{sumsName, amd64.file(), sumsName, amd64.file()}
	if diff := cmp.Diff(want, s.seen()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestProxyEnvironment(t *testing.T) {
	s := fakeMirror(t, amd64, 100)
	out, err := child(t, "http://mirror.invalid/etcd", t.TempDir(), "HTTP_PROXY="+s.URL, "http_proxy="+s.URL, "NO_PROXY=",
		"no_proxy=").Output()
	if err != nil || !strings.HasSuffix(string(out), hexOf(s.archive)+"\n") {
		t.Errorf("through a proxy: %v\n%s", err, out)
	}
}
