package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	chunkSize   = 1 << 20         // of a script's input: one dd on the host for each
	pieceSize   = 32 << 10        // of one write, between looks at whether to stop
	outputLimit = 64 << 20        // of what Script returns
	stderrLimit = 64 << 10        // of what is kept
	stopGrace   = 5 * time.Second // from asking a script to stop until its session is cut

	defaultPatience = 2 * time.Minute // for what Ask runs: far more than a busy host needs to read all its releases and logs
)

// Script runs a POSIX shell script on the host, as root if Config.Sudo, in one session, and returns what it wrote to
// standard output. The script reads stdin (nil: empty) as its standard input; a connection that is cut never looks like
// its end. It starts in / with umask 077, LC_ALL=C and the usual PATH, whatever the login shell is and prints.
//
// A script that exits non-zero is an *Error of kind [ErrScript]; the output so far is returned with it. It blocks until
// the script has ended. When ctx ends, the script and its children are sent SIGTERM, again after half a second, and
// SIGKILL after two; they are sent the same by the host when it loses the connection.
//
// One that writes more than 64 MiB to standard output is ended, and an *Error of kind [ErrScript].
func (h *Host) Script(ctx context.Context, script string, stdin io.Reader) ([]byte, error) {
	out := &limited{limit: outputLimit}
	err := h.run(ctx, command{op: "run script", script: script, stdin: stdin, stdout: out})
	return out.text, err
}

// Ask is Script for a script that only looks, and so must not hold anybody up: what it reads may lie on a file system
// that answers no more. One that has not ended two minutes after the connection stood is stopped, and is an *Error of
// kind [ErrSilent]; so is one that writes more than 16 MiB, of kind [ErrScript].
func (h *Host) Ask(ctx context.Context, script string) ([]byte, error) {
	if err := h.Connect(ctx); err != nil { // this may wait for its turn, and for the operator
		return nil, err
	}
	patience := h.patience()
	inTime, cancel := context.WithTimeoutCause(ctx, patience, ErrSilent)
	defer cancel()
	out := &limited{limit: lookLimit}
	err := h.run(inTime, command{op: "look at the host", script: script, stdout: out})
	if errors.Is(err, ErrSilent) {
		e := h.fail("look at the host", ErrSilent, fmt.Errorf("no answer within %s", patience))
		e.Remedy = "something there never comes to its end, such as a file system that does not answer: on the host, try df, and look for processes in state D (ps axo pid,stat,args)"
		return nil, e
	}
	return out.text, err
}

func (h *Host) patience() time.Duration {
	return cmp.Or(h.dialer.patience, defaultPatience)
}

// command is one script to run.
type command struct {
	op     string
	script string
	stdin  io.Reader // nil: empty
	stdout io.Writer
}

func (h *Host) run(ctx context.Context, c command) error {
	r, err := h.start(ctx, c.op, c.script, 0)
	if err != nil {
		return err
	}
	defer r.close()
	r.copyOutput(c.stdout)
	fed := make(chan error, 1)
	go func() { fed <- r.feed(c.stdin) }()
	for {
		select {
		case err := <-fed:
			fed = nil
			if err != nil {
				r.stop()
				return h.fail(c.op, nil, fmt.Errorf("read input of script: %w", err))
			}
		case <-r.ended:
			return r.result()
		case <-r.deaf:
			r.stop()
			return r.unheard()
		case <-ctx.Done():
			r.stop()
			if errors.Is(context.Cause(ctx), ErrSilent) {
				if err := r.unbegun(h.patience()); err != nil {
					return err
				}
			}
			return h.fail(c.op, nil, context.Cause(ctx))
		}
	}
}

// running is a script in its frame.
type running struct {
	host  *Host
	op    string
	s     *session
	stdin io.WriteCloser
	write sync.Mutex // frames go out whole, and the end of input after them
	halt  atomic.Bool

	stdout *frameReader
	stderr *frameReader
	errs   *tail         // what the script wrote to standard error
	ended  chan struct{} // closed when the session is over and all output was read
	err    error         // of the session; read after ended
	deaf   chan struct{} // closed when nobody takes the output any more; why is in outErr
	outErr error         // of whoever takes the output; read after ended or deaf
	copies sync.WaitGroup
}

