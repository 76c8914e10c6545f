package remote

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/clusterup/clusterup/remote/lying"
)

// liar is a host that answers scripts as it likes.
func liar(t *testing.T, answers lying.Answers) *Host {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, err := lying.Start(listener, answers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	c := newClient(t)
	if err := os.WriteFile(c.known, []byte(server.KnownHost()), 0o600); err != nil {
		t.Fatal(err)
	}
	return c.host(t, Config{
		Name: "etcd-1", Address: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port, User: "ops",
		IdentityFiles: []string{c.key}, KnownHosts: []string{c.known},
	})
}

// forever says a text over and over, until its input ends or nobody listens.
func forever(text string) lying.Answer {
	return func(t lying.Talk) int {
		var told atomic.Bool
		go func() {
			t.Drain()
			told.Store(true)
		}()
		for !told.Load() {
			if _, err := io.WriteString(t.Out, text); err != nil {
				break
			}
		}
		return 0
	}
}

func TestLyingLook(t *testing.T) {
	for name, answer := range map[string]lying.Answer{
		"lines without end": forever(strings.Repeat("x", 80) + "\n"),
		"an endless line":   forever(strings.Repeat("x", 1<<16)),
	} {
		h := liar(t, lying.Answers{"look": answer})
		out, err := h.Ask(t.Context(), "look")
		if !errors.Is(err, ErrScript) || !strings.Contains(err.Error(), "16 MiB") || len(out) > lookLimit {
			t.Errorf("%s: %d bytes, %v", name, len(out), err)
		}
	}
}

func TestLyingHold(t *testing.T) {
	h := liar(t, lying.Answers{"lock": forever(strings.Repeat("x", 1<<16))})
	held, err := h.Hold(t.Context(), "lock")
	if err == nil || !strings.Contains(err.Error(), "sent more than the limit") {
		t.Errorf("held %+v, %v", held, err)
	}
}

// A host that answers nonsense to a Put fails by itself, in words that stay on their line.
func TestLyingPut(t *testing.T) {
	fails := func(text string) lying.Answer {
		return func(talk lying.Talk) int {
			lying.Say(text)(talk)
			return 1
		}
	}
	for name, test := range map[string]struct {
		answer lying.Answer
		says   string
	}{
		"an endless line":            {forever(strings.Repeat("x", 1<<16)), "sent more than the limit"},
		"a file that nobody has":     {fails("E 7 write\nE -1 write\n"), "exit status 1"},
		"escapes for an explanation": {fails("E 0 owner \x1b[2K\x1b[1A\u202e\n"), "put /x/a"},
		"a disk of words":            {fails("E 1 write a b c d e /\x1b[2K\n"), "put /x/b"},
		"no words":                   {fails(""), "exit status 1 and no message"},
	} {
		t.Run(name, func(t *testing.T) {
			h := liar(t, lying.Answers{"put_failed": test.answer})
			err := putOne(t.Context(), h, "", []File{{Path: "/x/a", Content: []byte("a")}, {Path: "/x/b", Content: []byte("b")}},
				"")
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Errorf("%v; want one that says %q", err, test.says)
			}
		})
	}
}

// A host that speaks out of turn, or gives an end that no shell gives, is not believed, and does not hold anybody up.
func TestLyingFrame(t *testing.T) {
	for name, test := range map[string]struct {
		end  string // after the mark
		kind error
	}{
		"a status of words":  {" e\x1b[2K\n", ErrScript},
		"a status too great": {" e4096\n", ErrScript},
		"a negative status":  {" e-1\n", ErrScript},
		"an endless status":  {" e" + strings.Repeat("0", 1<<16), ErrScript},
		"a second beginning": {" b\n", ErrScript},
		"nothing but an end": {"\n", ErrScript},
		"an early end":       {" e", ErrLost},
	} {
		t.Run(name, func(t *testing.T) {
			h := liar(t, lying.Answers{"look": lying.End(test.end)})
			_, err := h.Script(t.Context(), "look")
			if !errors.Is(err, test.kind) || strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Errorf("got %v, want %v", err, test.kind)
			}
			if _, err := h.Script(t.Context(), "other"); err != nil {
				t.Errorf("the next: %v", err)
			}
		})
	}
	h := liar(t, lying.Answers{"chatty": func(talk lying.Talk) int {
		lying.Say("answer")(talk)
		go func() { _, _ = io.WriteString(talk.Out, "what nobody asked for") }()
		return 0
	}})
	for range 20 {
		if out, err := h.Script(t.Context(), "other"); err != nil || len(out) > 0 {
			t.Fatalf("%q, %v", out, err)
		}
		if _, err := h.Script(t.Context(), "chatty"); err != nil {
			t.Fatal(err)
		}
	}
}

// Words of a host that nobody has identified yet stay on their line, and do nothing to a terminal.
func TestLyingGreeting(t *testing.T) {
	const evil = "\x1b[2K\x1b[1A\x1b]52;c;eA==\x07\nError: all is well\n\u009b2K\u202e"
	c := newClient(t)
	trusted := startServer(t, c.signer.PublicKey())
	for name, names := range map[string][2][]string{
		"key exchange": {{evil, strings.Repeat("x", 20000)}, {"ssh-ed25519"}},
		"host keys":    {{"curve25519-sha256"}, {evil, strings.Repeat("y", 20000)}},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go lying.Greet(listener, names[0], names[1])
			cfg := c.config(t, trusted)
			cfg.Port = listener.Addr().(*net.TCPAddr).Port
			line := fmt.Sprintf("[127.0.0.1]:%d %s", cfg.Port, strings.Join(strings.Fields(knownLine(t, c))[1:], " "))
			cfg.KnownHosts = []string{filepath.Join(t.TempDir(), "known")}
			if err := os.WriteFile(cfg.KnownHosts[0], []byte(line+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			err = c.host(t, cfg).Connect(t.Context())
			if err == nil || strings.ContainsAny(err.Error(), "\x1b\a\n\u009b") || len(err.Error()) > 3000 {
				t.Errorf("%d bytes: %.300q", len(fmt.Sprint(err)), fmt.Sprint(err))
			}
		})
	}
}

func knownLine(t *testing.T, c *client) string {
	t.Helper()
	raw, err := os.ReadFile(c.known)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	return line
}
