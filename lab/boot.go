package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	bootTime = 60 * time.Second // a host that is not up by then never will be
	stopTime = 20 * time.Second
	tick     = 10 * time.Millisecond
)

// intoCgroups enters the cgroups named first, then becomes the rest.
const intoCgroups = `n=$1; shift
while [ "$n" -gt 0 ]; do echo $$ >"$1" || exit 70; shift; n=$((n-1)); done
exec "$@"`

// bootArgs is the command that runs a host. It enters the network namespace with nsenter and not with ip netns exec,
// which mounts /sys anew and so hides the cgroups from nspawn.
func (s site) bootArgs(cgroupProcs []string) []string {
	args := []string{"/bin/sh", "-c", intoCgroups, "lab-host", strconv.Itoa(len(cgroupProcs))}
	args = append(args, cgroupProcs...)
	args = append(args, tool("nsenter"), "--net="+netnsPath(s.lab), "--",
		tool("systemd-nspawn"), "-q", "--settings=no", "-D", s.root(), "--boot",
		"-M", s.machine(), "--hostname="+s.Name, "--network-bridge="+bridge,
		"--register=no", "--keep-unit", "--console=pipe",
		"--link-journal=no", "--resolv-conf=off", "--timezone=off")
	if s.Repository != "" {
		args = append(args, "--bind-ro="+s.Repository+":"+packagesAt)
	}
	for _, d := range s.Disks {
		args = append(args, "--bind="+s.point(d)+":"+d.Path)
	}
	return args
}

// boot starts the host unless it runs, and returns when sshd answers and systemd has nothing of its own left to start.
// A host that does not come up is killed, so that the next boot is a new one.
func (s site) boot(ctx context.Context) error {
	c, err := s.slot()
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeoutCause(ctx, bootTime, fmt.Errorf("not there after %s", bootTime))
	defer cancel()
	alive := func() error { // for a host that somebody else started
		if len(c.pids()) == 0 {
			return errGone
		}
		return nil
	}
	if alive() != nil {
		if alive, err = s.start(waiting, c); err != nil {
			return fmt.Errorf("start %s: %w", s.Name, err)
		}
	}
	if err := s.ready(waiting, c, alive); err != nil {
		err = fmt.Errorf("boot %s: %w%s", s.Name, err, s.told(c))
		return errors.Join(err, s.kill(context.WithoutCancel(ctx)))
	}
	return nil
}

var errGone = errors.New("its processes ended")

// start leaves a process behind that outlives this one. The function it returns is nil as long as that process lives.
func (s site) start(ctx context.Context, c slot) (alive func() error, err error) {
	if err := s.bury(ctx); err != nil { // it may have died by itself
		return nil, err
	}
	for _, d := range s.Disks {
		if err := s.mountDisk(ctx, d); err != nil {
			return nil, err
		}
	}
	procs, err := c.make()
	if err != nil {
		return nil, err
	}
	console, err := os.OpenFile(s.console(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer console.Close()
	args := s.bootArgs(procs)
	cmd := exec.CommandContext(context.WithoutCancel(ctx), args[0], args[1:]...) // it stays
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + rootPath, "LANG=C.UTF-8"}
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // reaps it, if it ends before us
		close(ended)
	}()
	return func() error {
		select {
		case <-ended:
			return errGone
		default:
			return nil
		}
	}, nil
}

// leader is the host's PID 1 as the machine numbers it, or 0: a process of the host that is number 1 of its own PID
// namespace and already stands in the host's root.
func (s site) leader(c slot) int {
	root, err := os.Stat(s.root())
	if err != nil {
		return 0
	}
	for _, pid := range c.pids() {
		if !isInit(pid) {
			continue
		}
		if r, err := os.Stat(fmt.Sprintf("/proc/%d/root/.", pid)); err == nil && os.SameFile(r, root) {
			return pid
		}
	}
	return 0
}

// isInit reads NSpid of proc(5): the number in each namespace, outermost first.
func isInit(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	_, rest, ok := bytes.Cut(b, []byte("\nNSpid:"))
	if !ok {
		return false
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	f := bytes.Fields(line)
	return len(f) == 2 && string(f[1]) == "1"
}

// kill ends the host as a power cut does: its PID 1 dies, and the kernel takes
// every other process of the host with it. A host that is down is fine.
func (s site) kill(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, stopTime, fmt.Errorf("still there after %s", stopTime))
	defer cancel()
	c, err := s.slot()
	if err != nil {
		return err
	}
	hard := time.Now().Add(3 * time.Second) // by then nspawn has tidied up after a dead host, or hangs
	err = until(ctx, tick, "the processes of "+s.Name+" to end", func() (bool, error) {
		pids := c.pids()
		for _, pid := range pids {
			if isInit(pid) || s.leader(c) == 0 && time.Now().After(hard) {
				if err := killIf(pid, c.has); err != nil {
					return false, err
				}
			}
		}
		return len(pids) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("%w%s", err, s.told(c))
	}
	if err := s.bury(ctx); err != nil {
		return err
	}
	return until(ctx, tick, "the cgroups of "+s.Name+" to empty", func() (bool, error) { return c.remove() == nil, nil })
}

// bury takes away what an nspawn that was killed could not: the network port, which lives on as long as a connection of
// the dead host waits for an answer, and directories, which are empty.
func (s site) bury(ctx context.Context) error {
	_ = os.Remove(filepath.Join("/run/systemd/nspawn/propagate", s.machine()))
	_ = os.Remove(filepath.Join("/run/systemd/nspawn/unix-export", s.machine()))
	return removePort(ctx, s.lab, s.port())
}
