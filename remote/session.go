package remote

import (
	"context"
	"errors"
	"time"

	"golang.org/x/crypto/ssh"
)

// A host may be slower in ending a session than we are in opening the next: this many tries, the first wait of this
// length.
const (
	sessionTries = 6
	sessionPause = 30 * time.Millisecond
)

// session is an open SSH session and the connection that it counts on.
type session struct {
	*ssh.Session
	conn *conn
	done func() // after Close
}

// manner is how a session shares the host with our others.
type manner int

const (
	queued  manner = iota // waits for its turn, and is held afterwards
	staying               // stays; others do not wait for it
)

// errShellFree means that there is a shell that nobody uses.
var errShellFree = errors.New("a shell is free")

// open gets a session, with a new connection if the old one turns out to be dead: nothing has run yet, so that is
// safe. Where the host allows fewer sessions than we would like, it waits for one of ours to end, or to be free
// (errShellFree).
func (h *Host) open(ctx context.Context, op string, m manner) (*session, error) {
	redialled := false
	for try := 0; ; {
		c, err := h.connect(ctx)
		if err != nil {
			return nil, err
		}
		active, holds, ended := c.users()
		if m == queued && h.hasIdle() {
			return nil, errShellFree
		}
		left := c.begin(m == staying)
		s, err := newSession(ctx, c)
		if err == nil {
			h.stats.sessions.Add(1)
			return &session{Session: s, conn: c, done: left}, nil
		}
		left()
		var refused *ssh.OpenChannelError
		switch {
		case ctx.Err() != nil:
			return nil, h.fail(op, nil, context.Cause(ctx))
		case !errors.As(err, &refused) && !redialled:
			redialled = true
			h.drop(c)
		case !errors.As(err, &refused):
			return nil, h.fail(op, ErrLost, err)
		case h.shed():
		case active > 0:
			if err := wait(ctx, ended); err != nil {
				return nil, h.fail(op, nil, err)
			}
		case holds > 0:
			h.drop(c) // a hold fills the connection, for as long as it lasts: go on over another one
		case try < sessionTries:
			if err := pause(ctx, sessionPause<<try); err != nil {
				return nil, h.fail(op, nil, err)
			}
			try++
		default:
			return nil, h.fail(op, errSessions, err).advise("check MaxSessions and the user's limits in sshd_config of the host")
		}
	}
}

// newSession is ssh.Client.NewSession that a context can leave.
func newSession(ctx context.Context, c *conn) (*ssh.Session, error) {
	type result struct {
		s   *ssh.Session
		err error
	}
	opened := make(chan result)
	go func() {
		s, err := c.client.NewSession()
		select {
		case opened <- result{s, err}:
		case <-ctx.Done():
			if s != nil {
				s.Close()
			}
		}
	}()
	select {
	case r := <-opened:
		return r.s, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
