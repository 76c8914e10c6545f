package balancer

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

func findHAProxy(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("CLUSTERUP_HAPROXY"), "haproxy", "/usr/sbin/haproxy"} {
		if binary, err := exec.LookPath(name); err == nil {
			return binary
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("there is no haproxy, which is no reason to skip in CI")
	}
	t.Skip("there is no haproxy")
	return ""
}

// render is HAProxy's configuration in a file of this test, with the user of this test in place of Debian's.
func render(t *testing.T, n Node) (path string) {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("\tuser haproxy\n", "\tuser "+me.Username+"\n", "\tgroup haproxy\n",
		"\tgroup "+group.Name+"\n", " group haproxy ", " group "+group.Name+" ").Replace(string(HAProxy(n).Data))
	path = filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestHAProxyAgrees(t *testing.T) {
	binary := findHAProxy(t)
	for name, n := range nodes {
		t.Run(name, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), binary, "-c", "-f", render(t, n)).CombinedOutput()
			if err != nil || strings.Contains(string(out), "[WARNING]") || strings.Contains(string(out), "[ALERT]") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
