package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// How far a shell has come.
const (
	opened   int32 = iota
	loggedIn       // the login shell runs commands
	ready          // the frame runs
	begun          // and a script in it
)

// slowSudo is how long sudo may take before somebody is told.
const slowSudo = 5 * time.Second

// shell is one held shell: root's, in a session of its own, in which scripts run one after the other.
type shell struct {
	host  *Host
	s     *session
	mark  string // of the frame
	login string // of the login shell; anybody on the host may read it
	text  string // what the shell is still to be given before its first script
	kept  string // the script that its frame keeps

	stdin io.WriteCloser
	write sync.Mutex // input goes out whole, and its end after it
	halt  atomic.Bool

	stdout, stderr *scanner
	noise, words   *tail // what it wrote to standard output and standard error, before it was ready
	greeted        bool  // standard error was read up to where the frame runs
	at             atomic.Int32
	opened         time.Time
	waited         time.Duration // for sudo; read once it is ready

	ended chan struct{} // closed when the session is over
	err   error         // of the session; read after ended
}

// shell gives a shell that nobody uses: one that is there already, or a new one. used says that it has run scripts.
func (h *Host) shell(ctx context.Context, op string) (sh *shell, used bool, err error) {
	for {
		if sh := h.idle(); sh != nil {
			return sh, true, nil
		}
		if sh, err = h.newShell(ctx, op, queued, ""); !errors.Is(err, errShellFree) {
			return sh, false, err
		}
	}
}

// newShell opens a session and starts the frame, which it does not wait for. The host ends it after limit seconds of
// silence; "": never.
func (h *Host) newShell(ctx context.Context, op string, m manner, limit string) (*shell, error) {
	login, mark := h.dialer.token(), h.dialer.token()
	sh, err := h.exec(ctx, op, login, commandLine(login, h.cfg.Sudo), m)
	if err != nil {
		return nil, err
	}
	sh.mark, sh.text = mark,
		program(fmt.Sprintf("cu_mark=%s; cu_ttl=%s\n%s", mark, limit, strings.TrimSuffix(frame, "\n")))
	return sh, nil
}

// exec starts a command line. A connection that breaks before that is made anew, once.
func (h *Host) exec(ctx context.Context, op, login, line string, m manner) (*shell, error) {
	for again := false; ; again = true {
		s, err := h.open(ctx, op, m)
		if err != nil {
			return nil, err
		}
		sh := &shell{
			host: h, s: s, login: login, noise: &tail{limit: noiseLimit}, words: &tail{limit: noiseLimit}, opened: time.Now(),
			ended: make(chan struct{}),
		}
		if err = sh.begin(ctx, line); err == nil {
			return sh, nil
		}
		sh.close()
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

func (sh *shell) begin(ctx context.Context, line string) error {
	stdin, err := sh.s.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := sh.s.StdoutPipe()
	if err != nil {
		return err
	}
	stderr, err := sh.s.StderrPipe()
	if err != nil {
		return err
	}
	sh.stdin, sh.stdout, sh.stderr = stdin, &scanner{r: stdout}, &scanner{r: stderr}
	stop := context.AfterFunc(ctx, func() { sh.s.Close() })
	err = sh.s.Start(line)
	stop()
	if err != nil {
		return err
	}
	go func() {
		sh.err = sh.s.Wait()
		close(sh.ended)
	}()
	return nil
}

// becomeReady reads standard output up to where the frame runs, and says whether sudo logs what that reads.
func (sh *shell) becomeReady() (logged bool, err error) {
	if sh.at.Load() == opened {
		if _, err := sh.stdout.until(sh.login, sh.noise); err != nil {
			return false, err
		}
		sh.noise = &tail{limit: noiseLimit}
		sh.at.Store(loggedIn)
	}
	rest, err := sh.stdout.until(sh.mark, sh.noise)
	if err != nil {
		return false, err
	}
	if sh.waited = time.Since(sh.opened); !strings.HasPrefix(rest, " r") {
		return false, errMark
	}
	sh.at.Store(ready)
	return rest != " r", nil
}

// dead says whether nothing can run in it any more.
func (sh *shell) dead() bool {
	select {
	case <-sh.ended:
		return true
	default:
		return sh.halt.Load() || sh.s.conn.dead()
	}
}

// send sends input, whole. It blocks while the host takes nothing; stopInput cuts it off.
func (sh *shell) send(text []byte) error {
	sh.write.Lock()
	defer sh.write.Unlock()
	for len(text) > 0 {
		if sh.halt.Load() {
			return io.ErrClosedPipe
		}
		n, err := sh.stdin.Write(text[:min(len(text), writeSize)])
		if err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

// stopInput makes the host end whatever runs. It does not wait for it.
func (sh *shell) stopInput() {
	sh.halt.Store(true)
	go func() {
		sh.write.Lock()
		defer sh.write.Unlock()
		sh.stdin.Close()
	}()
}

// stop ends whatever runs, and waits until it is gone from the host, or until the grace is over.
func (sh *shell) stop() {
	sh.stopInput()
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-sh.ended:
	case <-grace.C:
	}
}

func (sh *shell) close() {
	sh.halt.Store(true)
	sh.s.Close()
	sh.s.done()
}

// idle takes a shell that nobody uses; nil: there is none.
func (h *Host) idle() *shell {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.shells) > 0 {
		sh := h.shells[len(h.shells)-1]
		h.shells = h.shells[:len(h.shells)-1]
		if !sh.dead() {
			return sh
		}
		go sh.close()
	}
	return nil
}

func (h *Host) hasIdle() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.shells, func(sh *shell) bool { return !sh.dead() })
}

// keep gives a shell back for the next script.
func (h *Host) keep(sh *shell) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed.Load() || sh.dead() || sh.s.conn != h.conn {
		go sh.close()
		return
	}
	h.shells = append(h.shells, sh)
	sh.s.conn.freed()
}

// shed closes a shell that nobody uses, to make room for another session; false: there is none.
func (h *Host) shed() bool {
	sh := h.idle()
	if sh == nil {
		return false
	}
	sh.stop()
	sh.close()
	return true
}
