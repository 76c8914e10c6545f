package acceptance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// cfssl is the program, built from the version of the library that go.mod has, and kept where the other pinned tools
// are.
var cfssl = sync.OnceValues(func() (string, error) {
	const module = "github.com/cloudflare/cfssl"
	caches, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	version, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("find the version of %s: %w", module, err)
	}
	dir := filepath.Join(caches, "clusterup", "tools")
	if out, err := exec.Command("../tools/install", dir, "cfssl", module+"/cmd/cfssl",
		strings.TrimSpace(string(version))).CombinedOutput(); err != nil {
		return "", fmt.Errorf("install cfssl: %w\n%s", err, out)
	}
	return filepath.Join(dir, "cfssl"), nil
})

// caServer is a cfssl serve on the operator's machine.
type caServer struct {
	url  string
	stop func()
}

// serveCA has a cfssl serve sign with dir/NAME.pem and dir/NAME.key: only what comes with the auth key, as its profile
// etcd says, and for an hour otherwise. Where there is a dir/NAME-tls.pem with its key, it listens with that.
func serveCA(t *testing.T, s *site, dir, name, port, authKey string) caServer {
	t.Helper()
	program, err := cfssl()
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`{
  "signing": {
    "default": {"auth_key": "ops", "usages": ["signing", "client auth"], "expiry": "1h"},
    "profiles": {"etcd": {"auth_key": "ops", "usages": ["signing", "server auth", "client auth"], "expiry": "8760h"}}
  },
  "auth_keys": {"ops": {"type": "standard", "key": %q}}
}`, authKey)
	file := filepath.Join(dir, name+".json")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(dir, name)
	argv := []string{
		program, "serve", "-address", "127.0.0.1", "-port", port, "-ca", base + ".pem", "-ca-key",
		base + ".key", "-config", file,
	}
	server := caServer{url: "http://127.0.0.1:" + port}
	if _, err := os.Stat(base + "-tls.pem"); err == nil {
		server.url = "https://127.0.0.1:" + port
		argv = append(argv, "-tls-cert", base+"-tls.pem", "-tls-key", base+"-tls.key")
	}
	p, stop := s.serve(t, argv...)
	server.stop = stop
	until(t, "cfssl to listen on port "+port, func() bool {
		select {
		case <-p.ended:
			t.Fatalf("cfssl serve ended: %v\n%s", p.err, p.stderr)
		default:
		}
		out, err := s.lab.Command(t.Context(), "ss", "-Hltn", "sport = :"+port).Output()
		return err == nil && len(out) > 0
	})
	return server
}
