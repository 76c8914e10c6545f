package acceptance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/lab"
)

// ground is where the tools of the benchmark take turns: hosts, and on the control machine a directory.
type ground struct {
	lab     *lab.Lab
	dir     string
	data    string // testdata/bench
	mirror  string
	archive string // of the release, for tools that take a file
	python  bool   // the hosts have the Python that Ansible needs, and this machine has Ansible
}

// newGround makes so many hosts, with Python if that is asked for and can be had. They are of this machine's own
// Debian release where a lab has it, so that apt knows the packages that bring Python to them: bare Debian has none,
// clusterup and the floor need none, and putting it there is not in Ansible's time.
func newGround(b *testing.B, members int, python bool) *ground {
	b.Helper()
	if err := lab.Preflight(); err != nil {
		b.Skip(err)
	}
	dir, err := mirror()
	if err != nil {
		b.Fatal(err)
	}
	data, err := filepath.Abs(filepath.Join("testdata", "bench"))
	if err != nil {
		b.Fatal(err)
	}
	g := &ground{
		dir: b.TempDir(), data: data, mirror: dir,
		archive: filepath.Join(dir, "v"+release, fmt.Sprintf("etcd-v%s-linux-%s.tar.gz", release, runtime.GOARCH)),
	}
	name := fmt.Sprintf("bench-%d", os.Getpid())
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(b.Context()), patience)
		defer cancel()
		if l, err := lab.Open(name); err == nil {
			if err := l.Down(ctx); err != nil {
				b.Error(err)
			}
		}
	})
	if g.lab, err = lab.Up(b.Context(), lab.Options{Name: name, Hosts: hosts(members, "bookworm")}); err != nil {
		b.Fatal(err)
	}
	if _, err := exec.LookPath("ansible-playbook"); err == nil && python {
		g.bringPython(b)
	}
	undisturbed(b, g.lab)
	for _, h := range g.lab.Hosts() {
		g.on(b, h.Name, "", "echo LogLevel VERBOSE >/etc/ssh/sshd_config.d/bench.conf; systemctl reload ssh")
	}
	return g
}

// bringPython downloads what the hosts lack for Python, and installs it on them.
func (g *ground) bringPython(b *testing.B) {
	b.Helper()
	debs := filepath.Join(g.dir, "debs")
	if err := os.MkdirAll(filepath.Join(debs, "partial"), 0o755); err != nil {
		b.Fatal(err)
	}
	first := g.lab.Hosts()[0].Name
	out, err := exec.CommandContext(b.Context(), "apt-get", "install", "-qq", "-y", "--no-install-recommends",
		"--download-only",
		"-o", "Dir::State::status="+filepath.Join(g.lab.Root(first), "var/lib/dpkg/status"), "-o",
		"Dir::Cache::archives="+debs, "python3").CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "Python for the hosts: %v\n%s", err, out)
		return
	}
	tar, err := exec.CommandContext(b.Context(), "tar", "-cf", "-", "-C", g.dir, "debs").Output()
	if err != nil {
		b.Fatal(err)
	}
	for _, h := range g.lab.Hosts() {
		g.on(b, h.Name, string(tar),
			"tar -xf - -C /root && apt-get install -qq -y /root/debs/*.deb </dev/null >/dev/null 2>&1; rm -rf /root/debs; python3 -c 'print(1)'")
	}
	g.python = true
}

