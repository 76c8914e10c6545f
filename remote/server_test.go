package remote

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"
)

// server is an SSH server in this process that runs commands with a real /bin/sh, as sshd does: each in a session of
// its own, left alone when the connection goes.
type server struct {
	t       *testing.T
	key     ssh.Signer
	addr    string
	port    int
	prelude string // what the login shell does first
	sudoLog string // what its sudo has been given to read
	shell   []string
	env     []string
	allowed []ssh.PublicKey

	login       func(*ssh.ServerConfig, net.Conn) // changes how users get in
	kex         []string                          // key exchanges on offer; nil: the usual ones
	maxSessions int                               // at once
	perConn     bool                              // … on each connection; otherwise on the host
	noForward   bool
	drops       atomic.Int32 // connections to drop before the handshake
	dials       atomic.Int32
	open        atomic.Int32 // sessions now
	live        atomic.Int32 // connections now
	mute        atomic.Bool  // answer no keepalives

	mu       sync.Mutex
	conns    []net.Conn
	commands []string
	received int64 // bytes of session input
	cutAfter int64 // of session input; 0: never
}

func newKey(t *testing.T) (ssh.Signer, ed25519.PrivateKey) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer, private
}

func startServer(t *testing.T, user ssh.PublicKey, options ...func(*server)) *server {
	t.Helper()
	key, _ := newKey(t)
	s := &server{t: t, key: key, shell: []string{"/bin/sh", "-c"}, allowed: []ssh.PublicKey{user}}
	for _, option := range options {
		option(s)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	s.port = listener.Addr().(*net.TCPAddr).Port
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			all.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		s.cut()
		all.Wait()
	})
	return s
}

// cut ends all connections, as a pulled cable with a reset would.
func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

func (s *server) config(conn net.Conn) *ssh.ServerConfig {
	config := &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			checker := ssh.CertChecker{
				IsUserAuthority: func(auth ssh.PublicKey) bool { return s.accepts(auth) },
				UserKeyFallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
					if s.accepts(key) {
						return nil, nil
					}
					return nil, errors.New("no such key")
				},
			}
			return checker.Authenticate(fakeMeta{}, key)
		},
	}
	config.KeyExchanges = s.kex
	if s.login != nil {
		s.login(config, conn)
	}
	config.AddHostKey(s.key)
	return config
}

// fakeMeta makes every certificate be for the user "ops".
type fakeMeta struct{ ssh.ConnMetadata }

func (fakeMeta) User() string         { return "ops" }
func (fakeMeta) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (s *server) accepts(key ssh.PublicKey) bool {
	return slices.ContainsFunc(s.allowed,
		func(k ssh.PublicKey) bool { return string(k.Marshal()) == string(key.Marshal()) })
}

func (s *server) serve(conn net.Conn) {
	defer conn.Close()
	s.dials.Add(1)
	if s.drops.Add(-1) >= 0 {
		return
	}
	c, channels, requests, err := ssh.NewServerConn(conn, s.config(conn))
	if err != nil {
		return
	}
	s.live.Add(1)
	defer s.live.Add(-1)
	open := &s.open
	if s.perConn {
		open = new(atomic.Int32)
	}
	var all sync.WaitGroup
	defer all.Wait()
	defer c.Close()
	all.Go(func() {
		for r := range requests {
			if r.WantReply && !s.mute.Load() {
				r.Reply(false, nil)
			}
		}
	})
	for ch := range channels {
		switch ch.ChannelType() {
		case "session":
			if n := open.Add(1); s.maxSessions > 0 && n > int32(s.maxSessions) {
				open.Add(-1)
				ch.Reject(ssh.ConnectionFailed, "open failed")
				continue
			}
			channel, in, err := ch.Accept()
			if err != nil {
				continue
			}
			all.Go(func() {
				defer open.Add(-1)
				s.session(channel, in)
			})
		case "direct-tcpip":
			all.Go(func() { s.forward(ch) })
		default:
			ch.Reject(ssh.UnknownChannelType, "no")
		}
	}
}

