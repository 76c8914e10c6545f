package remote

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Held is a script that stays on the host, and with it whatever it holds there, such as a lock.
type Held struct {
	Line string // the first line it wrote, without its end

	r    *running
	lost chan struct{}
	quit chan struct{}
	once sync.Once
}

// Hold runs a script that writes one line when it has what it wants, and then stays, for example by reading its
// standard input, which stays open and empty until Close. It has a session of its own, and blocks until that line; a
// script that ends before is an *Error with its exit status.
//
// The hold ends at the latest one minute after the last sign of life from here, even if this machine lost power or
// network: heartbeats go out every 15 s, and the host ends the script when they stay away (with timeout, which is in
// coreutils).
func (h *Host) Hold(ctx context.Context, script string) (*Held, error) {
	if err := readable(script); err != nil {
		return nil, h.fail("hold", nil, err)
	}
	beat := h.dialer.beat()
	ttl := cmp.Or(h.dialer.holdTTL, 4*beat)
	sh, err := h.newShell(ctx, "hold", staying, strconv.Itoa(max(1, int(ttl/time.Second))))
	if err != nil {
		return nil, err
	}
	out, in := io.Pipe()
	r := sh.start(command{op: "hold", script: script, input: &feed{stays: true}, stdout: in})
	held := &Held{r: r, lost: make(chan struct{}), quit: make(chan struct{})}
	go func() {
		<-r.over
		in.Close()
	}()
	line := make(chan string, 1)
	go func() {
		first, err := bufio.NewReader(io.LimitReader(out, lineLimit)).ReadString('\n')
		switch {
		case err == nil:
			line <- strings.TrimRight(first, "\r\n")
		case len(first) == lineLimit:
			out.CloseWithError(errTooMuch)
		}
		io.Copy(io.Discard, out) //nolint:errcheck // until it ends
	}()
	go held.beat(beat)
	select {
	case held.Line = <-line:
		return held, nil
	case <-r.over:
		defer held.Close() //nolint:errcheck // what failed is told below
		select {
		case first := <-line: // it wrote the line and ended at once
			held.Line = first
		default:
		}
		if err := r.result(); err != nil {
			return nil, err
		}
		return nil, h.fail("hold", ErrScript, errors.New("the script ended instead of staying"))
	case <-r.deaf:
		held.Close() //nolint:errcheck // what failed is told below
		return nil, r.unheard()
	case <-ctx.Done():
		held.Close() //nolint:errcheck // the context's end is the error
		return nil, h.fail("hold", nil, context.Cause(ctx))
	}
}

func (held *Held) beat(every time.Duration) {
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	defer close(held.lost)
	for {
		select {
		case <-held.r.over:
			return
		case <-held.quit:
			return
		case <-ticks.C:
			go held.r.send([]byte(".\n")) //nolint:errcheck // a beat that cannot go out is a hold that will be lost
		}
	}
}

// Lost is closed when what was held may no longer be held: the script or its connection ended, or Close was called.
func (held *Held) Lost() <-chan struct{} { return held.lost }

// Close lets go: the script's standard input ends, and what is left of it after two seconds is killed. It blocks until
// the script is gone, for at most a few seconds. Further calls do nothing.
func (held *Held) Close() error {
	held.once.Do(func() {
		close(held.quit)
		go func() {
			held.r.send([]byte("0\n")) //nolint:errcheck // it may have ended
			held.r.stopInput()
		}()
		grace := time.NewTimer(stopGrace)
		defer grace.Stop()
		select {
		case <-held.r.over:
		case <-grace.C:
		}
		held.r.close()
	})
	return nil
}
