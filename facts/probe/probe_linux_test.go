package probe

import (
	"bufio"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/lines/linestest"
)

// maxProbeForks is how many processes and subshells a probe may start on a host, without its disk and its doors.
const maxProbeForks = 9

// probeTools stand for those that tell of the whole host, and start nothing by themselves.
func probeTools(t *testing.T) (env []string) {
	t.Helper()
	bin := t.TempDir()
	for _, tool := range []string{"systemctl", "systemd-detect-virt", "ip", "nft", "timedatectl"} {
		write(t, filepath.Join(bin, tool), "#!/bin/sh\n")
	}
	return []string{"LC_ALL=C", "PATH=" + bin + ":/usr/sbin:/usr/bin:/sbin:/bin"}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// A probe tells of every place in every shell, starts few processes, and leaves nothing.
func TestProbeInEveryShell(t *testing.T) {
	for name, shell := range linestest.Shells() {
		if name == "mksh" { // whose printf is a program
			continue
		}
		dir := t.TempDir()
		ask := Ask{
			DataDir: dir + "/data/x", WALDir: "/proc/wal", Ports: []int{2380},
			Writes: []string{dir + "/a", "/proc/clusterup/x", dir + "/b/c", "/proc/clusterup", "/sys/clusterup"},
		}
		probe, started := probed(t, shell, ask)
		var fs syscall.Statfs_t
		if err := syscall.Statfs(dir, &fs); err != nil {
			t.Fatal(err)
		}
		data, wal := probe.Places["data"], probe.Places["wal"]
		if probe.CPUs == 0 || probe.OpenFiles < 100 || len(probe.Unread) > 0 || len(probe.Firewall) != 1 {
			t.Errorf("%s: %+v", name, probe)
		}
		if data.Dir != dir || data.Inodes != int64(fs.Files) || data.Free <= 0 || data.Free > int64(fs.Blocks)*fs.Bsize ||
			data.Type == "-" {
			t.Errorf("%s: data lies on %+v", name, data)
		}
		if wal.Dir != "/proc" || wal.Mount != "/proc" || wal.Type != "proc" || wal.Free != -1 || wal.Inodes != 0 {
			t.Errorf("%s: the log lies on %+v", name, wal)
		}
		if len(probe.Sealed) != 2 || probe.Sealed["/proc"] != "No such file or directory" || probe.Sealed["/sys"] == "" {
			t.Errorf("%s: sealed are %q", name, probe.Sealed)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: left are %v, %v", name, left, err)
		}
		t.Logf("%s: %d processes", name, started)
		if started > maxProbeForks || started < 3 {
			t.Errorf("%s: %d processes", name, started)
		}
	}
}

// A file system that is to be mounted above the data, and is not, is told.
func TestProbeUnmounted(t *testing.T) {
	for name, shell := range linestest.Shells() {
		dir := t.TempDir()
		table := filepath.Join(dir, "fstab")
		write(t, table, "# <file system> <mount point>\nproc /proc proc defaults 0 0\n/dev/vda1 / ext4 defaults 0 1\n"+
			"/dev/vdb /no/such xfs defaults 0 2\n/dev/vdc /no/such/wal/ xfs noauto 0 2\n/dev/vdd /no/suchlike xfs\n\n"+
			"UUID=x none swap sw 0 0\n#/dev/vde /no xfs\n/dev/vdf /no/such/other xfs")
		text := Ask{DataDir: "/no/such/etcd", WALDir: "/no/such/wal"}.Script("n", "x")
		script := strings.ReplaceAll(text, "/etc/fstab", table)
		cmd := exec.CommandContext(t.Context(), shell[0], shell[1:]...)
		cmd.Stdin, cmd.Env = strings.NewReader(script), probeTools(t)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		probe, err := parse(out)
		if want := []string{"/no/such", "/no/such/wal"}; err != nil || !slices.Equal(probe.Unmounted, want) {
			t.Errorf("%s: not mounted are %v, want %v, %v", name, probe.Unmounted, want, err)
		}
	}
}

// probed is what a shell tells, and how many processes it started: they are counted by the numbers that they get where
// nobody else is.
func probed(t *testing.T, shell []string, ask Ask) (Probe, int) {
	t.Helper()
	dir := t.TempDir()
	script, last := filepath.Join(dir, "script"), filepath.Join(dir, "last")
	write(t, script, ask.Script("n", "x"))
	// The shell is 2, and the one that says its number would be 3.
	count := `last=$1; shift; "$@" </dev/null; /bin/sh -c 'echo $$' >"$last"`
	args := append([]string{"--pid", "--fork", "--mount-proc", "--kill-child", "/bin/sh", "-c", count, "sh", last},
		append(shell, script)...)
	if os.Getuid() != 0 {
		args = append([]string{"--user", "--map-root-user"}, args...)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", args...)
	cmd.Env = probeTools(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	probe, err := parse(out)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return probe, n - 3
}

// Callers are answered and told of, in every shell, and nothing is left when nobody is to come any more.
func TestProbeDoors(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may make a link in /run")
	}
	for name, shell := range linestest.Shells() {
		at := freePort(t)
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		open := startProbe(t, shell, "door"+name, Door{Listen: at})
		shut := startProbe(t, shell, "shut"+name, Door{Listen: freePort(t)}, Door{Listen: taken.Addr().String()})
		if why := open.doors(t); why != "" {
			t.Fatalf("%s: doors are shut: %s", name, why)
		}
		if why := shut.doors(t); !strings.HasPrefix(why, "cannot listen: ") ||
			!strings.Contains(why, "Address already in use") {
			t.Errorf("%s: doors of which one is taken: %q", name, why)
		}
		called := map[string]string{}
		for range 3 {
			by, from := call(t, at, "nonce")
			called[by] = from
		}
		probe := open.end(t)
		if len(called) != 3 || !maps.Equal(probe.Callers, called) {
			t.Errorf("%s: callers are %v, want %v", name, probe.Callers, called)
		}
		if callers := shut.end(t).Callers; len(callers) > 0 {
			t.Errorf("%s: callers at doors that are shut are %v", name, callers)
		}
		if conn, err := net.Dial("tcp", at); err == nil {
			conn.Close()
			t.Errorf("%s: something still listens at %s", name, at)
		}
		if left, err := filepath.Glob("/run/" + facts.ListenerName + "-*" + name); err != nil || len(left) > 0 {
			t.Errorf("%s: left are %v, %v", name, left, err)
		}
	}
}

// The listener ends by itself, as where the machine that asked has lost its power.
func TestProbeDoorsEnd(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may make a link in /run")
	}
	at := freePort(t)
	ask := Ask{DataDir: t.TempDir(), Doors: []Door{{Listen: at}}}
	s := startScript(t, linestest.Shells()["sh"],
		strings.Replace(ask.Script("nonce", "end"), "--foreground 60 ", "--foreground 1 ", 1))
	if why := s.doors(t); why != "" {
		t.Fatalf("doors are shut: %s", why)
	}
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.Copy(io.Discard, conn); err != nil { // until nobody answers any more
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", at); err == nil {
		conn.Close()
		t.Error("something still listens")
	}
	s.end(t)
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// call is which process answers, and where the call came from.
func call(t *testing.T, at, nonce string) (by, from string) {
	t.Helper()
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answer := bufio.NewReader(conn)
	line, err := answer.ReadString('\n')
	by, ok := strings.CutPrefix(line, nonce+" ")
	if err != nil || !ok {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := io.WriteString(conn, "echo"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(answer, make([]byte, len("echo"))); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(by), conn.LocalAddr().String()
}

// standing is a probe whose input has not ended.
type standing struct {
	cmd   *exec.Cmd
	input io.Closer
	said  *bufio.Reader
	lines strings.Builder
}

func startProbe(t *testing.T, shell []string, unique string, doors ...Door) *standing {
	t.Helper()
	return startScript(t, shell, Ask{DataDir: t.TempDir(), Doors: doors}.Script("nonce", unique))
}

func startScript(t *testing.T, shell []string, text string) *standing {
	t.Helper()
	script := filepath.Join(t.TempDir(), "script")
	write(t, script, text)
	cmd := exec.CommandContext(t.Context(), shell[0], append(shell[1:], script)...)
	cmd.Env = probeTools(t)
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &standing{cmd: cmd, input: input, said: bufio.NewReader(output)}
}

// doors waits for what is said of them.
func (s *standing) doors(t *testing.T) string {
	t.Helper()
	for {
		line, err := s.said.ReadString('\n')
		if err != nil {
			t.Fatalf("after %q: %v", s.lines.String(), err)
		}
		s.lines.WriteString(line)
		if why, ok := strings.CutPrefix(line, "doors\t"); ok {
			return strings.TrimSuffix(why, "\n")
		}
	}
}

func (s *standing) end(t *testing.T) Probe {
	t.Helper()
	s.input.Close()
	rest, err := io.ReadAll(s.said)
	if err != nil || s.cmd.Wait() != nil {
		t.Fatalf("%q, %v", rest, err)
	}
	probe, err := parse([]byte(s.lines.String() + string(rest)))
	if err != nil || len(probe.Unread) > 0 {
		t.Fatalf("%+v, %v", probe, err)
	}
	return probe
}
