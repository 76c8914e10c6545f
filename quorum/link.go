package quorum

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/clusterup/clusterup/facts"
)

// link follows one endpoint's connection from dial to loss. gRPC reports a connection that could not be made as a line
// of text, or only as a deadline that passed; link keeps the error itself, and how far things had come.
type link struct {
	mu    sync.Mutex
	stage stage
	cause error // why the last dial, handshake or connection failed; nil while there is nothing to say
	// why the connection was given up after one call; the other calls under way are cut off by that, and have no cause
	// of their own
	ended *Error
}

type stage int

const (
	idle stage = iota
	dialing
	handshaking
	connected // the handshake is done; nothing was heard yet
	heard     // at least one byte came back
)

func (l *link) enter(s stage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stage = s
	if s == dialing || s == heard {
		l.cause = nil
	}
}

func (l *link) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cause = err
}

func (l *link) giveUp(why *Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended == nil {
		l.ended = &Error{Kind: why.Kind, Err: why.Err}
	}
}

func (l *link) dial(ctx context.Context, dial func(context.Context) (net.Conn, error)) (net.Conn, error) {
	l.enter(dialing)
	raw, err := dial(ctx)
	if err != nil {
		l.fail(err)
		return nil, err
	}
	return raw, nil
}

func (l *link) handshake(shake func() (net.Conn, error)) (net.Conn, error) {
	l.enter(handshaking)
	secured, err := shake()
	if err != nil {
		l.fail(&handshakeFailed{err})
		return nil, err
	}
	l.enter(connected)
	return &watchedConn{Conn: secured, link: l}, nil
}

// explain finds the cause and the kind of a failed call. parent is the caller's own context, which timeout cut shorter.
func (l *link) explain(parent context.Context, timeout time.Duration, err error) *Error {
	if errors.Is(parent.Err(), context.Canceled) {
		return &Error{Err: context.Cause(parent)}
	}
	if kind, answered := kindOfAnswer(err); answered {
		return &Error{Kind: kind, Err: words(err)}
	}

	l.mu.Lock()
	stage, cause, ended := l.stage, l.cause, l.ended
	l.mu.Unlock()
	code := status.Code(err)
	late := errors.Is(err, context.DeadlineExceeded) || code == codes.DeadlineExceeded
	switch {
	case ended != nil && (late || slices.Contains(transportCodes, code)):
		return &Error{Kind: ended.Kind, Err: ended.Err}
	case cause != nil && (late || slices.Contains(transportCodes, code)):
		return &Error{Kind: kindOfTransport(cause), Err: cause}
	case late && parent.Err() != nil:
		return silence(stage, "in time")
	case late:
		return silence(stage, "within "+timeout.String())
	case code == codes.Unavailable || code == codes.Canceled:
		return &Error{Kind: errUnreachable, Err: words(err)}
	case code == codes.PermissionDenied || code == codes.Unauthenticated:
		return &Error{Kind: facts.ErrPermission, Err: words(err)}
	default:
		return &Error{Err: words(err)}
	}
}

// transportCodes are the codes of a call that failed with its connection: gRPC's own, and Unknown for an error that is
// not gRPC's.
var transportCodes = []codes.Code{codes.Unavailable, codes.Canceled, codes.Unknown}

// words strips "rpc error: code = … desc = " from an answer, and keeps the error itself for errors.As.
func words(err error) error {
	s, ok := status.FromError(err)
	if !ok || s.Message() == "" {
		return err
	}
	return &answered{err, s.Message()}
}

type answered struct {
	error
	message string
}

func (a *answered) Error() string { return a.message }
func (a *answered) Unwrap() error { return a.error }

// silence is the error of a call whose time ran out.
func silence(at stage, when string) *Error {
	switch at {
	case heard:
		return &Error{Err: fmt.Errorf("no answer %s: %w", when, context.DeadlineExceeded)}
	case connected:
		return &Error{
			Kind: errUnreachable,
			Err:  fmt.Errorf("connected, but not a word %s: %w", when, context.DeadlineExceeded),
		}
	case handshaking:
		return &Error{Kind: errUnreachable, Err: fmt.Errorf("no TLS handshake %s: %w", when, context.DeadlineExceeded)}
	default:
		return &Error{Kind: errUnreachable, Err: fmt.Errorf("no connection %s: %w", when, context.DeadlineExceeded)}
	}
}

// watchedCreds tells a link what becomes of the handshake and of the connection after it.
type watchedCreds struct {
	credentials.TransportCredentials
	link *link
}

func (w *watchedCreds) ClientHandshake(ctx context.Context, authority string,
	raw net.Conn,
) (net.Conn, credentials.AuthInfo, error) {
	var info credentials.AuthInfo
	conn, err := w.link.handshake(func() (conn net.Conn, err error) {
		conn, info, err = w.TransportCredentials.ClientHandshake(ctx, authority, raw)
		return conn, err
	})
	return conn, info, err
}

// Clone is part of credentials.TransportCredentials: without it gRPC would go on with the embedded, unwatched ones.
func (w *watchedCreds) Clone() credentials.TransportCredentials {
	return &watchedCreds{TransportCredentials: w.TransportCredentials.Clone(), link: w.link}
}

// watchedConn notes the first byte heard and the error that ended the connection.
type watchedConn struct {
	net.Conn
	link  *link
	heard atomic.Bool
}

func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.heard.Swap(true) {
		c.link.enter(heard)
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		c.link.fail(&lost{err})
	}
	return n, err
}

// lastWords is how long a connection that takes no more bytes may take to say why.
const lastWords = time.Second

// Write looks for the reason when it fails before anything was heard. With TLS 1.3 a member that does not take our
// certificate says so when our side of the handshake is over already, and hangs up: what we notice first is that we
// cannot write.
func (c *watchedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err == nil || c.heard.Load() || errors.Is(err, net.ErrClosed) {
		return n, err
	}
	c.link.fail(&lost{err})
	if c.SetReadDeadline(time.Now().Add(lastWords)) == nil {
		var timeout net.Error
		if _, why := c.Conn.Read(make([]byte, 1)); why != nil && !(errors.As(why, &timeout) && timeout.Timeout()) {
			c.link.fail(&lost{why})
		}
	}
	return n, err
}
