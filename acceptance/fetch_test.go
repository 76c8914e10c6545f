package acceptance

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// fileServer gives the files of a directory over https, where runs reach it.
type fileServer struct {
	*httptest.Server
	ca string // a file with the certificate to trust

	mu     sync.Mutex
	stall  bool // send half of the next snapshot, and no more
	halves chan struct{}
	asked  []string
}

// fileServer serves a directory until the test ends.
func (s *site) fileServer(t *testing.T, dir string) *fileServer {
	t.Helper()
	f := &fileServer{halves: make(chan struct{}, 1)}
	whole := http.FileServer(http.Dir(dir))
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		stall := f.stall && strings.HasSuffix(r.URL.Path, ".db")
		f.stall = f.stall && !stall
		f.asked = append(f.asked, r.URL.Path)
		f.mu.Unlock()
		if !stall {
			whole.ServeHTTP(w, r)
			return
		}
		data, err := os.ReadFile(filepath.Join(dir, filepath.Base(r.URL.Path)))
		if err == nil {
			_, err = w.Write(data[:len(data)/2])
		}
		if err != nil {
			t.Error(err)
		}
		_ = http.NewResponseController(w).Flush()
		f.halves <- struct{}{}
		<-r.Context().Done()
	}))
	listener, err := s.lab.Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	must(t, f.Listener.Close())
	f.Listener, f.Config.ErrorLog = listener, log.New(io.Discard, "", 0) // it tells of handshakes that must fail
	f.StartTLS()
	t.Cleanup(f.Close)
	f.ca = filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(f.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw}), 0o600))
	return f
}

// trusted is the setting with which a run trusts the server.
func (f *fileServer) trusted() string { return "SSL_CERT_FILE=" + f.ca }

// fetched are the snapshots that were asked for since the last time.
func (f *fileServer) fetched() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := slices.DeleteFunc(f.asked, func(path string) bool { return strings.HasSuffix(path, ".json") })
	f.asked = nil
	return asked
}

// trusting starts a run that trusts the server.
func (s *site) trusting(t *testing.T, f *fileServer, args ...string) *process {
	t.Helper()
	return s.launch(t, append([]string{"env", f.trusted(), s.program}, args...)...)
}

// snapshotFetched verifies a snapshot that lies at a URL, with an inventory and without, and kills a run that fetches
// it.
func snapshotFetched(t *testing.T, s *site, file string) {
	there := t.TempDir()
	s.ok(t, "snapshot", "save", "--out", filepath.Join(there, "offsite.db"), file)
	server := s.fileServer(t, there)
	url, here := server.URL+"/offsite.db", filepath.Join(s.snapshotDir(), "offsite.db")
	s.run(t, "snapshot", "verify", url, file).exits(t, 1).says(t, "fetch snapshot: get "+url, "SSL_CERT_FILE")
	s.run(t, "snapshot", "verify", strings.Replace(url, "https", "http", 1), file).exits(t, 2).says(t, "over http")
	server.fetched()

	server.mu.Lock()
	server.stall = true
	server.mu.Unlock()
	p := s.trusting(t, server, "snapshot", "verify", url, file)
	<-server.halves
	until(t, "half a snapshot", func() bool { return len(halves(t, s.snapshotDir())) == 1 })
	s.private(t, halves(t, s.snapshotDir())...)
	must(t, p.cmd.Process.Signal(syscall.SIGKILL))
	<-p.ended
	if _, err := os.Stat(here); !os.IsNotExist(err) {
		t.Errorf("half a snapshot has the name of a whole one: %v", err)
	}
	for range 2 { // the second one finds it here
		s.trusting(t, server, "snapshot", "verify", url, file).wait(t).exits(t, 0).
			says(t, here+" is whole", "of cluster prod")
	}
	if asked := server.fetched(); len(asked) != 2 {
		t.Errorf("it was fetched as %q", asked)
	}
	if left := halves(t, s.snapshotDir()); len(left) != 0 {
		t.Errorf("the killed one left %v", left)
	}
	s.private(t, here, here+".json")
	s.ok(t, "snapshot", "list", file).says(t, "offsite.db")

	s.trusting(t, server, "snapshot", "verify", url).wait(t).exits(t, 0).says(t, url+" is whole", "of cluster prod")
	s.noDrills(t)
}
