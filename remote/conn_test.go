package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/clusterup/clusterup/shellword"
)

func TestUnreachable(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { web.Close() })
	go func() {
		for {
			conn, err := web.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, "HTTP/1.0 400 Bad Request\r\n\r\n") //nolint:errcheck // as web servers do
			conn.Close()
		}
	}()
	port := func(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
	tests := []struct {
		name, address string
		port          int
		text, remedy  string
	}{
		{"refused", "127.0.0.1", port(closed), "connection refused", "sshd runs there"},
		{"silent", "127.0.0.1", port(silent), "no answer in time (300ms)", "firewalls"},
		{"not ssh", "127.0.0.1", port(web), "", ""},
		{"no such name", "no-such-host.invalid", 22, "no-such-host.invalid", "check the address"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			h := c.host(t, Config{
				Name: "etcd-1", Address: test.address, Port: test.port, User: "ops",
				IdentityFiles: []string{c.key}, KnownHosts: []string{c.known}, ConnectTimeout: 300 * time.Millisecond,
			})
			err := h.Connect(t.Context())
			var e *Error
			if !errors.Is(err, ErrUnreachable) || !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if !strings.HasPrefix(err.Error(), "etcd-1: connect: ") || !strings.Contains(err.Error(), test.text) ||
				!strings.Contains(e.Remedy, test.remedy) {
				t.Errorf("error %q, remedy %q", err, e.Remedy)
			}
		})
	}
}

// A host that is switched off answers nothing, and the last router says so, or this machine itself.
func TestHostIsOff(t *testing.T) {
	for _, cause := range []error{syscall.EHOSTUNREACH, syscall.ENETUNREACH} {
		l := &login{Host: &Host{cfg: Config{Name: "etcd-1", Address: "192.0.2.1"}}}
		err := l.unreachable(t.Context(), &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", cause)})
		var e *Error
		if !errors.Is(err, ErrUnreachable) || !errors.As(err, &e) ||
			e.Remedy != "check that the host is up, its address, and routes" {
			t.Errorf("%v: got %v", cause, err)
		}
	}
}

func TestDroppedConnectionsAreTriedAgain(t *testing.T) {
	s, h := pair(t, func(s *server) { s.drops.Store(2) })
	if err := h.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.dials.Load(); n != 3 {
		t.Errorf("%d dials, want 3", n)
	}
	s, h = pair(t, func(s *server) { s.drops.Store(100) })
	if err := h.Connect(t.Context()); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v", err)
	}
	if n := s.dials.Load(); n != handshakeTries {
		t.Errorf("%d dials, want %d", n, handshakeTries)
	}
}

func TestConnectCancelled(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c := newClient(t)
	h := c.host(t, Config{
		Name: "etcd-1", Address: "127.0.0.1", Port: silent.Addr().(*net.TCPAddr).Port,
		KnownHosts: []string{c.known},
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Connect(ctx) }()
	conn, err := silent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestDeadConnectionIsDialledAgain(t *testing.T) {
	s, h := pair(t)
	for i := range 3 {
		if out, err := h.Script(t.Context(), "echo alive"); err != nil || string(out) != "alive\n" {
			t.Fatalf("round %d: %q, %v", i, out, err)
		}
		s.cut()
		eventually(t, "that is noticed", func() bool { return h.live() == nil })
	}
	if got := h.Stats(); got.Dials != 3 || got.Sessions != 3 || got.RoundTrips < 9 || got.BytesSent == 0 ||
		got.BytesReceived == 0 {
		t.Errorf("stats %+v", got)
	}
}

func TestConnectionIsHeld(t *testing.T) {
	s, h := pair(t)
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			if _, err := h.Script(t.Context(), "cat"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := s.dials.Load(); n != 1 {
		t.Errorf("%d dials for 12 scripts", n)
	}
}

func TestHostThatFallsSilent(t *testing.T) {
	c := newClient(t)
	s := startServer(t, c.signer.PublicKey())
	c.dialer.keepalive = 20 * time.Millisecond
	h := c.host(t, c.config(t, s))
	if err := h.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.mute.Store(true)
	if _, err := h.Script(t.Context(), "sleep 600"); !errors.Is(err, ErrLost) {
		t.Errorf("got %v, want %v", err, ErrLost)
	}
}

func TestFewSessions(t *testing.T) {
	s, h := pair(t, func(s *server) { s.maxSessions = 1 })
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			if out, err := h.Script(t.Context(), "cat; echo "+fmt.Sprint(i)); err != nil || string(out) != fmt.Sprintln(i) {
				t.Errorf("%q, %v", out, err)
			}
		})
	}
	all.Wait()
	if n := s.dials.Load(); n != 1 {
		t.Errorf("%d dials, want 1", n)
	}
}

func TestNoSessions(t *testing.T) {
	_, h := pair(t, func(s *server) { s.maxSessions = 1; s.open.Store(1) })
	_, err := h.Script(t.Context(), "true")
	var e *Error
	if !errors.Is(err, errSessions) || !errors.As(err, &e) || !strings.Contains(e.Remedy, "MaxSessions") {
		t.Errorf("got %v", err)
	}
}

func TestStartsAreCapped(t *testing.T) {
	c := newClient(t)
	c.dialer.init()
	c.dialer.starts = make(chan struct{}, 1)
	var mu sync.Mutex
	now, most := 0, 0
	gate := func(delta int) {
		mu.Lock()
		defer mu.Unlock()
		now += delta
		most = max(most, now)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() { // a host that hangs up on everybody, after it has heard a greeting
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			gate(1)
			go func() {
				io.ReadFull(conn, make([]byte, 8)) //nolint:errcheck // it is no matter what they say
				gate(-1)
				conn.Close()
			}()
		}
	}()
	var all sync.WaitGroup
	for i := range 8 {
		h := c.host(t, Config{
			Name: fmt.Sprint(i), Address: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port,
			KnownHosts: []string{c.known},
		})
		all.Go(func() {
			if err := h.Connect(t.Context()); !errors.Is(err, ErrUnreachable) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	mu.Lock()
	defer mu.Unlock()
	if most != 1 {
		t.Errorf("%d starts at once, want 1", most)
	}
}

func TestClosedHost(t *testing.T) {
	_, h := pair(t)
	if err := h.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.Close()
	h.Close()
	if _, err := h.Script(t.Context(), "true"); !errors.Is(err, ErrLost) {
		t.Errorf("got %v", err)
	}
}

func TestManyHosts(t *testing.T) {
	c := newClient(t)
	c.dialer.AcceptNewHostKeys = true
	var all sync.WaitGroup
	for i := range 12 {
		s := startServer(t, c.signer.PublicKey())
		cfg := c.stranger(s)
		cfg.Name = fmt.Sprintf("etcd-%d", i)
		h := c.host(t, cfg)
		dir := t.TempDir()
		all.Go(func() {
			files := []File{
				{Path: dir + "/big", Mode: 0o755, Content: randomBytes(200 << 10)},
				{Path: dir + "/small", Mode: 0o600, Content: []byte("x")},
			}
			if err := putOne(t.Context(), h, "", files, ""); err != nil {
				t.Error(err)
			}
			if out, err := h.Script(t.Context(), "cat "+shellword.Quote(dir)+"/small"); err != nil || string(out) != "x" {
				t.Errorf("%q, %v", out, err)
			}
		})
	}
	all.Wait()
}
