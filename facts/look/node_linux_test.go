package look

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/lines/linestest"
)

// nodeRoom is a place on this machine that stands for the host of a node.
type nodeRoom struct {
	room
	ask facts.NodeAsk
	bin string // of tools that stand for those of a host
}

func newNodeRoom(t *testing.T, root string) nodeRoom {
	t.Helper()
	bin := t.TempDir()
	r := nodeRoom{room: room{systemd: bin, env: []string{"PATH=" + bin + ":" + os.Getenv("PATH")}}, bin: bin}
	r.ask = facts.NodeAsk{
		Owner: root + "/owner", Dirs: []string{root + "/etc"}, Files: []string{root + "/one", root + "/missing"},
		Pairs: []string{root + "/etc/tls/client"}, Programs: root + "/opt", Users: []string{"root"},
	}
	r.put(t, bin+"/systemctl", "#!/bin/sh\necho systemd 252\n")
	return r
}

// packages has dpkg and apt tell something of packages.
func (r *nodeRoom) packages(t *testing.T, dpkg, apt string) {
	t.Helper()
	r.put(t, r.bin+"/dpkg", dpkg)
	r.put(t, r.bin+"/apt", apt)
	r.put(t, r.bin+"/dpkg-query", "#!/bin/sh\nexec cat "+r.bin+"/dpkg\n")
	r.put(t, r.bin+"/apt-cache", `#!/bin/sh
case $LC_ALL:$* in C:*"Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= policy "*) exec cat `+r.bin+"/apt ;; esac\n")
}

// services has systemctl show something of units.
func (r *nodeRoom) services(t *testing.T, shown string) {
	t.Helper()
	r.put(t, r.bin+"/shown", shown)
	r.put(t, r.bin+"/systemctl", "#!/bin/sh\ncase $1 in --version) echo systemd 252 ;; *) exec cat "+r.bin+"/shown ;; esac\n")
}

func (r nodeRoom) script() string {
	return strings.ReplaceAll(NodeScript(r.ask), "/run/systemd/system", r.systemd)
}

// look runs the script with a shell, and expects to read all of the answer but what a note says each of unread.
func (r nodeRoom) look(t *testing.T, shell []string, unread ...string) facts.Node {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("the script does not end"))
	defer cancel()
	cmd := exec.CommandContext(ctx, shell[0], shell[1:]...)
	cmd.Stdin, cmd.Env = strings.NewReader(r.script()), r.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what it waits for is ended with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%v, %v: %s", err, context.Cause(ctx), &stderr)
	}
	node, _, err := parseNode(r.ask, out)
	if err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	ok := len(node.Unread) == len(unread)
	for i := range unread {
		ok = ok && strings.Contains(node.Unread[i], unread[i])
	}
	if !ok {
		t.Errorf("not read: %q, want %q", node.Unread, unread)
	}
	return node
}

func TestNodeScriptAndParserAgree(t *testing.T) {
	linestest.Agree(t, shared+nodeScript, nodeKinds, "clock", "file", "package")
}

func TestNodeScriptEmpty(t *testing.T) {
	for name, shell := range linestest.Shells() {
		r := newNodeRoom(t, t.TempDir()+"/it's a $(touch /nowhere) room")
		n := r.look(t, shell)
		if n.Arch == "" || n.BootID == "" || n.Memory == 0 || n.Systemd == 0 || len(n.Files) > 0 || !n.Users["root"] {
			t.Errorf("%s: an empty room: %+v", name, n)
		}
		r.ask = facts.NodeAsk{}
		if n := r.look(t, shell); n.Arch == "" || len(n.Files) > 0 {
			t.Errorf("%s: asked nothing: %+v", name, n)
		}
	}
}

