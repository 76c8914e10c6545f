package lab

import (
	"context"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs (-want +got); -update accepts it:\n%s", file, d)
	}
}

func testSite() site {
	return site{lab: "demo", dir: "/var/lib/clusterup-lab/demo/hosts/etcd-1", hostState: hostState{
		Host:  host("etcd-1", "bookworm", "198.18.0.11", "fdc1:7570::11"),
		Base:  "/var/cache/clusterup/base/bookworm-12345678",
		Disks: []disk{{Path: "/var/lib/etcd", Name: "1"}},
	}}
}

func TestBootArgs(t *testing.T) {
	args := testSite().bootArgs([]string{"/sys/fs/cgroup/unified/clusterup-lab/demo/etcd-1/cgroup.procs"})
	for i, a := range args { // where a tool lies is the machine's business
		if base := filepath.Base(a); base == "nsenter" || base == "systemd-nspawn" {
			args[i] = base
		}
	}
	golden(t, "boot.txt", strings.Join(args, "\n")+"\n")
}

func TestSeedFiles(t *testing.T) {
	all := []Host{testSite().Host, host("etcd-2", "trixie", "198.18.0.12", "fdc1:7570::12")}
	id := identity{machineID: strings.Repeat("ab", 16), hostKey: "KEY\n", hostKeyPub: "PUB\n"}
	var b strings.Builder
	for _, f := range seedFiles(all[0], all, id, "AUTHORIZED\n", "ops") {
		b.WriteString("== " + f.mode.String() + " " + f.path + "\n" + f.data)
	}
	golden(t, "seed.txt", b.String())
}

func TestNetworkScripts(t *testing.T) {
	golden(t, "bridge.txt", bridgeBatch(0, true)+"--\n"+bridgeBatch(0, false))
	a := [2]netip.Addr{netip.MustParseAddr("198.18.0.12"), netip.MustParseAddr("fdc1:7570::12")}
	golden(t, "drop.txt", dropRules("etcd-2", a, true)+"--\n"+dropRules("etcd-2", a, false))
}

