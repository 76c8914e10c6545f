package facts

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// maxProbeForks is how many processes and subshells a probe may start on a host, without its disk and its doors.
const maxProbeForks = 9

// probeTools stand for those that tell of the whole host, and start nothing by themselves.
func probeTools(t *testing.T) (env []string) {
	t.Helper()
	bin := t.TempDir()
	for _, tool := range []string{"systemctl", "systemd-detect-virt", "ip", "nft", "timedatectl"} {
		write(t, filepath.Join(bin, tool), os.O_CREATE, "#!/bin/sh\n")
	}
	return []string{"LC_ALL=C", "PATH=" + bin + ":/usr/sbin:/usr/bin:/sbin:/bin"}
}

// A probe tells of every place in every shell, starts few processes, and leaves nothing.
func TestProbeInEveryShell(t *testing.T) {
	for name, shell := range shells() {
		if name == "mksh" { // whose printf is a program
			continue
		}
		dir := t.TempDir()
		ask := ProbeAsk{
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
		if data.Dir != dir || data.Inodes != int64(fs.Files) || data.Free <= 0 || data.Free > int64(fs.Blocks)*fs.Bsize || data.Type == "-" {
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

// probed is what a shell tells, and how many processes it started: they are counted by the numbers that they get where
// nobody else is.
func probed(t *testing.T, shell []string, ask ProbeAsk) (Probe, int) {
	t.Helper()
	dir := t.TempDir()
	script, last := filepath.Join(dir, "script"), filepath.Join(dir, "last")
	write(t, script, os.O_CREATE, ask.Script("x"))
	// The shell is 2, and the one that says its number would be 3.
	count := `last=$1; shift; "$@" </dev/null; /bin/sh -c 'echo $$' >"$last"`
	args := append([]string{"--pid", "--fork", "--mount-proc", "--kill-child", "/bin/sh", "-c", count, "sh", last}, append(shell, script)...)
	if os.Getuid() != 0 {
		args = append([]string{"--user", "--map-root-user"}, args...)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", args...)
	cmd.Env = probeTools(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	probe, err := ParseProbe(out)
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
