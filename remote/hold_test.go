package remote

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/shellword"
)

const takeLock = `exec 9>LOCK; flock -n 9 || { echo "held by $(cat LOCK.who)" >&2; exit 75; }; echo me > LOCK.who; echo "got it"; echo $$; cat`

func lockScript(t *testing.T) (script, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "lock")
	return strings.ReplaceAll(takeLock, "LOCK", file), file
}

func TestHold(t *testing.T) {
	ends := []struct {
		name string
		end  func(*server, *Host, *Held)
	}{
		{"closed", func(_ *server, _ *Host, held *Held) { held.Close() }},
		{"host closed", func(_ *server, h *Host, _ *Held) { h.Close() }},
		{"cut", func(s *server, _ *Host, _ *Held) { s.cut() }},
	}
	for _, test := range ends {
		t.Run(test.name, func(t *testing.T) {
			s, h := pair(t)
			script, _ := lockScript(t)
			held, err := h.Hold(t.Context(), script)
			if err != nil {
				t.Fatal(err)
			}
			if held.Line != "got it" {
				t.Errorf("line %q", held.Line)
			}
			_, err = h.Hold(t.Context(), script)
			var e *Error
			if !errors.Is(err, ErrScript) || !errors.As(err, &e) || e.ExitStatus != 75 ||
				!strings.Contains(err.Error(), "held by me") {
				t.Errorf("the second: %v", err)
			}
			select {
			case <-held.Lost():
				t.Error("lost while held")
			default:
			}
			test.end(s, h, held)
			<-held.Lost()
			other := holdAgain(t, s, script)
			other.Close()
		})
	}
}

// holdAgain waits until the lock can be had over another connection.
func holdAgain(t *testing.T, s *server, script string) *Held {
	t.Helper()
	c := newClient(t)
	s.allowed = append(s.allowed, c.signer.PublicKey())
	h := c.host(t, c.config(t, s))
	var held *Held
	eventually(t, "the lock has fallen", func() bool {
		var err error
		held, err = h.Hold(t.Context(), script)
		if err != nil && !errors.Is(err, ErrScript) {
			t.Fatal(err)
		}
		return err == nil
	})
	return held
}

// A machine that lost its power sends nothing any more, not even the end of its connection.
func TestHoldFallsWithoutHeartbeat(t *testing.T) {
	s, h := pair(t)
	h.dialer.holdTTL = time.Second
	h.dialer.keepalive = time.Hour
	script, _ := lockScript(t)
	held, err := h.Hold(t.Context(), script)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	holdAgain(t, s, script).Close()
	<-held.Lost()
}

func TestHoldStaysWithHeartbeat(t *testing.T) {
	s, h := pair(t)
	h.dialer.holdTTL = time.Second
	h.dialer.keepalive = 100 * time.Millisecond
	script, _ := lockScript(t)
	held, err := h.Hold(t.Context(), script)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	s.input() // the script itself
	var beats int64
	eventually(t, "thirty heartbeats, three times the limit", func() bool {
		beats += s.input()
		return beats >= 30*int64(len(".\n"))
	})
	select {
	case <-held.Lost():
		t.Error("lost in spite of heartbeats")
	default:
	}
}

func TestHoldThatEnds(t *testing.T) {
	_, h := pair(t)
	for script, text := range map[string]string{
		"exit 3":           "exit status 3",
		"echo line":        "the script ended instead of staying",
		"true":             "the script ended instead of staying",
		"echo no >&2; ! :": "no",
	} {
		held, err := h.Hold(t.Context(), script)
		if err == nil && script == "echo line" { // it may have been seen before its end
			<-held.Lost()
			held.Close()
			continue
		}
		if !errors.Is(err, ErrScript) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", script, err)
		}
	}
}

func TestHoldCancelled(t *testing.T) {
	_, h := pair(t)
	file := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := h.Hold(ctx, "sh -c 'echo $$ > "+file+"; exec sleep 600'")
		ended <- err
	}()
	pids := pidOf(t, file, 1)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	gone(t, pids)
}

// A host that allows one session, and a lock that fills it: the work goes over a second connection, and the lock stays.
func TestHoldFillsTheOnlySession(t *testing.T) {
	perConn := func(s *server) { s.maxSessions = 1; s.perConn = true }
	s, h := pair(t, perConn)
	script, file := lockScript(t)
	held, err := h.Hold(t.Context(), script)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := h.Script(t.Context(), "test -s "+shellword.Quote(file)+".who"); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.dials.Load(); n != 2 {
		t.Errorf("%d dials, want 2", n)
	}
	select {
	case <-held.Lost():
		t.Error("the hold was lost")
	default:
	}
	held.Close()
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	eventually(t, "the connection of the hold is closed", func() bool { return s.live.Load() == 1 })

	held, err = h.Hold(t.Context(), script)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Script(t.Context(), "true"); err != nil {
		t.Fatal(err)
	}
	h.Close()
	<-held.Lost()
	eventually(t, "Close ends all connections", func() bool { return s.live.Load() == 0 })
}
