package lab

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/clusterup/clusterup/durable"
)

// until asks cond at once and then every interval, until it holds or fails or
// ctx ends; the error then names what was waited for.
func until(ctx context.Context, every time.Duration, what string, cond func() (bool, error)) error {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		if ok, err := cond(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, context.Cause(ctx))
		case <-t.C:
		}
	}
}

// lockTime is longer than anybody holds a lock; making a base image takes longest.
const lockTime = 15 * time.Minute

// lock waits for the exclusive lock on a file. Its holder may delete the file.
func lock(ctx context.Context, path string) (durable.Held, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return durable.Held{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, lockTime, fmt.Errorf("held by another for %s", lockTime))
	defer cancel()
	return durable.Lock(ctx, path)
}

// run runs a command of the machine to its end and returns its stdout. Stopping
// ctx stops the command with everything it started.
func run(ctx context.Context, stdin string, argv ...string) ([]byte, error) {
	out, err := output(ctx, stdin, argv...)
	if err != nil {
		err = fmt.Errorf("run %s: %w", argv[0], err)
	}
	return out, err
}

// output is run with an error that does not name the command.
func output(ctx context.Context, stdin string, argv ...string) ([]byte, error) {
	cmd := command(ctx, argv...)
	if stdin != "" {
		cmd.Stdin = strings.NewReader(stdin)
	}
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("%w%s", err, tail(errOut.String()))
	}
	return out.Bytes(), nil
}

// command is a command of the machine, which ctx ends with everything that it started.
func command(ctx context.Context, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, tool(argv[0]), argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// tail is the end of what a command said, fit for an error.
func tail(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	if lines := strings.Split(s, "\n"); len(lines) > 8 {
		s = strings.Join(lines[len(lines)-8:], "\n")
	}
	return ": " + s
}

// progress writes whole lines, also from several goroutines.
type progress struct {
	mu sync.Mutex
	w  io.Writer
}

func (p *progress) line(format string, args ...any) {
	if p == nil || p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.w, format+"\n", args...)
}
