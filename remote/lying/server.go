// Package lying has hosts for tests that say whatever they like: an SSH server in this process that runs nothing, and
// answers each script as it is told to. How scripts and their input travel is known in frame.go alone.
package lying

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// Talk is one script as the host sees it: In is what the script is given to read, Out and Err what it writes.
type Talk struct {
	Script string
	In     io.Reader
	Drain  func() // reads whatever else comes, and returns when the other side wants the script to end
	Out    io.Writer
	Err    io.Writer

	shell *shell
}

// Answer answers one script, and returns its exit status. It may say more than anybody wants to hear: writing fails
// once the connection is gone.
type Answer func(Talk) int

// Answers are by a phrase that the script holds. A script that holds none of them ends well and says nothing; of
// several the longest counts.
type Answers map[string]Answer

// Say is the Answer that writes a text.
func Say(text string) Answer {
	return func(t Talk) int {
		_, _ = io.WriteString(t.Out, text) // whoever hung up has heard enough
		return 0
	}
}

// Host is a host that lies. Its methods are safe for concurrent use.
type Host struct {
	Addr string // HOST:PORT

	answers  Answers
	key      ssh.Signer
	listener net.Listener
	all      sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

// Start has a host listen at an address, such as 127.0.0.1:0, which lets everybody in. Close ends it.
func Start(listener net.Listener, answers Answers) (*Host, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, err
	}
	h := &Host{Addr: listener.Addr().String(), answers: answers, key: key, listener: listener}
	h.all.Go(h.accept)
	return h, nil
}

// Close ends all connections, and returns when nothing of the host goes on.
func (h *Host) Close() {
	_ = h.listener.Close()
	h.mu.Lock()
	for _, conn := range h.conns {
		_ = conn.Close()
	}
	h.mu.Unlock()
	h.all.Wait()
}

// KnownHost is the line of a known_hosts file that trusts this host.
func (h *Host) KnownHost() string {
	host, port, _ := net.SplitHostPort(h.Addr)
	return fmt.Sprintf("[%s]:%s %s", host, port, ssh.MarshalAuthorizedKey(h.key.PublicKey()))
}

func (h *Host) accept() {
	for {
		conn, err := h.listener.Accept()
		if err != nil {
			return
		}
		h.mu.Lock()
		h.conns = append(h.conns, conn)
		h.mu.Unlock()
		h.all.Go(func() { h.serve(conn) })
	}
}

func (h *Host) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	config := &ssh.ServerConfig{
		PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return &ssh.Permissions{}, nil },
	}
	config.AddHostKey(h.key)
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	h.all.Go(func() {
		for r := range requests {
			if r.WantReply {
				_ = r.Reply(false, nil)
			}
		}
	})
	for offered := range channels {
		if offered.ChannelType() != "session" {
			_ = offered.Reject(ssh.Prohibited, "no \x1b[2K\x1b[1A connections\nfrom here")
			continue
		}
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		h.all.Go(func() { h.session(channel, requests) })
	}
}

func (h *Host) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer func() { _ = channel.Close() }()
	for r := range requests {
		var command struct{ Line string }
		if r.Type != "exec" || ssh.Unmarshal(r.Payload, &command) != nil {
			_ = r.Reply(false, nil)
			continue
		}
		_ = r.Reply(true, nil)
		h.all.Go(func() { ssh.DiscardRequests(requests) })
		status := h.answer(command.Line, channel)
		_, _ = channel.SendRequest("exit-status", false,
			ssh.Marshal(&struct{ Status uint32 }{uint32(status)})) //nolint:gosec // 0 to 255
		return
	}
}

// answer answers one script after the other, until the session ends, and returns its exit status.
func (h *Host) answer(line string, channel ssh.Channel) int {
	shell, err := open(line, channel)
	if err != nil {
		return 126
	}
	for {
		talk, err := shell.next()
		if err != nil {
			return 0
		}
		best := ""
		for phrase := range h.answers {
			if strings.Contains(talk.Script, phrase) && len(phrase) >= len(best) {
				best = phrase
			}
		}
		status := 0
		if h.answers[best] != nil {
			status = h.answers[best](talk)
		}
		if status == gone {
			return 0
		}
		if shell.say(fmt.Sprintf(" e%d\n", status), " e\n") != nil {
			return 0
		}
	}
}

// turns lets many write at once; what the library gives takes one writer.
type turns struct {
	mu sync.Mutex
	w  io.Writer
}

func (t *turns) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.w.Write(b)
}