// start opens a session and hands over the script, which waits for nothing more.
func (h *Host) start(ctx context.Context, op, script string, ttl int) (*running, error) {
	token, err := h.dialer.token()
	if err != nil {
		return nil, h.fail(op, nil, err)
	}
	text, err := preamble(token+"-1", script, ttl)
	if err != nil {
		return nil, h.fail(op, nil, err)
	}
	m := queued
	if ttl > 0 {
		m = staying
	}
	r, err := h.exec(ctx, op, commandLine(token+"-0", h.cfg.Sudo), token, m)
	if err != nil {
		return nil, err
	}
	if _, err := r.stdin.Write(text); err != nil && !errors.Is(err, io.EOF) {
		r.close()
		return nil, h.fail(op, ErrLost, err)
	}
	return r, nil
}

// exec starts a command line. A connection that breaks before that is made anew, once.
func (h *Host) exec(ctx context.Context, op, line, token string, m manner) (*running, error) {
	for again := false; ; again = true {
		s, err := h.open(ctx, op, m)
		if err != nil {
			return nil, err
		}
		r := &running{
			host: h, op: op, s: s, ended: make(chan struct{}), deaf: make(chan struct{}), errs: &tail{limit: stderrLimit},
		}
		if err = r.begin(ctx, line, token); err == nil {
			return r, nil
		}
		r.close()
		switch {
		case ctx.Err() != nil:
			return nil, h.fail(op, nil, context.Cause(ctx))
		case !again && s.conn.dead():
			h.drop(s.conn)
		case s.conn.dead():
			return nil, h.fail(op, ErrLost, err)
		default:
			return nil, h.fail(op, ErrShell, fmt.Errorf("the host runs no command: %w", err))
		}
	}
}

func (r *running) begin(ctx context.Context, line, token string) error {
	stdin, err := r.s.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := r.s.StdoutPipe()
	if err != nil {
		return err
	}
	stderr, err := r.s.StderrPipe()
	if err != nil {
		return err
	}
	r.stdin = stdin
	r.stdout = &frameReader{r: stdout, marks: []string{token + "-0", token + "-1"}}
	r.stderr = &frameReader{r: stderr, marks: []string{token + "-1"}}
	stop := context.AfterFunc(ctx, func() { r.s.Close() })
	err = r.s.Start(line)
	stop()
	return err
}

// copyOutput moves what the script writes until it ends, and then sees to r.ended.
func (r *running) copyOutput(stdout io.Writer) {
	r.copies.Add(2)
	go func() {
		defer r.copies.Done()
		_, err := io.Copy(stdout, r.stdout)
		if err != nil && !broken(err) {
			r.outErr = err
			close(r.deaf)
			r.stopInput()
			io.Copy(io.Discard, r.stdout) //nolint:errcheck // only so that the host can end it
		}
	}()
	go func() {
		defer r.copies.Done()
		io.Copy(r.errs, r.stderr) //nolint:errcheck // a session that breaks is told by Wait
	}()
	go func() {
		r.err = r.s.Wait()
		r.copies.Wait()
		close(r.ended)
	}()
}

// frame sends one frame of input. It blocks while the host takes nothing; stopInput cuts it off.
func (r *running) frame(head string, body []byte) error {
	r.write.Lock()
	defer r.write.Unlock()
	_, err := io.WriteString(r.stdin, head+"\n")
	for err == nil && len(body) > 0 {
		if r.halt.Load() {
			return io.ErrClosedPipe
		}
		n := min(len(body), pieceSize)
		_, err = r.stdin.Write(body[:n])
		body = body[n:]
	}
	return err
}

// feed sends the script's input, and its end. Only a reader that fails is an error; a script may stop reading when it
// likes.
func (r *running) feed(stdin io.Reader) error {
	if stdin != nil {
		buf := make([]byte, chunkSize)
		for {
			n, err := stdin.Read(buf)
			if n > 0 && r.frame(strconv.Itoa(n), buf[:n]) != nil {
				return nil
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
		}
	}
	r.frame("0", nil) //nolint:errcheck // the script has ended already
	return nil
}

// stopInput makes the host end the script. It does not wait for it.
func (r *running) stopInput() {
	r.halt.Store(true)
	go func() {
		r.write.Lock()
		defer r.write.Unlock()
		r.stdin.Close()
	}()
}

// stop ends the script and waits until it is gone from the host, or until the grace is over.
func (r *running) stop() {
	r.stopInput()
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-r.ended:
	case <-grace.C:
	}
}

func (r *running) close() {
	r.s.Close()
	r.s.done()
}
