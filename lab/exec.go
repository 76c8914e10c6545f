package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
)

const rootPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// enter is the command prefix that steps into a host, with a clean environment.
func enter(pid int) []string {
	return []string{
		"nsenter", "-t", strconv.Itoa(pid), "-a", "--",
		"/usr/bin/env", "-i", "PATH=" + rootPath, "HOME=/root", "LANG=C.UTF-8",
	}
}

// Exec runs a command as root on a host, not over ssh, and returns its stdout.
// The error holds the end of its stderr, and wraps an *exec.ExitError.
func (l *Lab) Exec(ctx context.Context, host string, argv ...string) ([]byte, error) {
	return l.ExecInput(ctx, host, "", argv...)
}

// ExecInput is Exec with something on stdin.
func (l *Lab) ExecInput(ctx context.Context, host, stdin string, argv ...string) ([]byte, error) {
	pid, err := l.Leader(host)
	if err != nil {
		return nil, err
	}
	out, err := output(ctx, stdin, append(enter(pid), argv...)...)
	if err != nil {
		return out, fmt.Errorf("run %q on %s: %w", argv, host, err)
	}
	return out, nil
}

// Leader is the process ID that a host's PID 1 has on this machine. A host that is down is an error.
func (l *Lab) Leader(host string) (int, error) {
	_, _, pid, err := l.running(host)
	return pid, err
}

// running finds a host that is up, and the process ID that its PID 1 has on this machine.
func (l *Lab) running(host string) (s site, c slot, pid int, err error) {
	if s, err = l.site(host); err == nil {
		c, err = s.slot()
	}
	if err == nil {
		if pid = s.leader(c); pid == 0 {
			err = fmt.Errorf("host %s of lab %s is down", host, s.lab)
		}
	}
	return s, c, pid, err
}

// Command is a command of this machine inside the lab's network, from where it reaches the hosts. Its environment is
// this process's, with CLUSTERUP_LAB, CLUSTERUP_LAB_DIR, CLUSTERUP_LAB_KEY and CLUSTERUP_LAB_KNOWN_HOSTS added.
func (l *Lab) Command(ctx context.Context, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, tool("nsenter"), append([]string{"--net=" + netnsPath(l.name), "--"}, argv...)...)
	cmd.Env = append(os.Environ(),
		"CLUSTERUP_LAB="+l.name,
		"CLUSTERUP_LAB_DIR="+l.dir,
		"CLUSTERUP_LAB_KEY="+l.KeyFile(),
		"CLUSTERUP_LAB_KNOWN_HOSTS="+l.KnownHosts())
	return cmd
}
