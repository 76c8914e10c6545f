package quorum

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
)

// quick is the timeout of tests that wait for it to pass; long enough for a loaded machine to connect within it.
const quick = 300 * time.Millisecond

// everyCall is each method that asks a member.
var everyCall = map[string]func(context.Context, *Cluster, string) error{
	"Status": func(ctx context.Context, c *Cluster, ep string) error { _, err := c.Status(ctx, ep); return err },
	"Members": func(ctx context.Context, c *Cluster, ep string) error {
		_, _, err := c.Members(ctx, ep, true)
		return err
	},
	"Alarms":           func(ctx context.Context, c *Cluster, ep string) error { _, err := c.Alarms(ctx, ep); return err },
	"ReadLinearizable": func(ctx context.Context, c *Cluster, ep string) error { return c.ReadLinearizable(ctx, ep) },
	"Canary": func(ctx context.Context, c *Cluster, ep string) error {
		return c.Canary(ctx, ep, canaryKey, "v")
	},
	"MoveLeader": func(ctx context.Context, c *Cluster, ep string) error { return c.MoveLeader(ctx, ep, 1) },
	"UpdateMember": func(ctx context.Context, c *Cluster, ep string) error {
		return c.UpdateMember(ctx, ep, 1, []string{"https://192.0.2.12:2380"})
	},
	"AddLearner": func(ctx context.Context, c *Cluster, ep string) error {
		return c.AddLearner(ctx, ep, []string{"https://192.0.2.12:2380"})
	},
	"PromoteMember": func(ctx context.Context, c *Cluster, ep string) error { return c.PromoteMember(ctx, ep, 1) },
	"RemoveMember":  func(ctx context.Context, c *Cluster, ep string) error { return c.RemoveMember(ctx, ep, 1) },
	"Downgrade": func(ctx context.Context, c *Cluster, ep string) error {
		return c.Downgrade(ctx, ep, ValidateDowngrade, "3.5")
	},
	"HashKV":     func(ctx context.Context, c *Cluster, ep string) error { _, err := c.HashKV(ctx, ep, 7); return err },
	"HashKV now": func(ctx context.Context, c *Cluster, ep string) error { _, err := c.HashKV(ctx, ep, 0); return err },
	"Revision":   func(ctx context.Context, c *Cluster, ep string) error { _, err := c.Revision(ctx, ep); return err },
	"Snapshot": func(ctx context.Context, c *Cluster, ep string) error {
		_, err := c.Snapshot(ctx, ep, io.Discard, nil)
		return err
	},
	"ClusterVersion": func(ctx context.Context, c *Cluster, ep string) error {
		_, err := c.ClusterVersion(ctx, ep)
		return err
	},
}

// listen gives a port on loopback where handle gets each connection.
func listen(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			handle(conn)
		}
	}()
	return ln.Addr().String()
}

