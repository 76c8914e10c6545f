package remote

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
)

// maxSessions is how many scripts run on one host at once, each in a session; sshd allows 10 by default (MaxSessions),
// people some to log in.
const maxSessions = 4

// Host is one machine and the connection to it, which is made on first use and again, once per use, after it broke.
type Host struct {
	dialer *Dialer
	cfg    Config
	parent *Host // the jump host in front of this one, or nil
	slots  chan struct{}
	busy   chan struct{} // held while conn is being made
	stats  counters

	mu     sync.Mutex
	conn   *conn
	old    []*conn              // given up for new sessions, and perhaps still holding something
	shells []*shell             // that nobody uses now
	slow   sync.Once            // tells once that sudo is slow
	logged atomic.Pointer[bool] // whether sudo logs what its shells read; nil: not known yet
	closed atomic.Bool
}

// Name is how messages call this host.
func (h *Host) Name() string { return h.cfg.name() }

// Connect makes the connection unless it is there. It blocks for at most the connect timeout of each hop, plus a few
// short retries, plus the time that questions take.
func (h *Host) Connect(ctx context.Context) error {
	_, err := h.connect(ctx)
	return err
}

func (h *Host) connect(ctx context.Context) (*conn, error) {
	if c := h.live(); c != nil {
		return c, nil
	}
	done, err := take(ctx, h.busy)
	if err != nil {
		return nil, h.fail("connect", nil, err)
	}
	defer done()
	if c := h.live(); c != nil {
		return c, nil
	}
	if h.closed.Load() {
		return nil, h.fail("connect", ErrLost, errors.New("the host was closed"))
	}
	client, err := h.dial(ctx)
	if err != nil {
		return nil, err
	}
	c := newConn(client, h.dialer.beat())
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed.Load() {
		c.close()
		return nil, h.fail("connect", ErrLost, errors.New("the host was closed"))
	}
	h.conn = c
	return c, nil
}

// live is the connection, if it still stands.
func (h *Host) live() *conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn == nil || h.conn.dead() {
		return nil
	}
	return h.conn
}

// drop makes the next use dial again. Whoever still uses c keeps it; it closes after its last hold.
func (h *Host) drop(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn == c {
		h.conn = nil
	}
	h.old = slices.DeleteFunc(append(h.old, c), (*conn).dead)
	h.shells = slices.DeleteFunc(h.shells, func(sh *shell) bool {
		if sh.s.conn != c {
			return false
		}
		go sh.close() // which may wait for the connection
		return true
	})
	c.retire()
}

// Close ends the connection and everything that runs over it. The host cannot be used again.
func (h *Host) Close() {
	h.closed.Store(true)
	h.mu.Lock()
	all := h.old
	if h.conn != nil {
		all = append(all, h.conn)
	}
	h.conn, h.old, h.shells = nil, nil, nil
	h.mu.Unlock()
	for _, c := range all {
		c.close()
	}
}

// fail is an Error of this host.
func (h *Host) fail(op string, kind, err error) *Error {
	return &Error{Host: h.Name(), Op: op, Kind: kind, Err: err}
}

// advise adds what to do.
func (e *Error) advise(remedy string) *Error {
	e.Remedy = remedy
	return e
}

// wrap names this host on an error that may have its class, host and remedy already: a jump host's becomes part of the
// cause.
func (h *Host) wrap(op string, kind, err error) error {
	var inner *Error
	if !errors.As(err, &inner) {
		return h.fail(op, kind, err)
	}
	if inner.Host == h.Name() {
		return inner
	}
	return h.fail(op, inner.Kind, err).advise(inner.Remedy)
}
