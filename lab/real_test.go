package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// testLab brings up a lab of this test's own; in CI, a machine that cannot is a failure.
func testLab(t *testing.T, o Options) *Lab {
	t.Helper()
	if err := Preflight(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	o.Name = fmt.Sprintf("t%d-%s", os.Getpid(), o.Name)
	l, err := Up(t.Context(), o)
	t.Cleanup(func() {
		if l, err := Open(o.Name); err == nil {
			if err := l.Down(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// ssh runs a command on a host the way an operator does.
func ssh(t *testing.T, l *Lab, user, at, command string) string {
	t.Helper()
	out, err := l.Command(t.Context(), "ssh", "-F", "none", "-i", l.KeyFile(), "-o", "UserKnownHostsFile="+l.KnownHosts(),
		"-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", user+"@"+at, command).Output()
	var x *exec.ExitError
	if errors.As(err, &x) {
		t.Fatalf("ssh %s: %v: %s", at, err, x.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func pings(ctx context.Context, l *Lab, from, to string) bool {
	_, err := l.Exec(ctx, from, "ping", "-c1", "-W1", to)
	return err == nil
}

func TestUpDown(t *testing.T) {
	t.Parallel()
	l := testLab(t, Options{Name: "updown", Count: 2, User: "ops"})
	for _, h := range l.Hosts() {
		if got := ssh(t, l, "root", h.IPv4.String(), "hostname"); got != h.Name {
			t.Errorf("host name %q, want %q", got, h.Name)
		}
		if got := ssh(t, l, "ops", h.IPv6.String(), "id -un; sudo -n id -un"); got != "ops\nroot" {
			t.Errorf("ops and sudo on %s: %q", h.Name, got)
		}
	}
	before, err := l.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range before {
		if !s.Up || s.System != "running" {
			t.Errorf("status: %+v", s)
		}
	}

	// A third host joins; the two that are up are left alone, and know it.
	l, err = Up(t.Context(), Options{Name: l.Name(), Count: 3})
	if err != nil {
		t.Fatal(err)
	}
	after, err := l.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, after[:2], addrs); d != "" || len(after) != 3 {
		t.Errorf("up again disturbed hosts: %d hosts, %s", len(after), d)
	}
	if _, err := l.Exec(t.Context(), "etcd-1", "ping", "-c3", "-i0.2", "etcd-3"); err != nil {
		t.Error(err)
	}

	conn, err := l.DialContext(t.Context(), "tcp", l.Hosts()[2].IPv4.String()+":22")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()

	for range 2 {
		if err := l.Down(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	nothingLeft(t, l)
}

func nothingLeft(t *testing.T, l *Lab) {
	t.Helper()
	left, _ := filepath.Glob("/sys/fs/cgroup/*/clusterup-lab/" + l.Name())
	for _, p := range []string{l.dir, netnsPath(l.Name()), stateFile(l.Name()), lockFile(l.Name())} {
		if _, err := os.Lstat(p); err == nil {
			left = append(left, p)
		}
	}
	points, err := mountsBelow(l.dir)
	if left = append(left, points...); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	l := testLab(t, Options{Name: "faults", Hosts: []HostSpec{{Name: "etcd-1"}, {Name: "etcd-2", Suite: "bullseye"}}})
	ctx := t.Context()
	const a, b = "etcd-1", "etcd-2"
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	must(l.Partition(ctx, a, b, true))
	must(l.Partition(ctx, a, b, true))
	if pings(ctx, l, a, b) || pings(ctx, l, b, a) {
		t.Error("a partition lets packets through")
	}
	must(l.Partition(ctx, a, b, false))
	must(l.Cable(ctx, a, false))
	if pings(ctx, l, b, a) {
		t.Error("a pulled cable lets packets through")
	}
	must(l.Cable(ctx, a, true))
	again, stop := context.WithTimeout(ctx, 20*time.Second)
	defer stop()
	must(until(again, time.Millisecond, b+" to reach "+a+" again",
		func() (bool, error) { return pings(ctx, l, b, a), nil }))

	must(l.LimitedDisk(ctx, a, "/var/lib/etcd", 8<<20))
	if _, err := l.Exec(ctx, a, "dd", "if=/dev/zero", "of=/var/lib/etcd/fill", "bs=1M", "count=16"); err == nil {
		t.Error("a full disk takes more")
	}
	must(l.PowerCut(ctx, a))
	if _, err := l.Leader(a); err == nil {
		t.Error("a host lives on without power")
	}
	must(l.PowerCut(ctx, a)) // cutting it twice is no error
	must(l.Boot(ctx, a))
	if out, err := l.Exec(ctx, a, "stat", "-f", "-c", "%T", "/var/lib/etcd"); err != nil ||
		strings.TrimSpace(string(out)) != "ext2/ext3" {
		t.Errorf("after a boot the disk is %q, %v", out, err)
	}

	slow(t, l, b)

	before := readFile(t, l.KnownHosts())
	must(l.Wipe(ctx, a))
	if got := readFile(t, l.KnownHosts()); got != before {
		t.Error("a wiped host has another key")
	}
	must(l.Reset(ctx, a))
	if got := readFile(t, l.KnownHosts()); got == before {
		t.Error("a host installed anew has its old key")
	}
	if _, err := l.Exec(ctx, a, "stat", "/var/lib/etcd"); err == nil {
		t.Error("a host installed anew has its old files")
	}
	if got := ssh(t, l, "root", l.Hosts()[0].IPv4.String(), "echo in"); got != "in" {
		t.Errorf("ssh said %q", got)
	}
}

func slow(t *testing.T, l *Lab, host string) {
	t.Helper()
	if err := l.SlowDisk(host, 5); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := l.Exec(t.Context(), host, "systemd-run", "--wait", "-q", "dd", "if=/dev/zero", "of=/var/tmp/x", "bs=4k",
		"count=10", "oflag=dsync"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < time.Second {
		t.Errorf("ten synced writes took %s at five a second", took)
	}
	if err := l.SlowDisk(host, 0); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.SlowLink(t.Context(), host, 1<<20), l.SlowLink(t.Context(), host, 0),
		l.SlowLink(t.Context(), host, 0)); err != nil {
		t.Error(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A run that was killed at any point leaves something half made; the next one finishes it.
func TestUpAfterCrash(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a lab needs Linux")
	}
	l := testLab(t, Options{Name: "crash", Count: 1})
	h := l.Hosts()[0].Name
	crashes := map[string]func(s site) error{
		"host half written": func(s site) error {
			return errors.Join(l.PowerCut(t.Context(), h), os.Remove(s.seeded()), os.Remove(s.hostKey()+".pub"))
		},
		"root not mounted": func(s site) error { return errors.Join(l.PowerCut(t.Context(), h), unmountBelow(s.dir)) },
		"bridge missing": func(s site) error {
			_, err := run(t.Context(), "", "ip", "-n", netnsName(l.Name()), "link", "del", bridge)
			return errors.Join(l.PowerCut(t.Context(), h), err)
		},
		"bare netns file": func(s site) error {
			err := errors.Join(l.PowerCut(t.Context(), h), removeNetwork(t.Context(), l.Name()))
			return errors.Join(err, os.WriteFile(netnsPath(l.Name()), nil, 0o600))
		},
		"no known_hosts": func(site) error { return os.Remove(l.KnownHosts()) },
	}
	for name, crash := range crashes {
		t.Run(name, func(t *testing.T) {
			s, err := l.site(h)
			if err != nil {
				t.Fatal(err)
			}
			if err := crash(s); err != nil {
				t.Fatal(err)
			}
			if _, err := Up(t.Context(), Options{Name: l.Name()}); err != nil {
				t.Fatal(err)
			}
			if got := ssh(t, l, "root", s.IPv6.String(), "hostname"); got != h {
				t.Errorf("ssh said %q", got)
			}
		})
	}
}