func closedPort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// The real cause reaches the caller, at once, whatever is asked.
func TestConnectionErrors(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	good := func(t *testing.T) *tls.Config { return ca.client(t) }
	for _, tc := range []struct {
		name   string
		addr   func(*testing.T) string
		client func(*testing.T) *tls.Config
		kind   error
		is     error // also in the chain
		text   string
	}{
		{"nothing listens", closedPort, good, errUnreachable, syscall.ECONNREFUSED, "connection refused"},
		{
			"closes at once",
			func(t *testing.T) string { return listen(t, func(c net.Conn) { c.Close() }) },
			good, errUnreachable, nil, "TLS handshake: ",
		},
		{
			"speaks no TLS",
			func(t *testing.T) string {
				return listen(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") })
			},
			good, facts.ErrTLS, nil, "does not look like a TLS handshake",
		},
		{
			"certificate for another host",
			func(t *testing.T) string { return (&fake{}).serve(t, ca.server(t, "192.0.2.99")).addr },
			good, facts.ErrTLS, nil, "valid for 192.0.2.99, not 192.0.2.11",
		},
		{
			"certificate of another CA",
			func(t *testing.T) string {
				t.Helper()
				return (&fake{}).serve(t, stranger.server(t, "192.0.2.11")).addr
			},
			good, facts.ErrTLS, nil, "signed by unknown authority",
		},
		{
			"expired certificate",
			func(t *testing.T) string {
				conf := ca.server(t, "192.0.2.11")
				conf.Certificates[0] = ca.leaf(t, func(c *x509.Certificate) {
					c.NotAfter, c.IPAddresses = time.Now().Add(-time.Minute), []net.IP{net.ParseIP("192.0.2.11")}
				})
				return (&fake{}).serve(t, conf).addr
			},
			good, facts.ErrTLS, nil, "expired",
		},
		{
			"our certificate is not trusted",
			func(t *testing.T) string { return (&fake{}).serve(t, ca.server(t, "192.0.2.11")).addr },
			func(t *testing.T) *tls.Config {
				conf := ca.client(t)
				// Offered even though the member does not ask for this CA.
				cert := stranger.leaf(t, nil)
				conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
				return conf
			},
			facts.ErrTLS, nil, "remote error: tls: ",
		},
		{
			"we have no certificate",
			func(t *testing.T) string { return (&fake{}).serve(t, ca.server(t, "192.0.2.11")).addr },
			func(t *testing.T) *tls.Config {
				return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: ca.pool()}
			},
			facts.ErrTLS, nil, "remote error: tls: certificate required",
		},
	} {
		for call, do := range everyCall {
			t.Run(tc.name+"/"+call, func(t *testing.T) {
				t.Parallel()
				d := &dialer{routes: map[string]string{"192.0.2.11:2379": tc.addr(t)}}
				c := cluster(t, Config{TLS: tc.client(t), Dial: d.dial, Timeout: time.Minute})
				err := do(t.Context(), c, epIPv4) // within a minute, or the test itself runs out of time
				checkError(t, err, tc.kind, tc.is, tc.text)
			})
		}
	}
}

func checkError(t *testing.T, err, kind, is error, text string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	if e.Endpoint != epIPv4 || e.Op == "" || !errors.Is(e.Kind, kind) {
		t.Errorf("endpoint %q, op %q, kind %v, want kind %v", e.Endpoint, e.Op, e.Kind, kind)
	}
	if is != nil && !errors.Is(err, is) {
		t.Errorf("%v is not a %v", err, is)
	}
	if !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "rpc error") ||
		strings.Contains(err.Error(), "desc =") {
		t.Errorf("message %q, want it to say %q in plain words", err, text)
	}
}

