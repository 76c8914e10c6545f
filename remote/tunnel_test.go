package remote

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestTunnel(t *testing.T) {
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body) //nolint:errcheck // the client sees it
	}))
	defer web.Close()
	_, h := pair(t)
	transport := web.Client().Transport.(*http.Transport).Clone()
	transport.DialContext = h.DialContext
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	content := strings.Repeat("x", 3<<20)
	answer, err := client.Post(web.URL, "text/plain", strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if got, err := io.ReadAll(answer.Body); err != nil || string(got) != content {
		t.Errorf("%d bytes came back of %d, %v", len(got), len(content), err)
	}
}

func TestTunnelDeadline(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s, h := pair(t)
	conn, err := h.DialContext(t.Context(), "tcp", silent.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read gave %v", err)
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	s.cut()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after a cut, read gave %v", err)
	}
	if got := conn.RemoteAddr().String(); got != silent.Addr().String() {
		t.Errorf("remote address %s", got)
	}
}

func TestNoTunnel(t *testing.T) {
	tests := []struct {
		name, network, addr, text, remedy string
		set                               func(*server)
	}{
		{
			name: "nobody listens", network: "tcp", addr: "127.0.0.1:1",
			text: "etcd-1: connect to 127.0.0.1:1: connect failed: Connection refused",
		},
		{
			name: "not allowed", network: "tcp", addr: "127.0.0.1:1", text: "administratively prohibited",
			remedy: "AllowTcpForwarding",
			set:    func(s *server) { s.noForward = true },
		},
		{name: "udp", network: "udp", addr: "127.0.0.1:1", text: "network udp is not tcp"},
		{name: "no port", network: "tcp", addr: "127.0.0.1", text: "missing port"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, h := pair(t, func(s *server) {
				if test.set != nil {
					test.set(s)
				}
			})
			_, err := h.DialContext(t.Context(), test.network, test.addr)
			var e *Error
			if !errors.Is(err, errTunnel) || !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(err.Error(), test.text) || !strings.Contains(e.Remedy, test.remedy) {
				t.Errorf("error %q, remedy %q", err, e.Remedy)
			}
		})
	}
}

func TestJumpHosts(t *testing.T) {
	c := newClient(t)
	c.dialer.init()
	c.dialer.starts = make(chan struct{}, 1)
	outer := startServer(t, c.signer.PublicKey())
	middle := startServer(t, c.signer.PublicKey())
	first, second := c.config(t, outer), c.config(t, middle)
	first.Name, second.Name = "", "bastion-2"
	var hosts []*Host
	for i := range 3 {
		inner := startServer(t, c.signer.PublicKey())
		cfg := c.config(t, inner)
		cfg.Name = fmt.Sprintf("etcd-%d", i)
		cfg.Jump = []Config{first, second}
		hosts = append(hosts, c.host(t, cfg))
	}
	var all sync.WaitGroup
	for i, h := range hosts {
		all.Go(func() {
			if out, err := h.Script(t.Context(), "printf %s "+h.Name()); err != nil || string(out) != fmt.Sprintf("etcd-%d", i) {
				t.Errorf("%q, %v", out, err)
			}
		})
	}
	all.Wait()
	if a, b := outer.dials.Load(), middle.dials.Load(); a != 1 || b != 1 {
		t.Errorf("%d and %d connections to the jump hosts, want one each", a, b)
	}

	// All three come back after the first jump host lost its connections.
	outer.cut()
	for _, h := range hosts {
		eventually(t, "the cut has arrived", func() bool { return h.live() == nil })
		if _, err := h.Script(t.Context(), "true"); err != nil {
			t.Error(err)
		}
	}

	for _, h := range hosts {
		h.Close()
	}
	var jumps []*conn
	for _, h := range c.dialer.jumps {
		jumps = append(jumps, h.live())
	}
	c.dialer.Close()
	for _, jump := range jumps {
		eventually(t, "a jump host is let go", jump.dead)
	}
	if len(jumps) != 2 {
		t.Errorf("%d jump hosts", len(jumps))
	}
}

func TestJumpHostFails(t *testing.T) {
	c := newClient(t)
	stranger, _ := newKey(t)
	outer := startServer(t, stranger.PublicKey())
	inner := startServer(t, c.signer.PublicKey())
	cfg := c.config(t, inner)
	cfg.Jump = []Config{c.config(t, outer)}
	cfg.Jump[0].Name = "bastion"
	err := c.host(t, cfg).Connect(t.Context())
	var e *Error
	if !errors.Is(err, ErrAuth) || !errors.As(err, &e) || e.Host != "etcd-1" || e.Remedy == "" {
		t.Fatalf("got %#v", err)
	}
	if !strings.HasPrefix(err.Error(), "etcd-1: connect: bastion: connect: user ops: none accepted of ") {
		t.Errorf("error %q", err)
	}
}
