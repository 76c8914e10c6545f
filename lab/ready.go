package lab

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ready waits until the host is up. Every step waits for the one thing that the
// next needs, and gives up as soon as the host's processes are gone.
func (s site) ready(ctx context.Context, c slot, alive func() error) error {
	pid := 0
	err := until(ctx, tick, "PID 1", func() (bool, error) {
		pid = s.leader(c)
		return pid != 0, alive()
	})
	if err != nil {
		return err
	}
	err = until(ctx, tick, "systemd to listen", func() (bool, error) {
		_, err := os.Stat(fmt.Sprintf("/proc/%d/root/run/systemd/private", pid))
		return err == nil, alive()
	})
	if err != nil {
		return err
	}
	// From inside first: there, an address that is not yet set fails at once, where
	// from outside it would cost seconds of neighbour discovery.
	inside := fmt.Sprintf("/proc/%d/ns/net", pid)
	for _, netns := range []string{inside, netnsPath(s.lab)} {
		for _, addr := range []netip.Addr{s.IPv4, s.IPv6} {
			at := netip.AddrPortFrom(addr, 22).String()
			err := until(ctx, tick, "sshd at "+at, func() (bool, error) { return sshAnswers(ctx, netns, at), alive() })
			if err != nil {
				return err
			}
		}
	}
	return s.started(ctx, pid, alive)
}

// started waits until systemd has nothing left to start that came with the image. Units that were put on the host since
// may take for ever: a member of etcd has not started before it finds a quorum.
func (s site) started(ctx context.Context, pid int, alive func() error) error {
	last := ""
	err := until(ctx, 50*time.Millisecond, "systemd to have started all", func() (bool, error) {
		out, err := run(ctx, "", append(enter(pid), "systemctl", "list-jobs", "--plain", "--no-legend")...)
		if err != nil {
			last = err.Error() // it is too busy to answer
			return false, alive()
		}
		last = strings.TrimSpace(string(out))
		return !pending(last, s.isForeign), alive()
	})
	if err != nil && last != "" {
		return fmt.Errorf("%w; at last: %s", err, last)
	}
	return err
}

// pending says whether jobs, as systemctl lists them, are worth waiting for: not when all that is being started now is
// foreign, since then everything else waits for that.
func pending(jobs string, foreign func(unit string) bool) bool {
	running, waiting := 0, 0
	for line := range strings.Lines(jobs) {
		f := strings.Fields(line) // number, unit, type, state
		switch {
		case len(f) < 4:
		case f[3] != "running":
			waiting++
		case !foreign(f[1]):
			return true
		default:
			running++
		}
	}
	return waiting > 0 && running == 0
}

// isForeign says whether a unit was put on the host after it was installed.
func (s site) isForeign(unit string) bool {
	path := filepath.Join("etc/systemd/system", filepath.Base(unit))
	_, here := os.Lstat(filepath.Join(s.root(), path))
	_, base := os.Lstat(filepath.Join(s.Base, path))
	return here == nil && base != nil
}

// sshAnswers reads the banner: an open port alone proves nothing.
func sshAnswers(ctx context.Context, netns, at string) bool {
	// The kernel would try again only after a second.
	dialing, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	conn, err := dialIn(dialing, netns, "tcp", at)
	if err != nil {
		return false
	}
	defer conn.Close()
	if conn.SetDeadline(time.Now().Add(5*time.Second)) != nil {
		return false
	}
	banner, err := bufio.NewReader(conn).ReadString('\n')
	return err == nil && strings.HasPrefix(banner, "SSH-2.0-")
}

// told is what is known of a host that does not come up, or does not go: the end of its console, and what its processes
// are at.
func (s site) told(c slot) string {
	log, _ := os.ReadFile(s.console())
	var b strings.Builder
	b.WriteString(tail(string(log)))
	for _, pid := range c.pids() {
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err != nil {
			continue // it has ended
		}
		at, _ := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", pid))
		fmt.Fprintf(&b, "\nprocess %d, %s, is at %s", pid, strings.TrimSpace(string(name)), at)
	}
	return b.String()
}