// on runs a shell command as root on a host, not over SSH.
func (g *ground) on(b *testing.B, host, stdin, script string) string {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	out, err := g.lab.ExecInput(ctx, host, stdin, "sh", "-c", script)
	if err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// bareScript takes away all that any of the tools leaves on a host, and fails when something is left.
const bareScript = `
systemctl disable --quiet --now etcd etcd-prod 2>/dev/null
rm -rf /etc/etcd /opt/etcd /opt/clusterup /var/lib/etcd* /run/clusterup /root/.ansible /etc/systemd/system/etcd.service /etc/systemd/system/etcd-prod.service
systemctl daemon-reload
systemctl reset-failed
for user in etcd etcd-prod etcd-bench; do userdel $user 2>/dev/null; groupdel $user 2>/dev/null; done
! getent passwd etcd etcd-prod etcd-bench >/dev/null && ! pgrep -x etcd && [ -z "$(find /etc /opt /var/lib -iname '*etcd*' ! -path '*/etcd.service' ! -path '*/systemd/*')" ]
`

// bare makes the hosts bare again, and writes to disk what the turn before left in memory.
func (g *ground) bare(b *testing.B) {
	b.Helper()
	for _, h := range g.lab.Hosts() {
		g.on(b, h.Name, "", bareScript)
	}
	if err := exec.CommandContext(b.Context(), "sync").Run(); err != nil {
		b.Fatal(err)
	}
}

// healthy checks that every host runs a member, and that all of them are healthy in one cluster, over TLS.
func (g *ground) healthy(b *testing.B, ctl string) {
	b.Helper()
	for _, h := range g.lab.Hosts() {
		out := g.on(b, h.Name, "", ctl+" --endpoints=https://127.0.0.1:2379 endpoint health --cluster 2>&1")
		if strings.Count(out, "is healthy") != len(g.lab.Hosts()) || strings.Contains(out, "unhealthy") {
			b.Fatalf("%s sees\n%s", h.Name, out)
		}
	}
}

// sample is one measured run.
type sample struct {
	began     time.Time
	took, cpu time.Duration // on the wall; of the processor, of all its processes on this machine and of all hosts
	others    float64       // share of this machine's processors that went to anything else meanwhile
	memory    int64         // bytes: the most that all its processes held together; only where that is watched
	cost      count         // on the host with most; only where that is counted
	stdout    []byte
}

// counted is measure, with what the hosts have started.
func (g *ground) counted(b *testing.B, c command, unit string, watch bool) sample {
	b.Helper()
	sessions := g.sessions(b)
	tasks := countTasks(b, g.lab, unit)
	s := g.measure(b, c, watch)
	counts := tasks()
	for host, n := range g.sessions(b) {
		c := counts[host]
		c.sessions = n - sessions[host]
		counts[host] = c
	}
	s.cost = most(counts)
	return s
}

// sessions are those that every host has had so far, as its sshd logs them.
func (g *ground) sessions(b *testing.B) map[string]int {
	b.Helper()
	all := map[string]int{}
	for _, h := range g.lab.Hosts() {
		said := g.on(b, h.Name, "", "journalctl --sync; journalctl -q -u ssh -o cat | grep -c '^Starting session' || true")
		n, err := strconv.Atoi(said)
		must(b, err)
		all[h.Name] = n
	}
	return all
}

// measure runs a command to its end, and ends what it leaves behind here. It writes to files, since a pipe would be
// waited for until the last SSH master that Ansible leaves is gone.
func (g *ground) measure(b *testing.B, c command, watch bool) sample {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 5*patience)
	defer cancel()
	group := newGroup(b)
	cmd := g.lab.Command(ctx, append([]string{"sh", "-c", `echo $$ >"$0/cgroup.procs"; exec "$@"`, group.dir},
		c.argv...)...)
	cmd.Dir, cmd.Env = c.dir, append(environment(g.dir), c.env...)
	var outs [2]*os.File
	for i := range outs {
		var err error
		if outs[i], err = os.CreateTemp(g.dir, "out"); err != nil {
			b.Fatal(err)
		}
		defer outs[i].Close() //nolint:errcheck // it is read again by name
	}
	cmd.Stdout, cmd.Stderr = outs[0], outs[1]
	awaitQuiet(ctx)
	s := sample{began: time.Now(), cpu: -g.hostsCPU()}
	busy := -busyCPU()
	err := cmd.Start()
	if err == nil {
		watched := make(chan int64, 1)
		ended := make(chan struct{})
		if watch {
			go func() { watched <- group.memory(ended) }()
		}
		err = cmd.Wait()
		s.took = time.Since(s.began)
		busy += busyCPU()
		close(ended)
		if watch {
			s.memory = <-watched
		}
	}
	s.cpu += g.hostsCPU() + groupCPU(group.path)
	group.end(b)
	stdout, readErr := os.ReadFile(outs[0].Name())
	if err != nil || readErr != nil {
		stderr, _ := os.ReadFile(outs[1].Name())
		b.Fatalf("%s: %v\n%s%s", strings.Join(c.argv, " "), errors.Join(err, readErr), clip(string(stdout)),
			clip(string(stderr)))
	}
	s.stdout = stdout
	s.others = max(0, (busy-s.cpu).Seconds()) / (s.took.Seconds() * float64(runtime.NumCPU()))
	return s
}
