package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	writeSize   = 32 << 10        // of one write, between looks at whether to stop
	outputLimit = 64 << 20        // of what Script returns
	stderrLimit = 64 << 10        // of what is kept
	stopGrace   = 5 * time.Second // from asking a script to stop until its session is cut

	// for what Ask runs: far more than a busy host needs to read all its releases and logs
	defaultPatience = 2 * time.Minute
)

// Script runs a POSIX shell script on the host, as root if Config.Sudo, in a shell that is held for the next, and
// returns what it wrote to standard output. It starts in / with umask 077, LC_ALL=C, the usual PATH and an empty
// standard input, whatever the login shell is and prints; what it sets is gone at its end.
//
// A script that exits non-zero is an *Error of kind [ErrScript]; the output so far is returned with it. It blocks until
// the script has ended. When ctx ends, the script and its children are sent SIGTERM, again after half a second, and
// SIGKILL after two; they are sent the same by the host when it loses the connection.
//
// A script that writes more than 64 MiB to standard output is ended, with an *Error of kind [ErrScript].
func (h *Host) Script(ctx context.Context, script string) ([]byte, error) {
	out := &limited{limit: outputLimit}
	err := h.run(ctx, command{op: "run script", script: script, stdout: out})
	return out.said(), err
}

// Ask is Script for a script that only looks, and so must not hold anybody up: what it reads may lie on a file system
// that answers no more. One that has not ended two minutes after the connection stood is stopped, with an *Error of
// kind [ErrSilent]; one that writes more than 16 MiB is stopped, with an *Error of kind [ErrScript].
func (h *Host) Ask(ctx context.Context, script string) ([]byte, error) {
	out := &limited{limit: lookLimit}
	err := h.ask(ctx, command{script: script, stdout: out, looks: true})
	if errors.Is(err, ErrSilent) {
		return nil, err
	}
	return out.said(), err
}

// AskUntil is Ask for a script that goes on until its input, which is empty, ends. It ends when until is closed, which
// the caller must do, or when the connection is lost. out is given what the script writes as it comes.
func (h *Host) AskUntil(ctx context.Context, script string, until <-chan struct{}, out io.Writer) error {
	return h.ask(ctx, command{script: script, stdout: out, input: &feed{until: until}})
}

func (h *Host) ask(ctx context.Context, c command) error {
	if err := h.Connect(ctx); err != nil { // this may wait for its turn, and for the operator
		return err
	}
	patience := h.patience()
	inTime, cancel := context.WithTimeoutCause(ctx, patience, ErrSilent)
	defer cancel()
	c.op = "look at the host"
	err := h.run(inTime, c)
	if errors.Is(err, ErrSilent) {
		return h.fail(c.op, ErrSilent, fmt.Errorf("no answer within %s", patience)).
			advise("something there hangs, such as a file system that does not answer: " +
				"on the host, try df, and look for processes in state D (ps axo pid,stat,args)")
	}
	return err
}

func (h *Host) patience() time.Duration {
	return cmp.Or(h.dialer.patience, defaultPatience)
}

// Input is what a script is given to read.
type Input struct {
	Size int64                         // bytes
	Open func() (io.ReadCloser, error) // gives the content from its start; called once, or not at all
}

// Feed is Script for one that reads input, which is streamed to it: a connection that is cut never looks like its end,
// and one that is shorter than it said is an error. A script may end before it has read all, and then the rest is not
// sent. progress is told, from one goroutine, the bytes sent and the bytes to be sent; nil: nobody is.
func (h *Host) Feed(ctx context.Context, script string, input Input, progress func(done, total int64)) error {
	source, err := input.Open()
	if err != nil {
		return h.fail("run script", nil, fmt.Errorf("read input of script: %w", err))
	}
	defer source.Close()
	return h.run(ctx, command{
		op: "run script", script: script, stdout: &limited{limit: outputLimit},
		input: &feed{r: source, size: input.Size, progress: progress},
	})
}

// command is one script to run.
type command struct {
	op     string
	script string
	input  *feed // nil: empty
	stdout io.Writer
	looks  bool // and may run twice
}

// run runs a script in a shell of the host. A shell that turns out to have ended before the script began is replaced,
// once: nothing of the script has run. If the connection was cut, the script may have run, so only a look is run again.
func (h *Host) run(ctx context.Context, c command) error {
	if err := readable(c.script); err != nil {
		return h.fail(c.op, nil, err)
	}
	release, err := take(ctx, h.slots)
	if err != nil {
		return h.fail(c.op, nil, err)
	}
	defer release()
	for {
		sh, used, err := h.shell(ctx, c.op)
		if err != nil {
			return err
		}
		if check, ok := ctx.Value(checkKey{}).(func() error); ok {
			if err := check(); err != nil {
				h.keep(sh)
				return err
			}
		}
		r := sh.start(c)
		err = r.wait(ctx)
		if err == nil || errors.Is(err, ErrScript) && r.whole.Load() {
			h.told(sh)
			h.keep(sh)
			return err
		}
		sh.close()
		if !used || ctx.Err() != nil || sh.at.Load() == begun || !errors.Is(err, ErrLost) ||
			c.input != nil && c.input.done > 0 {
			return err
		}
		if cut := sh.err != nil && !errors.As(sh.err, new(*ssh.ExitError)); cut && !c.looks {
			return err
		}
		if sh.s.conn.dead() {
			h.drop(sh.s.conn)
		}
	}
}

type checkKey struct{}

// Checked is a context in which a check is made right before a script is handed over: to get a shell may have taken a
// new connection, and what was held on the host has fallen with the old one. The check's error ends it, with nothing
// done.
func Checked(ctx context.Context, check func() error) context.Context {
	return context.WithValue(ctx, checkKey{}, check)
}

// told tells the operator, once, that sudo on this host is slow.
func (h *Host) told(sh *shell) {
	words := sh.words.String()
	unknown := strings.Contains(words, "unable to resolve host")
	if !h.cfg.Sudo || h.dialer.Notice == nil || sh.waited < slowSudo && !unknown {
		return
	}
	h.slow.Do(func() {
		why := "it may wait for a name server or a directory of users (as that user on the host: time sudo -n true)"
		if unknown {
			why = "the host does not know its own name (put it into its /etc/hosts): " + brief(words)
		}
		h.dialer.Notice(h.Name(), fmt.Sprintf("sudo took %s to begin: %s", sh.waited.Round(100*time.Millisecond), why))
	})
}