func (s *server) forward(ch ssh.NewChannel) {
	var to struct {
		Host  string
		Port  uint32
		From  string
		FPort uint32
	}
	if err := ssh.Unmarshal(ch.ExtraData(), &to); err != nil || s.noForward {
		ch.Reject(ssh.Prohibited, "administratively prohibited")
		return
	}
	conn, err := net.Dial("tcp", net.JoinHostPort(to.Host, strconv.Itoa(int(to.Port))))
	if err != nil {
		ch.Reject(ssh.ConnectionFailed, "Connection refused")
		return
	}
	channel, in, err := ch.Accept()
	if err != nil {
		conn.Close()
		return
	}
	go ssh.DiscardRequests(in)
	var both sync.WaitGroup
	both.Go(func() { io.Copy(conn, channel); conn.(*net.TCPConn).CloseWrite() })
	both.Go(func() { io.Copy(channel, conn); channel.CloseWrite() })
	both.Wait()
	channel.Close()
	conn.Close()
}

func (s *server) session(channel ssh.Channel, in <-chan *ssh.Request) {
	defer channel.Close()
	for r := range in {
		if r.Type != "exec" {
			r.Reply(false, nil)
			continue
		}
		var line struct{ Line string }
		if err := ssh.Unmarshal(r.Payload, &line); err != nil {
			r.Reply(false, nil)
			return
		}
		r.Reply(true, nil)
		go ssh.DiscardRequests(in)
		s.exec(channel, line.Line)
		return
	}
}

func (s *server) exec(channel ssh.Channel, line string) {
	s.mu.Lock()
	s.commands = append(s.commands, line)
	s.mu.Unlock()
	cmd := exec.Command(s.shell[0], append(s.shell[1:], s.prelude+line)...)
	cmd.Env = append([]string{"PATH=/usr/local/bin:/usr/bin:/bin"}, s.env...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		s.t.Error(err)
		return
	}
	if err := cmd.Start(); err != nil {
		s.t.Error(err)
		return
	}
	go func() {
		io.Copy(stdin, &meter{s: s, r: channel})
		stdin.Close()
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	status := uint32(0)
	if errors.As(err, &exit) {
		if w, ok := exit.Sys().(syscall.WaitStatus); ok && w.Signaled() {
			channel.SendRequest("exit-signal", false, ssh.Marshal(&struct {
				Signal string
				Core   bool
				Msg    string
				Lang   string
			}{"KILL", false, "", ""}))
			return
		}
		status = uint32(exit.ExitCode())
	}
	channel.SendRequest("exit-status", false, ssh.Marshal(&struct{ Status uint32 }{status}))
}

// meter counts session input, and cuts the connection when it has seen enough.
type meter struct {
	s *server
	r io.Reader
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.s.mu.Lock()
	m.s.received += int64(n)
	cut := m.s.cutAfter > 0 && m.s.received > m.s.cutAfter
	if cut {
		m.s.cutAfter = 0
	}
	m.s.mu.Unlock()
	if cut {
		m.s.cut()
		return 0, io.EOF
	}
	return n, err
}

// input is how many bytes sessions have received since the last call.
func (s *server) input() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.received
	s.received = 0
	return n
}

// client is everything that one side of a test needs.
type client struct {
	dir    string
	dialer *Dialer
	signer ssh.Signer
	key    string // identity file
	known  string
}

func newClient(t *testing.T) *client {
	t.Helper()
	signer, private := newKey(t)
	dir := t.TempDir()
	c := &client{
		dir: dir, dialer: &Dialer{}, signer: signer, key: filepath.Join(dir, "id"),
		known: filepath.Join(dir, "known_hosts"),
	}
	writeKey(t, c.key, private, "")
	t.Cleanup(func() { c.dialer.Close() })
	return c
}

// config trusts s's key.
func (c *client) config(t *testing.T, s *server) Config {
	t.Helper()
	line := fmt.Sprintf("[127.0.0.1]:%d %s", s.port, ssh.MarshalAuthorizedKey(s.key.PublicKey()))
	f, err := os.OpenFile(c.known, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(line); err != nil {
		t.Fatal(err)
	}
	return c.stranger(s)
}

// stranger does not know s's key.
func (c *client) stranger(s *server) Config {
	return Config{
		Name: "etcd-1", Address: "127.0.0.1", Port: s.port, User: "ops",
		IdentityFiles: []string{c.key}, KnownHosts: []string{c.known},
	}
}

func (c *client) host(t *testing.T, cfg Config) *Host {
	t.Helper()
	h := c.dialer.Host(cfg)
	t.Cleanup(func() { h.Close() })
	return h
}

// pair is a server and a host on it.
func pair(t *testing.T, options ...func(*server)) (*server, *Host) {
	t.Helper()
	c := newClient(t)
	s := startServer(t, c.signer.PublicKey(), options...)
	return s, c.host(t, c.config(t, s))
}
