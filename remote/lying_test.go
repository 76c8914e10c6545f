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
	if err == nil || !strings.Contains(err.Error(), "says more than it may") {
		t.Errorf("held %+v, %v", held, err)
	}
}

// Whatever a host answers to an upload, out of turn or without end, is its own failure.
func TestLyingPut(t *testing.T) {
	const phrase = "Puts files in place"
	needed := "N 0 tmp 0 1000000 /\nN 1 tmp 0 1000000 /\n"
	// unasked answers while the files are being sent, as often as it can.
	unasked := func(line string) lying.Answer {
		return func(talk lying.Talk) int {
			if _, err := io.WriteString(talk.Out, needed+".\n"); err != nil {
				return 0
			}
			return forever(line)(talk)
		}
	}
	for name, test := range map[string]struct {
		answer lying.Answer
		says   string
	}{
		"needs after the look":       {unasked("N 0 tmp 0 1000000 /\nN 1 tmp 0 1000000 /\n"), "unexpected answer"},
		"blocks after the look":      {unasked("B 0 0123 4567\n"), "unexpected answer"},
		"an endless line":            {forever(strings.Repeat("x", 1<<16)), "says more than it may"},
		"an endless line later":      {unasked(strings.Repeat("x", 1<<16)), "says more than it may"},
		"a file that nobody has":     {lying.Say("S 7\n"), "unexpected answer"},
		"a negative file":            {lying.Say("N -1 tmp 0 1 /\n"), "unexpected answer"},
		"another temporary name":     {lying.Say("N 0 ../../etc/passwd 0 1 /\n"), "unexpected answer"},
		"more than the file there":   {lying.Say("N 0 part 99999999 1 /\n"), "unexpected answer"},
		"needed twice":               {lying.Say("N 0 tmp 0 1 /\nN 0 tmp 0 1 /\n"), "unexpected answer"},
		"placed before it was sent":  {lying.Say("C 0\n"), "unexpected answer"},
		"an end before the look":     {lying.Say(""), "the host ended the upload"},
		"an end after the look":      {lying.Say(needed + ".\n"), "the host ended the upload"},
		"escapes for an explanation": {lying.Say("E 0 write \x1b[2K\x1b[1A\u202e\n"), "put /x/a"},
	} {
		t.Run(name, func(t *testing.T) {
			h := liar(t, lying.Answers{phrase: test.answer})
			files := []File{bytesFile("/x/a", 0o600, []byte(strings.Repeat("a", 2<<20))), bytesFile("/x/b", 0o600, []byte("b"))}
			changed, err := h.Put(t.Context(), files, nil)
			if err == nil || len(changed) > 0 || !strings.Contains(err.Error(), test.says) || strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Errorf("changed %v, %v; want one that says %q", changed, err, test.says)
			}
		})
	}
}

// What a host says before anybody knows who it is stays on its line, and does nothing to a terminal.
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
