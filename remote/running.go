package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
)

// running is a script in its shell.
type running struct {
	*shell
	op string

	errs   *tail // what the script wrote to standard error
	status int   // of the script; read after ended, where whole
	whole  atomic.Bool
	lies   bool          // it gave an answer that no shell gives; read after over
	fed    chan error    // what came of the input; whole when the script may be over
	over   chan struct{} // closed when the script is over and all output was read, or the session is
	deaf   chan struct{} // closed when nobody takes the output any more; why is in outErr
	outErr error         // of whoever takes the output; read after over or deaf
}

// start hands a script over, and waits for nothing.
func (sh *shell) start(c command) *running {
	r := &running{
		shell: sh, op: c.op, errs: &tail{limit: stderrLimit}, fed: make(chan error, 1), over: make(chan struct{}),
		deaf: make(chan struct{}),
	}
	if sh.at.Load() == begun {
		sh.at.Store(ready)
	}
	text := sh.text + sh.framed(c)
	sh.text = ""
	go func() {
		if sh.send([]byte(text)) == nil && c.input != nil {
			r.fed <- c.input.send(sh, r.over)
			return
		}
		r.fed <- nil // a shell that takes nothing says why by its end
	}()
	r.copyOutput(c.stdout)
	return r
}

// copyOutput moves what the script writes until it ends, and then sees to r.over.
func (r *running) copyOutput(stdout io.Writer) {
	var copies sync.WaitGroup
	var outEnd, errEnd error
	copies.Go(func() {
		if outEnd = r.copyOut(stdout); r.outErr != nil {
			close(r.deaf)
			r.stopInput()
			io.Copy(io.Discard, r.stdout.r) //nolint:errcheck // only so that the host can end it
		}
	})
	copies.Go(func() { errEnd = r.copyErrs() })
	go func() {
		copies.Wait()
		r.whole.Store(outEnd == nil && errEnd == nil)
		if !r.whole.Load() {
			if r.lies = errors.Is(outEnd, errMark) || errors.Is(errEnd, errMark); r.lies {
				r.s.Close() // it may not end by itself
			}
			<-r.ended
		}
		close(r.over)
	}()
}

func (r *running) copyOut(stdout io.Writer) error {
	if r.at.Load() < ready {
		logged, err := r.becomeReady()
		if err != nil {
			return err
		}
		r.host.logged.Store(&logged)
	}
	if err := r.stdout.expect(r.mark, io.Discard, " b"); err != nil {
		return err
	}
	r.at.Store(begun)
	rest, err := r.stdout.until(r.mark, taker{stdout, &r.outErr})
	if err != nil {
		return err
	}
	if len(rest) < 2 || rest[:2] != " e" && rest[:2] != " u" {
		return errMark
	}
	if r.status, err = strconv.Atoi(rest[2:]); err != nil || r.status < 0 || r.status > 255 {
		return errMark
	}
	if rest[:2] == " u" { // the rest of the input must not be read as a script
		r.stopInput()
	}
	return nil
}

func (r *running) copyErrs() error {
	if !r.greeted {
		if err := r.stderr.expect(r.mark, r.words, " r"); err != nil {
			return err
		}
		r.greeted = true
	}
	if err := r.stderr.expect(r.mark, io.Discard, " b"); err != nil {
		return err
	}
	return r.stderr.expect(r.mark, r.errs, " e")
}

// taker keeps the error of whoever takes the output apart from those of the host.
type taker struct {
	w   io.Writer
	err *error
}

func (t taker) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := t.w.Write(b)
	if err != nil {
		*t.err = err
	}
	return n, err
}

// wait blocks until the script is over, or has been stopped.
func (r *running) wait(ctx context.Context) error {
	fed := r.fed
	for {
		select {
		case err := <-fed:
			fed = nil
			if err != nil {
				r.stop()
				return r.host.fail(r.op, nil, err)
			}
		case <-r.over:
			if !r.whole.Load() {
				r.halt.Store(true)
			}
			if fed != nil {
				select {
				case <-fed: //nolint:errcheck // a script that is over needs no more of it
				case <-ctx.Done():
				}
			}
			return r.result()
		case <-r.deaf:
			r.stop()
			return r.unheard()
		case <-ctx.Done():
			r.stop()
			if errors.Is(context.Cause(ctx), ErrSilent) {
				if err := r.unbegun(r.host.patience()); err != nil {
					return err
				}
			}
			return r.host.fail(r.op, nil, context.Cause(ctx))
		}
	}
}

// feed is the input of a script on its way.
type feed struct {
	stays      bool            // it has neither content nor an end
	until      <-chan struct{} // closed when it is to begin, and without content to end; nil: at once
	r          io.Reader
	size, done int64 // done was read from r
	progress   func(done, total int64)
}

// send sends all of it, and its end. Only a reader that fails is an error; a script may stop reading when it likes.
func (f *feed) send(sh *shell, over <-chan struct{}) error {
	if f.stays {
		return nil
	}
	if f.until != nil {
		select {
		case <-f.until:
		case <-over:
			return nil
		}
	}
	if f.size > 0 && sh.send([]byte(strconv.FormatInt(f.size, 10)+"\n")) != nil {
		return nil
	}
	for buf := make([]byte, writeSize); f.done < f.size; {
		n, err := f.r.Read(buf[:min(int64(len(buf)), f.size-f.done)])
		f.done += int64(n)
		if n > 0 && sh.send(buf[:n]) != nil {
			return nil
		}
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return fmt.Errorf("read input of script: %w", err)
		case err != nil && f.done < f.size:
			return fmt.Errorf("read input of script: it is %d bytes shorter than it said", f.size-f.done)
		}
		if f.progress != nil {
			f.progress(f.done, f.size)
		}
	}
	sh.send([]byte("0\n")) //nolint:errcheck // the script has ended already
	return nil
}