// Silence is reported with how far things had come.
func TestSilence(t *testing.T) {
	ca := newAuthority(t)
	deaf := func(t *testing.T) string { return listen(t, func(net.Conn) {}) }
	hangs := func(t *testing.T) string {
		t.Helper()
		return (&fake{hang: map[string]bool{"Status": true}}).serve(t, ca.server(t, "192.0.2.11")).addr
	}
	for _, tc := range []struct {
		name     string
		endpoint string
		dial     func(*testing.T) func(context.Context, string) (net.Conn, error)
		kind     error
		text     string
	}{
		{"no connection", epIPv4, func(*testing.T) func(context.Context, string) (net.Conn, error) {
			return func(ctx context.Context, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
		}, errUnreachable, "no connection within 300ms"},
		{"no handshake", epIPv4, to(deaf), errUnreachable, "no TLS handshake within 300ms"},
		{"no word", "http://192.0.2.11:2379", to(deaf), errUnreachable, "connected, but not a word within 300ms"},
		{"no answer", epIPv4, to(hangs), context.DeadlineExceeded, "no answer within 300ms"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := cluster(t, Config{TLS: ca.client(t), Dial: tc.dial(t), Timeout: quick})
			_, err := c.Status(t.Context(), tc.endpoint)
			if !errors.Is(err, tc.kind) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("kind of %v is not %v", err, tc.kind)
			}
			if want := "ask status of " + tc.endpoint + ": " + tc.text + ": context deadline exceeded"; errorText(err) != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func to(addr func(*testing.T) string) func(*testing.T) func(context.Context, string) (net.Conn, error) {
	return func(t *testing.T) func(context.Context, string) (net.Conn, error) {
		t.Helper()
		d := &dialer{routes: map[string]string{"192.0.2.11:2379": addr(t)}}
		return d.dial
	}
}

// A caller who cancels hears just that.
func TestCancelled(t *testing.T) {
	for call, do := range everyCall {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			dial := func(dctx context.Context, _ string) (net.Conn, error) {
				cancel()
				<-dctx.Done()
				return nil, dctx.Err()
			}
			c := cluster(t, Config{TLS: newAuthority(t).client(t), Dial: dial, Timeout: quick})
			err := do(ctx, c, epIPv4)
			var e *Error
			if !errors.Is(err, context.Canceled) || !errors.As(err, &e) || e.Kind != nil {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A member that comes up after a failed call is found by the next one, without waiting for anything in between.
func TestNextCallTriesAfresh(t *testing.T) {
	ca := newAuthority(t)
	d := &dialer{routes: map[string]string{"192.0.2.11:2379": closedPort(t)}}
	c := cluster(t, Config{TLS: ca.client(t), Dial: d.dial})
	for range 3 {
		if _, err := c.Status(t.Context(), epIPv4); !errors.Is(err, errUnreachable) {
			t.Fatalf("while down: %v", err)
		}
	}
	d.routes = map[string]string{"192.0.2.11:2379": (&fake{status: aStatus()}).serve(t, ca.server(t, "192.0.2.11")).addr}
	if _, err := c.Status(t.Context(), epIPv4); err != nil {
		t.Errorf("once up: %v", err)
	}
}

// Calls that are cut off since another one has given their connection up say why that one did.
func TestGivenUp(t *testing.T) {
	ca := newAuthority(t)
	c := cluster(t, Config{
		TLS:  ca.client(t),
		Dial: to(func(t *testing.T) string { return listen(t, func(net.Conn) {}) })(t), Timeout: quick,
	})
	const calls = 16
	errs := make(chan error, calls)
	for range calls {
		go func() {
			_, err := c.Status(t.Context(), epIPv4)
			errs <- err
		}()
	}
	for range calls {
		if err := <-errs; !errors.Is(err, errUnreachable) || !strings.Contains(err.Error(), "no TLS handshake within 300ms") {
			t.Errorf("a call says %v", err)
		}
	}
}

// A connection that breaks under a call is an error of that call only.
func TestLostConnection(t *testing.T) {
	ca := newAuthority(t)
	f := (&fake{status: aStatus(), hang: map[string]bool{"MemberList": true}, hanging: make(chan struct{})}).serve(t,
		ca.server(t, "192.0.2.11"))
	conns := make(chan net.Conn, 2)
	c := cluster(t, Config{TLS: ca.client(t), Dial: func(ctx context.Context, _ string) (net.Conn, error) {
		var nd net.Dialer
		conn, err := nd.DialContext(ctx, "tcp", f.addr)
		conns <- conn
		return conn, err
	}})
	if _, err := c.Status(t.Context(), epIPv4); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, _, err := c.Members(t.Context(), epIPv4, true)
		failed <- err
	}()
	<-f.hanging
	if err := (<-conns).(*net.TCPConn).CloseRead(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !errors.Is(err, errUnreachable) {
		t.Errorf("the call that was cut: %v", err)
	}
	if _, err := c.Status(t.Context(), epIPv4); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

func TestEndpoints(t *testing.T) {
	for _, tc := range []struct{ endpoint, text string }{
		{"", "want http:// or https://"},
		{"192.0.2.11:2379", "parse endpoint: "},
		{"ftp://192.0.2.11:2379", "want http:// or https://"},
		{"https://192.0.2.11", "want a host and a port"},
		{"https://:2379", "want a host and a port"},
		{"https://192.0.2.11:2379/v3", "want nothing but scheme, host and port"},
		{"https://root:x@192.0.2.11:2379", "want nothing but scheme, host and port"},
		{"https://192.0.2.11:2379", "https needs a client certificate"},
	} {
		t.Run(tc.endpoint, func(t *testing.T) {
			d := &dialer{}
			c := cluster(t, Config{Dial: d.dial})
			_, err := c.Status(t.Context(), tc.endpoint)
			if err == nil || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("got %v, want %q", err, tc.text)
			}
			if n := d.dials.Load(); n != 0 {
				t.Errorf("%d dials, want 0", n)
			}
		})
	}
}
