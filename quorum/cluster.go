package quorum

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// defaultTimeout is how long one call may take when Config says nothing. It is shorter than the time after which etcd
// itself gives up a request (7 s with the default election timeout), so a hung member costs no more than this.
const defaultTimeout = 5 * time.Second

// Config says how to reach the members of one cluster. Its zero value dials directly, without TLS.
type Config struct {
	// TLS holds the client certificate and the roots that members are checked against. It is cloned; the server name is
	// set from the host part of each endpoint. Nil: only http endpoints can be asked.
	TLS *tls.Config

	// Dial makes the raw connection to endpoint, "host:port" of a member's client URL, IPv6 hosts in brackets. It may
	// be called from several goroutines, and again after a connection was lost. Its context outlives the call that
	// needed the connection first: it ends after twice the Timeout, or when the connection is given up. Nil: a direct
	// TCP connection.
	Dial func(ctx context.Context, endpoint string) (net.Conn, error)

	// Timeout bounds each call, including the dial if there is no connection yet. Zero: defaultTimeout.
	Timeout time.Duration
}

// Cluster is a set of connections to members, one for each endpoint, made when they are first needed and held. An
// endpoint is a client URL such as https://10.0.0.11:2379 or https://[fd00::1]:2379. A connection that cannot be made
// or is lost is forgotten, so that the next call tries afresh. All methods may be called from several goroutines; calls
// on the same endpoint share its connection. All errors are *Error.
type Cluster struct {
	cfg Config

	quiet    time.Duration                  // see maxQuiet
	hashTime func(size int64) time.Duration // see hashTime
	maxAuth  int64                          // see maxAuth

	mu     sync.Mutex
	closed bool
	conns  map[string]*conn
}

// conn is what is held for one endpoint.
type conn struct {
	endpoint string
	client   *clientv3.Client
	link     *link // what became of client's connection
	http     *http.Client
	httpLink *link
}

// New makes a Cluster. It does not touch the network.
func New(cfg Config) *Cluster {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Dial == nil {
		cfg.Dial = func(ctx context.Context, endpoint string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", endpoint)
		}
	}
	return &Cluster{cfg: cfg, quiet: maxQuiet, hashTime: hashTime, maxAuth: maxAuth, conns: map[string]*conn{}}
}

// Close ends all connections; calls under way fail, and so does every later one. Closing twice is fine.
func (c *Cluster) Close() error {
	c.mu.Lock()
	conns := c.conns
	c.conns, c.closed = nil, true
	c.mu.Unlock()

	var errs []error
	for _, n := range conns {
		errs = append(errs, n.close())
	}
	return errors.Join(errs...)
}

// conn gives the connection to an endpoint, which may not have been dialled yet.
func (c *Cluster) conn(endpoint string) (*conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, net.ErrClosed
	}
	if n := c.conns[endpoint]; n != nil {
		return n, nil
	}
	n, err := open(endpoint, c.cfg)
	if err != nil {
		return nil, err
	}
	c.conns[endpoint] = n
	return n, nil
}

// forget drops a connection that failed, unless another one has taken its place already.
func (c *Cluster) forget(n *conn) {
	c.mu.Lock()
	if c.conns[n.endpoint] == n {
		delete(c.conns, n.endpoint)
	}
	c.mu.Unlock()
	// An error of Close helps nobody: the connection is broken anyway.
	_ = n.close()
}

func (n *conn) close() error {
	n.http.CloseIdleConnections()
	return n.client.Close()
}

// ask makes one call on one endpoint, within the timeout, and turns what goes wrong into an *Error.
func ask[T any](ctx context.Context, c *Cluster, endpoint, op string,
	do func(context.Context, *conn) (T, error),
) (T, error) {
	var v T
	n, err := c.conn(endpoint)
	if err != nil {
		return v, &Error{Endpoint: endpoint, Op: op, Err: err}
	}
	bounded, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()

	got, err := do(bounded, n)
	if err != nil {
		return v, c.fault(ctx, n, op, err)
	}
	return got, nil
}

// fault makes an *Error of what went wrong on a connection, and forgets that connection when it is of no more use. ctx
// is the caller's own.
func (c *Cluster) fault(ctx context.Context, n *conn, op string, err error) *Error {
	var fault *Error
	if !errors.As(err, &fault) {
		fault = n.link.explain(ctx, c.cfg.Timeout, err)
		if fault.broken() {
			n.link.giveUp(fault)
			c.forget(n)
		}
	}
	fault.Endpoint, fault.Op = n.endpoint, op
	return fault
}