func TestNodeScriptFiles(t *testing.T) {
	for name, shell := range linestest.Shells() {
		root := t.TempDir() + "/it's a *"
		r := newNodeRoom(t, root)
		r.put(t, r.ask.Owner, "ended {}\n")
		r.put(t, root+"/one", "one\n")
		r.put(t, root+"/etc/front.cfg", "")
		r.put(t, root+"/etc/.hidden", "hidden")
		r.put(t, root+"/etc/deep/er/x", "deep")
		r.put(t, root+"/etc/my-key.pem", "SECRET")
		r.put(t, root+"/etc/other/key.pem", "SECRET")
		r.put(t, root+"/etc/other/copy", "SECRET")
		r.put(t, root+"/etc/tls/client-2/spare", "SECRET")
		r.put(t, root+"/etc/both.pem", "-----BEGIN PRIVATE KEY-----\nSECRET\n")
		r.put(t, root+"/outside/x", "SECRET")
		r.put(t, root+"/opt/aa/clusterup-node", "program")
		r.put(t, root+"/opt/bb/other", "other")
		r.put(t, root+"/opt/cc/README", "")
		for link, end := range map[string]string{
			"etc/out": "../outside", "etc/file": "../outside/x", "opt/cc/clusterup-node": "../aa/clusterup-node",
		} {
			if err := os.Symlink(end, root+"/"+link); err != nil {
				t.Fatal(err)
			}
		}
		n := r.look(t, shell)
		texts := map[string]string{}
		for file, f := range n.Files {
			if f.Content != nil {
				texts[strings.TrimPrefix(file, root+"/")] = string(f.Content)
			}
		}
		want := map[string]string{"one": "one\n", "etc/front.cfg": "", "etc/.hidden": "hidden", "etc/deep/er/x": "deep"}
		if diff := cmp.Diff(want, texts); diff != "" {
			t.Errorf("%s: contents (-want +got):\n%s", name, diff)
		}
		for file, want := range map[string]facts.File{
			"etc/deep": {Kind: facts.Dir, Mode: 0o755}, "etc/out": {Kind: facts.Link, Target: "../outside", Mode: 0o777},
			"etc/file":       {Kind: facts.Link, Target: "../outside/x", Mode: 0o777},
			"etc/my-key.pem": {Kind: facts.Regular, Mode: 0o755, Size: 6},
		} {
			got := n.Files[root+"/"+file]
			if got.Kind != want.Kind || got.Target != want.Target || got.Mode != want.Mode ||
				want.Size > 0 && got.Size != want.Size {
				t.Errorf("%s: %s is %+v", name, file, got)
			}
		}
		if _, there := n.Files[root+"/etc/out/x"]; there || n.Run != "ended {}" {
			t.Errorf("%s: files %v, the last run says %q", name, n.Files, n.Run)
		}
		binaries := map[string]string{root + "/opt/aa/clusterup-node": digest("program")}
		if diff := cmp.Diff(binaries, n.Binaries); diff != "" {
			t.Errorf("%s: programs (-want +got):\n%s", name, diff)
		}
	}
}

// A directory of strangers' files is told in bounds, and what is left out is said.
func TestNodeScriptMany(t *testing.T) {
	root := t.TempDir()
	r := newNodeRoom(t, root)
	for i := range 600 {
		r.put(t, fmt.Sprintf("%s/etc/%d", root, i), "")
	}
	if n := r.look(t, []string{"/bin/sh"}, "more lies in "+root+"/etc"); len(n.Files) != 501 {
		t.Errorf("%d files", len(n.Files))
	}
	deep := newNodeRoom(t, root+"/deep")
	deep.put(t, root+"/deep/etc/1/2/3/4/5/6/x", "")
	n := deep.look(t, []string{"/bin/sh"}, "more lies in "+root+"/deep/etc/1/2/3/4/5")
	if len(n.Files) != 6 {
		t.Errorf("%d files", len(n.Files))
	}
}