func TestPlant(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "shadow")
	if err := os.MkdirAll(filepath.Join(dir, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(outside), filepath.Join(dir, "root")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := plant(root, []file{{path: "root/shadow", mode: 0o600, data: "x"}}); err == nil {
		t.Error("a link out of the root is followed")
	}
	if _, err := os.Stat(outside); err == nil {
		t.Error("a file was written outside of the root")
	}
	key := filepath.Join(dir, "etc/key")
	if err := os.WriteFile(key, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := plant(root, []file{{path: "etc/key", mode: 0o600, data: "new"}}); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(key)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v; want 0600", st.Mode(), err)
	}
}

func TestState(t *testing.T) {
	file := filepath.Join(t.TempDir(), "deep", "x.json")
	if _, err := readState(file); !errors.Is(err, ErrNoLab) {
		t.Errorf("no file: %v, want ErrNoLab", err)
	}
	want := &state{Name: "x", Dir: "/d", User: "ops", Hosts: []hostState{testSite().hostState}}
	if err := want.write(file); err != nil {
		t.Fatal(err)
	}
	got, err := readState(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, addrs); d != "" {
		t.Error(d)
	}
	if left, _ := os.ReadDir(filepath.Dir(file)); len(left) != 1 {
		t.Errorf("temporary files stay: %v", left)
	}
	if err := os.WriteFile(file, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readState(file); err == nil || errors.Is(err, ErrNoLab) {
		t.Errorf("broken file: %v, want an error that is not ErrNoLab", err)
	}
}

func TestMirrorIn(t *testing.T) {
	tests := map[string]string{
		"deb http://ftp.de.debian.org/debian/ bookworm main\n":                              "http://ftp.de.debian.org/debian",
		"deb [arch=amd64] https://m.example/debian sid main\n":                              "https://m.example/debian",
		"# deb http://a.example/debian x main\nTypes: deb\nURIs: http://b.example/debian\n": "http://b.example/debian",
		"URIs: http://deb.debian.org/debian-security\n":                                     "",
		"deb https://packages.example.com/apt sdk main\n":                                   "",
		"deb cdrom:[Debian]/debian bookworm main\n":                                         "",
	}
	for in, want := range tests {
		if got := mirrorIn(in); got != want {
			t.Errorf("mirrorIn(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestBaseNames(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Suites() {
		n := baseName(s)
		if seen[n] || n != baseName(s) || !strings.HasPrefix(n, s+"-") {
			t.Errorf("baseName(%s) = %s", s, n)
		}
		seen[n] = true
	}
}

func TestParseMounts(t *testing.T) {
	const info = `27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
106 105 0:41 / /a\040b rw shared:4 master:1 - tmpfs tmpfs rw,size=1k
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
not a line
`
	want := []mount{
		{"/", "ext4", "rw"},
		{"/a b", "tmpfs", "rw,size=1k"},
		{"/sys/fs/cgroup/systemd", "cgroup", "rw,name=systemd"},
	}
	if d := cmp.Diff(want, parseMounts(info), cmp.AllowUnexported(mount{})); d != "" {
		t.Error(d)
	}
}

func TestTrackers(t *testing.T) {
	hs := []hierarchy{
		{path: "u", v2: true},
		{path: "s", opts: []string{"rw", "name=systemd"}},
		{path: "m", opts: []string{"rw", "memory"}},
	}
	var got []string
	for _, h := range trackers(hs) {
		got = append(got, h.path)
	}
	if d := cmp.Diff([]string{"u", "s"}, got); d != "" {
		t.Error(d)
	}
}

func TestRemoveTreeRefuses(t *testing.T) {
	for _, bad := range []string{"", "/", "/var", "relative/dir", "/var/lib/../x", "/var/lib/"} {
		if err := removeTree(bad); err == nil {
			t.Errorf("removeTree(%q) has no objection", bad)
		}
	}
}

func TestCheckPath(t *testing.T) {
	for path, ok := range map[string]bool{"/a/b-c.d": true, "a": false, "/a:b": false, "/a,b": false, "/a b": false} {
		if err := checkPath("path", path); (err == nil) != ok {
			t.Errorf("checkPath(%q) = %v", path, err)
		}
	}
}

func TestUntil(t *testing.T) {
	why := errors.New("too late")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, why)
	defer cancel()
	err := until(ctx, time.Millisecond, "the moon", func() (bool, error) { return false, nil })
	if !errors.Is(err, why) || !strings.Contains(err.Error(), "the moon") {
		t.Errorf("error = %v", err)
	}
	n := 0
	err = until(t.Context(), time.Millisecond, "three", func() (bool, error) { n++; return n == 3, nil })
	if err != nil || n != 3 {
		t.Errorf("asked %d times, error %v", n, err)
	}
}

func TestOpenUnknown(t *testing.T) {
	for _, name := range []string{"no-such-lab-here", "../x"} {
		if _, err := Open(name); !errors.Is(err, ErrNoLab) {
			t.Errorf("Open(%q) = %v, want ErrNoLab", name, err)
		}
	}
}

func TestPreflightError(t *testing.T) {
	e := &PreflightError{Problems: []string{"command ip is missing"}}
	e.need("iproute2")
	e.need("iproute2")
	if got, want := e.Error(), "prepare lab: command ip is missing\n  apt-get install -y iproute2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPending(t *testing.T) {
	foreign := func(unit string) bool { return unit == "etcd-prod.service" }
	for _, tt := range []struct {
		name, jobs string
		want       bool
	}{
		{"nothing", "", false},
		{"its own", "57 ssh.service start running\n1 graphical.target start waiting\n", true},
		{"not yet begun", "57 ssh.service start waiting\n", true},
		{
			"a member that looks for its quorum",
			"81 etcd-prod.service start running\n1 graphical.target start waiting\n2 multi-user.target start waiting\n", false,
		},
		{
			"both", "81 etcd-prod.service start running\n57 ssh.service start running\n2 multi-user.target start waiting\n",
			true,
		},
	} {
		if got := pending(tt.jobs, foreign); got != tt.want {
			t.Errorf("%s: pending = %t, want %t", tt.name, got, tt.want)
		}
	}
}
