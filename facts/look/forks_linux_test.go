package look

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/lines/linestest"
)

// maxForks is how many processes and subshells a look may start on a host; each costs it milliseconds.
const maxForks = 9

// A look of a running member starts few processes, in every shell. They are counted by the numbers that they get where
// nobody else is.
func TestScriptForks(t *testing.T) {
	for name, shell := range linestest.Shells() {
		if name == "mksh" { // whose printf is a program
			continue
		}
		member, bare := roomIn(t.TempDir()+"/a"), roomIn(t.TempDir()+"/b") // names that stat need not quote
		member.member(t)
		bare.tools(t, "LoadState=not-found")
		h, started := member.forks(t, shell)
		runs := h.Process != nil && h.Process.SameAs == member.release+"/3.6.16-1/etcd"
		if !runs || len(h.Binaries) != 3 || !h.EtcdUser || !h.Data.WAL {
			t.Errorf("%s: a member: %+v", name, h)
		}
		h, nothing := bare.forks(t, shell)
		if h.Process != nil || h.Unit.Load != "not-found" {
			t.Errorf("%s: a bare host: %+v", name, h)
		}
		t.Logf("%s: %d with a member, %d without", name, started, nothing)
		if started > maxForks || nothing > started || nothing < 4 {
			t.Errorf("%s: %d processes for a look of a member, %d without one", name, started, nothing)
		}
	}
}

// tools stand for those of a host: they start nothing by themselves.
func (r *room) tools(t *testing.T, shown string) {
	t.Helper()
	bin := t.TempDir()
	r.systemd, r.env = bin, []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
	r.put(t, bin+"/systemctl", "#!/bin/sh\ncase $1 in --version) echo systemd 252 ;; *) echo "+shown+" ;; esac\n")
	r.put(t, bin+"/ss", "#!/bin/sh\n")
	r.put(t, bin+"/ip", "#!/bin/sh\n")
	r.ask.Peers = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
}

// member makes the room that of a running member: its process is the second of its PID namespace.
func (r *room) member(t *testing.T) {
	t.Helper()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	r.tools(t, "MainPID=2")
	r.ask.User, r.ask.V2Store = "root", true
	dir := r.release + "/3.6.16-1"
	manifest := ""
	for _, name := range []string{"etcd", "etcdctl", "etcdutl"} {
		out, err := exec.CommandContext(t.Context(), "stat", "-c", "%s %i %.9Z",
			r.put(t, dir+"/"+name, string(program))).Output()
		if err != nil {
			t.Fatal(err)
		}
		manifest += digest(string(program)) + " " + strings.TrimSpace(string(out)) + " " + name + "\n"
	}
	r.put(t, dir+"/manifest", manifest)
	for _, role := range []string{"peer", "server"} {
		leaf := r.ask.ConfigDir + "/tls/" + role + "-1"
		r.put(t, leaf+"/cert.pem", "certificate")
		r.put(t, leaf+"/key.pem", "key")
		r.put(t, leaf+"/sums", digest("certificate")+"  cert.pem\n"+digest("key")+"  key.pem\n")
		if err := os.Symlink(role+"-1", r.ask.ConfigDir+"/tls/"+role); err != nil {
			t.Fatal(err)
		}
	}
	r.put(t, r.ask.ConfigDir+"/trust-peer-1.pem", "bundle")
	r.put(t, r.ask.ConfigDir+"/born.json", "{}")
	r.put(t, r.ask.DataDir+"/member/wal/0-0.wal", "log")
}

// forks is what the script saw, and how many processes it started.
func (r room) forks(t *testing.T, shell []string) (facts.Host, int) {
	t.Helper()
	script := r.put(t, t.TempDir()+"/script", r.script(t))
	etcd := r.release + "/3.6.16-1/etcd"
	if _, err := os.Stat(etcd); err != nil {
		etcd = "/bin/sleep"
	}
	out, started := countForks(t, r.env, etcd, append(slices.Clone(shell), script))
	h, err := parseHost(r.ask, out)
	if err != nil || len(h.Unread) > 0 {
		t.Fatalf("%v, not read %q", err, h.Unread)
	}
	return h, started
}

// countForks is what a script wrote, and how many processes it started. One of a program is 2 while it runs.
func countForks(t *testing.T, env []string, program string, script []string) ([]byte, int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "last")
	// The program is 2, an empty script would be 3, the shell that says its number 4.
	count := `"$1" 600 & shift; last=$1; shift; "$@" </dev/null; /bin/sh -c 'echo $$' >"$last"; kill $!`
	args := []string{
		"--pid", "--fork", "--mount-proc", "--kill-child", "/bin/sh", "-c", count, "sh", program, file,
	}
	if os.Getuid() != 0 {
		args = append([]string{"--user", "--map-root-user"}, args...)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", append(args, script...)...)
	cmd.Env = env
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	last, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return out, last - 4
}