func TestNodeScriptPackages(t *testing.T) {
	r := newNodeRoom(t, t.TempDir())
	conf := t.TempDir()
	asShipped := r.put(t, conf+"/as shipped", "x")
	changed := r.put(t, conf+"/changed", "y")
	obsolete := r.put(t, conf+"/obsolete", "x")
	link := conf + "/link"
	if err := os.Symlink(asShipped, link); err != nil {
		t.Fatal(err)
	}
	const x = "9dd4e461268c8034f5c8564e155c67a6" // MD5 of x
	r.packages(t, "package\thaproxy\t2.6.12-1+deb12u4\tinstall\tinstalled\n"+
		" "+asShipped+" "+x+"\n "+changed+" "+x+"\n "+obsolete+" "+x+" obsolete\n "+link+" "+x+"\n "+conf+"/gone "+x+"\n"+
		" "+conf+"/new newconffile remove-on-upgrade\n\n"+
		"package\tkeepalived\t1:2.2.7-1\thold\ttriggers-pending\n\n"+
		"package\tcurl\t\thold\tnot-installed\n\n"+
		"package\thalf\t1.0\tinstall\thalf-configured\n\n",
		"curl:\n  Installed: (none)\n  Candidate: 7.88.1-10\n  Version table:\n     7.88.1-10 500\n"+
			"half:\n  Installed: 1.0\n  Candidate: 1.0\nvirtual:\n  Installed: (none)\n  Candidate: (none)\n")
	r.ask.Packages = []string{"haproxy", "keepalived", "curl", "half", "virtual", "nobody-knows"}
	want := map[string]facts.Package{
		"haproxy":    {Version: "2.6.12-1+deb12u4", Shipped: []string{asShipped}},
		"keepalived": {Version: "1:2.2.7-1", Held: true},
		"curl":       {Candidate: "7.88.1-10", Held: true},
		"half":       {Candidate: "1.0"},
		"virtual":    {},
	}
	for name, shell := range linestest.Shells() {
		if diff := cmp.Diff(want, r.look(t, shell).Software); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// Where all are installed, apt is not asked.
	r.ask.Packages = []string{"haproxy"}
	r.packages(t, "package\thaproxy\t2.6\tinstall\tinstalled\n", "haproxy:\n  Candidate: 9\n")
	want = map[string]facts.Package{"haproxy": {Version: "2.6"}}
	if diff := cmp.Diff(want, r.look(t, []string{"/bin/sh"}).Software); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The tools of this machine tell of its own packages what the script expects of them.
func TestNodeScriptRealPackages(t *testing.T) {
	if _, err := exec.LookPath("dpkg-query"); err != nil {
		t.Skip("no dpkg")
	}
	r := newNodeRoom(t, t.TempDir())
	r.ask.Packages = []string{"libc-bin", "dpkg", "no-such-package-of-clusterup"}
	n := r.look(t, []string{"/bin/sh"})
	if n.Software["dpkg"].Version == "" || n.Software["libc-bin"].Version == "" || len(n.Software) != 2 {
		t.Errorf("%+v", n.Software)
	}
	for _, file := range n.Software["libc-bin"].Shipped {
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
}

func TestNodeScriptUnits(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	r := newNodeRoom(t, root)
	file := r.put(t, root+"/opt/aa/clusterup-node", string(program))
	start := func(file string, args ...string) string {
		cmd := exec.CommandContext(t.Context(), file)
		cmd.Args = args
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return strconv.Itoa(cmd.Process.Pid)
	}
	replaced := r.put(t, root+"/proxy", string(program))
	front := start(file, "node", "600")
	proxy := start(replaced, "proxy\n==> "+root+"/one <==\nforged\nraw\n\nend\n", "600")
	r.put(t, root+"/one", "one")
	r.put(t, replaced+".new", "another")
	if err := os.Rename(replaced+".new", replaced); err != nil {
		t.Fatal(err)
	}
	r.ask.Units = []string{"front", "haproxy", "alias", "missing"}
	dropin := "/etc/systemd/system/haproxy.service.d/clusterup.conf"
	r.services(t, "MainPID="+front+"\nResult=success\nId=front.service\nNames=front.service\nLoadState=loaded\n"+
		"ActiveState=active\nFragmentPath=/etc/systemd/system/front.service\nDropInPaths=\nUnitFileState=enabled\n"+
		"NeedDaemonReload=no\n\n"+
		"MainPID="+proxy+"\nResult=success\nId=haproxy.service\nNames=haproxy.service alias.service\nLoadState=loaded\n"+
		"ActiveState=active\nFragmentPath=/lib/systemd/system/haproxy.service\nDropInPaths="+dropin+" /x\n"+
		"UnitFileState=disabled\nNeedDaemonReload=yes\n\n"+
		"MainPID=0\nResult=success\nId=missing.service\nNames=missing.service\nLoadState=not-found\nActiveState=inactive\n"+
		"FragmentPath=\nDropInPaths=\nUnitFileState=\nNeedDaemonReload=no\n")
	loaded := facts.Unit{
		Load: "loaded", Active: "active", Enabled: "enabled", Fragment: "/etc/systemd/system/front.service",
		DropIns: []string{}, Result: "success",
	}
	balancer := facts.Unit{
		Load: "loaded", Active: "active", Enabled: "disabled", Fragment: "/lib/systemd/system/haproxy.service",
		NeedsReload: true, DropIns: []string{dropin, "/x"}, Result: "success",
	}
	for name, shell := range linestest.Shells() {
		n := r.look(t, shell)
		want := map[string]facts.Unit{
			"front": loaded, "haproxy": balancer, "alias": balancer,
			"missing": {Load: "not-found", Active: "inactive", DropIns: []string{}, Result: "success"},
		}
		got := map[string]facts.Unit{}
		for unit, service := range n.Units {
			got[unit] = service.Unit
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		p := n.Units["front"].Process
		if p == nil || p.Exe != file || p.SameAs != file || p.SHA256 != "" || strings.Join(p.Args, " ") != "node 600" ||
			p.User == "" || n.Units["missing"].Process != nil {
			t.Errorf("%s: the follower: %+v", name, p)
		}
		p = n.Units["haproxy"].Process
		if p == nil || p.Exe != replaced+" (deleted)" || p.SameAs != "" || p.SHA256 != digest(string(program)) ||
			len(p.Args) != 2 || !strings.HasSuffix(p.Args[0], "forged\nraw\n\nend\n") {
			t.Errorf("%s: the balancer: %+v", name, p)
		}
		if string(n.Files[root+"/one"].Content) != "one" {
			t.Errorf("%s: %+v", name, n.Files)
		}
	}
}

// The host says whether a pair is the one that was written, and nothing of the key but that.
func TestNodeScriptPair(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	cert := string(selfSigned(t, &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1<<33, 0)}, public,
		private))
	whole := digest(cert) + "  cert.pem\n" + digest("SECRET") + "  key.pem\n"
	for name, test := range map[string]struct {
		sums string
		want bool
	}{
		"whole": {whole, true}, "another": {digest("x") + "  cert.pem\n" + digest("SECRET") + "  key.pem\n", false},
		"a file more": {whole + whole, false}, "none": {"", false},
	} {
		for shellName, shell := range linestest.Shells() {
			root := t.TempDir()
			r := newNodeRoom(t, root)
			dir := root + "/etc/tls/client-1"
			r.put(t, dir+"/cert.pem", cert)
			r.put(t, dir+"/key.pem", "SECRET")
			r.put(t, dir+"/sums", test.sums)
			if err := os.Symlink("client-1", root+"/etc/tls/client"); err != nil {
				t.Fatal(err)
			}
			n := r.look(t, shell)
			leaf := n.Pairs[root+"/etc/tls/client"]
			if leaf.Serial != "1" || leaf.Intact != test.want || leaf.Role != "client" || leaf.Dir != dir {
				t.Errorf("%s with %s: %+v", name, shellName, leaf)
			}
			if n.Files[dir+"/key.pem"].Content != nil || n.Files[dir+"/sums"].Content != nil ||
				string(n.Files[dir+"/cert.pem"].Content) != cert || n.Files[root+"/etc/tls/client"].Target != "client-1" {
				t.Errorf("%s with %s: %+v", name, shellName, n.Files)
			}
		}
	}
}

func TestNodeScriptUsers(t *testing.T) {
	for name, shell := range linestest.Shells() {
		r := newNodeRoom(t, t.TempDir())
		r.ask.Users = []string{"root", "daemon", "0", "nobody-of-clusterup"}
		if diff := cmp.Diff(map[string]bool{"root": true, "daemon": true}, r.look(t, shell).Users); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestNodeScriptListeners(t *testing.T) {
	if _, err := exec.LookPath("ss"); err != nil {
		t.Skip("no ss")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	r := newNodeRoom(t, t.TempDir())
	r.ask.Ports = []int{1, listener.Addr().(*net.TCPAddr).Port}
	for name, shell := range linestest.Shells() {
		n := r.look(t, shell)
		if len(n.Sockets) != 1 || n.Sockets[0].Port != r.ask.Ports[1] || n.Sockets[0].Address != "127.0.0.1" {
			t.Errorf("%s: %+v", name, n.Sockets)
		}
	}
}

// A stranger who names a file, or puts another thing in its place, forges no line and holds nobody up.
func TestNodeScriptHostile(t *testing.T) {
	for name, shell := range linestest.Shells() {
		root := t.TempDir() + "/it's"
		r := newNodeRoom(t, root)
		r.put(t, root+"/etc/x\nuser\tdaemon", "")
		r.put(t, root+"/etc/x\nd/in", "")
		r.put(t, root+"/etc/back\\slash", "back")
		r.put(t, root+"/etc/\x1b[2K", "escape")
		r.put(t, root+"/etc/-n", "dash")
		r.put(t, root+"/etc/z", "x\nraw\n\n==> "+root+"/one <==\nforged\nend\n")
		program := r.put(t, root+"/opt/a\tb/clusterup-node", "program")
		target := "x\nuser\tdaemon\\"
		pipe := root + "/one"
		links := []error{
			os.Symlink(target, root+"/etc/link"), os.Symlink("/etc/shadow", root+"/etc/shadow"),
			os.MkdirAll(root+"/etc/tls/client", 0o755), syscall.Mkfifo(pipe, 0o600),
			syscall.Mkfifo(root+"/etc/tls/client/cert.pem", 0o600), syscall.Mkfifo(root+"/etc/tls/client/key.pem", 0o600),
			syscall.Mkfifo(root+"/etc/tls/client/sums", 0o600), os.MkdirAll(root+"/opt/p", 0o755),
			syscall.Mkfifo(root+"/opt/p/clusterup-node", 0o600), syscall.Mkfifo(root+"/owner", 0o600),
		}
		if err := errors.Join(links...); err != nil {
			t.Fatal(err)
		}
		n := r.look(t, shell, "a file called", "a file called", "a file called", "a file called")
		if n.Users["daemon"] || n.Files[root+"/etc/link"].Target != target || n.Binaries[program] != "" {
			t.Errorf("%s: %+v", name, n)
		}
		for file, text := range map[string]string{
			`back\slash`: "back", "\x1b[2K": "escape", "-n": "dash", "z": "x\nraw\n\n==> " + root + "/one <==\nforged\nend\n",
		} {
			if got := n.Files[root+"/etc/"+file].Content; string(got) != text {
				t.Errorf("%s: %q holds %q", name, file, got)
			}
		}
		if n.Files[pipe].Kind != facts.Other || n.Files[pipe].Content != nil || n.Files[root+"/etc/shadow"].Content != nil ||
			len(n.Pairs) > 0 || len(n.Binaries) > 0 {
			t.Errorf("%s: %+v", name, n)
		}
	}
}

// Law 8: looking writes nothing, not even a time of change.
func TestNodeScriptWritesNothing(t *testing.T) {
	root := t.TempDir()
	r := newNodeRoom(t, root)
	r.put(t, root+"/etc/tls/client/cert.pem", "no certificate")
	r.put(t, root+"/opt/aa/clusterup-node", "program")
	r.packages(t, "", "")
	list := func() string {
		out, err := exec.CommandContext(t.Context(), "find", root, "-printf", `%p\t%i\t%s\t%C@\t%T@\t%m\n`).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	before := list()
	for _, shell := range linestest.Shells() {
		r.look(t, shell)
	}
	if diff := cmp.Diff(before, list()); diff != "" {
		t.Errorf("the script changed something:\n%s", diff)
	}
}

// A host without the tools says so, and still answers.
func TestNodeScriptMissingTools(t *testing.T) {
	r := newNodeRoom(t, t.TempDir())
	r.ask.Packages = []string{"haproxy"}
	for _, tool := range []string{"uname", "date", "stat", "head", "readlink", "grep", "getent", "sha256sum"} {
		file, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(file, filepath.Join(r.bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	r.env = []string{"PATH=" + r.bin}
	n := r.look(t, []string{"/bin/sh"})
	if !slices.Contains(n.Missing, "md5sum") || slices.Contains(n.Missing, "stat") || len(n.Software) > 0 {
		t.Errorf("missing %q, packages %v", n.Missing, n.Software)
	}
}

// maxNodeForks is how many processes and subshells a look at a node may start.
const maxNodeForks = 12

// A look at a node starts few processes, in every shell, even where packages are not installed yet and users are known
// to nobody. They are counted by the numbers that they get where nobody else is.
func TestNodeScriptForks(t *testing.T) {
	root := t.TempDir() + "/a" // a name that stat need not quote
	r := newNodeRoom(t, root)
	program := r.put(t, root+"/opt/aa/clusterup-node", "program")
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	conf := r.put(t, root+"/haproxy.cfg", "x")
	r.put(t, root+"/one", "one")
	for file, text := range map[string]string{
		"cert.pem": "certificate", "key.pem": "key",
		"sums": digest("certificate") + "  cert.pem\n" + digest("key") + "  key.pem\n",
	} {
		r.put(t, root+"/etc/tls/client-1/"+file, text)
	}
	if err := os.Symlink("client-1", root+"/etc/tls/client"); err != nil {
		t.Fatal(err)
	}
	// Tools that start nothing by themselves; the script's own are those of the machine.
	r.put(t, r.bin+"/dpkg-query", "#!/bin/sh\necho 'package\thaproxy\t2.6\tinstall\tinstalled\n "+conf+
		" 9dd4e461268c8034f5c8564e155c67a6'\n")
	r.put(t, r.bin+"/apt-cache", "#!/bin/sh\necho 'keepalived:\n  Candidate: 1.0'\n")
	r.put(t, r.bin+"/systemctl", "#!/bin/sh\ncase $1 in --version) echo systemd 252 ;; *) echo 'Id=a.service\nMainPID=2\n"+
		"LoadState=loaded\nId=b.service\nMainPID=0' ;; esac\n")
	r.put(t, r.bin+"/ss", "#!/bin/sh\n")
	r.ask.Packages, r.ask.Units = []string{"haproxy", "keepalived"}, []string{"a", "b"}
	r.ask.Users, r.ask.Ports = []string{"daemon", "nobody-of-clusterup"}, []int{1}
	script := r.put(t, t.TempDir()+"/script", r.script())
	for name, shell := range linestest.Shells() {
		if name == "mksh" { // whose printf is a program
			continue
		}
		out, started := countForks(t, r.env, sleep, append(slices.Clone(shell), script))
		n, _, err := parseNode(r.ask, out)
		if err != nil || len(n.Unread) > 0 {
			t.Fatalf("%s: %v, not read %q", name, err, n.Unread)
		}
		p := n.Units["a"].Process
		if p == nil || strings.Join(p.Args, " ") != sleep+" 600" || n.Software["keepalived"].Candidate != "1.0" ||
			len(n.Software["haproxy"].Shipped) != 1 || !n.Users["daemon"] || n.Binaries[program] != digest("program") {
			t.Errorf("%s: %+v", name, n)
		}
		t.Logf("%s: %d", name, started)
		if started > maxNodeForks || started < 8 {
			t.Errorf("%s: %d processes for a look at a node", name, started)
		}
	}
}
