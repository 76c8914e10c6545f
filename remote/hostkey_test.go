package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

func keyLine(s *server, key ssh.PublicKey) string {
	return knownhosts.Line([]string{fmt.Sprintf("127.0.0.1:%d", s.port)}, key)
}

func hashedLine(s *server, key ssh.PublicKey) string {
	host := knownhosts.HashHostname(knownhosts.Normalize(fmt.Sprintf("127.0.0.1:%d", s.port)))
	return strings.Replace(keyLine(s, key), fmt.Sprintf("[127.0.0.1]:%d", s.port), host, 1)
}

func TestHostKeys(t *testing.T) {
	other, _ := newKey(t)
	ca, _ := newKey(t)
	tests := []struct {
		name  string
		set   func(*server)
		lines func(s *server) []string
		ok    bool
		text  string // of the error
		hint  string // in its remedy
	}{
		{name: "known", ok: true, lines: func(s *server) []string { return []string{keyLine(s, s.key.PublicKey())} }},
		{name: "hashed", ok: true, lines: func(s *server) []string { return []string{hashedLine(s, s.key.PublicKey())} }},
		{name: "comment, other hosts, no last line end", ok: true, lines: func(s *server) []string {
			return []string{"# comment", "", "10.0.0.9 " + authorized(other.PublicKey()), keyLine(s, s.key.PublicKey())}
		}},
		{
			name: "unknown", text: "the host key is not known: ED25519 SHA256:", hint: "--accept-new-host-keys, or add this line to ",
			lines: func(*server) []string { return nil },
		},
		{
			name: "known for another port only", text: "the host key is not known", hint: "add this line",
			lines: func(s *server) []string { return []string{"127.0.0.1 " + authorized(s.key.PublicKey())} },
		},
		{
			name: "changed", text: "the host key has changed: it shows ED25519 SHA256:", hint: "ssh-keygen -f ",
			lines: func(s *server) []string { return []string{"# first", keyLine(s, other.PublicKey())} },
		},
		{
			name: "revoked", text: "is revoked at ", hint: "new key",
			lines: func(s *server) []string {
				return []string{keyLine(s, s.key.PublicKey()), "@revoked * " + authorized(s.key.PublicKey())}
			},
		},
		{
			name: "authority", ok: true, set: func(s *server) { s.key = certified(t, ca, s.key, "127.0.0.1") },
			lines: func(s *server) []string {
				return []string{fmt.Sprintf("@cert-authority [127.0.0.1]:%d %s", s.port, authorized(ca.PublicKey()))}
			},
		},
		{
			name: "certificate for another host", text: "host certificate: ", hint: "principals",
			set: func(s *server) { s.key = certified(t, ca, s.key, "etcd-9") },
			lines: func(s *server) []string {
				return []string{fmt.Sprintf("@cert-authority [127.0.0.1]:%d %s", s.port, authorized(ca.PublicKey()))}
			},
		},
		{
			name: "authority known, plain key shown", text: "the host has no key of the type on file", hint: "remove that line",
			lines: func(s *server) []string {
				return []string{fmt.Sprintf("@cert-authority [127.0.0.1]:%d %s", s.port, authorized(ca.PublicKey()))}
			},
		},
		{
			name: "key of another type on file", text: "the host has no key of the type on file (ECDSA SHA256:", hint: "reinstalled",
			lines: func(s *server) []string { return []string{keyLine(s, ecdsaKey(t).PublicKey())} },
		},
		{
			name: "unreadable line", text: "read known hosts: knownhosts: ", hint: "correct or remove that line",
			lines: func(s *server) []string { return []string{keyLine(s, s.key.PublicKey()), "one two"} },
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newClient(t)
			s := startServer(t, c.signer.PublicKey(), func(s *server) {
				if test.set != nil {
					test.set(s)
				}
			})
			if lines := test.lines(s); lines != nil {
				put(t, c.known, []byte(strings.Join(lines, "\n")), 0o600)
			}
			cfg := c.stranger(s)
			cfg.KnownHosts = []string{filepath.Join(c.dir, "missing"), c.known}
			err := c.host(t, cfg).Connect(t.Context())
			if test.ok {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, ErrHostKey) {
				t.Fatalf("got %v, want %v", err, ErrHostKey)
			}
			if !strings.Contains(err.Error(), test.text) || !strings.HasPrefix(err.Error(), "etcd-1: ") {
				t.Errorf("error %q, want %q", err, test.text)
			}
			if !strings.Contains(e.Remedy, test.hint) {
				t.Errorf("remedy %q, want %q", e.Remedy, test.hint)
			}
			if n := s.dials.Load(); n > 1 {
				t.Errorf("%d dials: host keys are never retried", n)
			}
			if _, err := os.Stat(filepath.Join(c.dir, "missing")); err == nil {
				t.Error("a known_hosts file was written")
			}
		})
	}
}

func TestChangedKeyNamesTheLine(t *testing.T) {
	c := newClient(t)
	s := startServer(t, c.signer.PublicKey())
	other, _ := newKey(t)
	put(t, c.known, []byte("# one\n\n"+keyLine(s, other.PublicKey())+"\n"), 0o600)
	c.dialer.AcceptNewHostKeys = true
	err := c.host(t, c.stranger(s)).Connect(t.Context())
	for _, want := range []string{c.known + ":3", ssh.FingerprintSHA256(other.PublicKey()), ssh.FingerprintSHA256(s.key.PublicKey())} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not show %s", err, want)
		}
	}
}

func authorized(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

func certified(t *testing.T, ca, key ssh.Signer, principal string) ssh.Signer {
	t.Helper()
	cert := &ssh.Certificate{
		Key: key.PublicKey(), CertType: ssh.HostCert, ValidPrincipals: []string{principal}, ValidBefore: ssh.CertTimeInfinity,
	}
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewCertSigner(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func TestFirstContact(t *testing.T) {
	tests := []struct {
		name   string
		accept bool
		answer func(string) (bool, error)
		ok     bool
		asked  int
	}{
		{name: "accepted by policy", accept: true, ok: true},
		{name: "accepted by the operator", answer: func(string) (bool, error) { return true, nil }, ok: true, asked: 1},
		{name: "declined", answer: func(string) (bool, error) { return false, nil }, asked: 1},
		{name: "nobody there", asked: 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newClient(t)
			s := startServer(t, c.signer.PublicKey())
			asked := 0
			c.dialer.AcceptNewHostKeys = test.accept
			if test.answer != nil {
				c.dialer.Ask = func(_ context.Context, question string) (bool, error) {
					asked++
					if len(c.dialer.starts) > 0 {
						t.Error("asked in the middle of a handshake, which may time out meanwhile")
					}
					for _, want := range []string{"etcd-1", s.addr, ssh.FingerprintSHA256(s.key.PublicKey()), "ED25519"} {
						if !strings.Contains(question, want) {
							t.Errorf("question %q does not show %s", question, want)
						}
					}
					return test.answer(question)
				}
			}
			cfg := c.stranger(s)
			file := filepath.Join(c.dir, "new", "known_hosts")
			cfg.KnownHosts = []string{file}
			err := c.host(t, cfg).Connect(t.Context())
			if test.ok != (err == nil) || err != nil && !errors.Is(err, ErrHostKey) {
				t.Errorf("got %v", err)
			}
			if asked != test.asked {
				t.Errorf("asked %d times, want %d", asked, test.asked)
			}
			info, err := os.Stat(file)
			if !test.ok {
				if err == nil {
					t.Error("known_hosts was written")
				}
				return
			}
			if err != nil || info.Mode() != 0o600 {
				t.Errorf("known_hosts: %v, %v", info, err)
			}
			if dir, err := os.Stat(filepath.Dir(file)); err != nil || dir.Mode().Perm() != 0o700 {
				t.Errorf("its directory: %v, %v", dir, err)
			}
			c.dialer.AcceptNewHostKeys, c.dialer.Ask = false, nil
			if err := c.host(t, cfg).Connect(t.Context()); err != nil {
				t.Errorf("the second time: %v", err)
			}
		})
	}
}

// A run that must write nothing keeps what it accepts in memory: good for its other connections, and for no other run.
func TestForget(t *testing.T) {
	c := newClient(t)
	s := startServer(t, c.signer.PublicKey())
	cfg := c.stranger(s)
	file := filepath.Join(c.dir, "new", "known_hosts")
	cfg.KnownHosts = []string{file}
	c.dialer.AcceptNewHostKeys, c.dialer.Forget = true, true
	if err := c.host(t, cfg).Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(file)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was written: %v", err)
	}
	c.dialer.AcceptNewHostKeys = false
	if err := c.host(t, cfg).Connect(t.Context()); err != nil {
		t.Errorf("the second time in this run: %v", err)
	}
	other := newClient(t)
	if err := other.host(t, cfg).Connect(t.Context()); !errors.Is(err, ErrHostKey) {
		t.Errorf("another run got %v, want ErrHostKey", err)
	}
}

// Many first contacts at once: every key is written down whole, and the operator hears one question at a time.
func TestFirstContactsTogether(t *testing.T) {
	c := newClient(t)
	put(t, c.known, []byte("# no line end"), 0o600)
	var talking, asked atomic.Int32
	c.dialer.Ask = func(context.Context, string) (bool, error) {
		if talking.Add(1) > 1 {
			t.Error("two questions at once")
		}
		asked.Add(1)
		talking.Add(-1)
		return true, nil
	}
	const n = 8
	var hosts []*Host
	for range n {
		s := startServer(t, c.signer.PublicKey())
		hosts = append(hosts, c.host(t, c.stranger(s)), c.host(t, c.stranger(s)))
	}
	var all sync.WaitGroup
	for _, h := range hosts {
		all.Go(func() {
			if err := h.Connect(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	text, err := os.ReadFile(c.known)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n"); lines != n+1 || asked.Load() != n {
		t.Errorf("%d lines and %d questions for %d hosts:\n%s", lines, asked.Load(), n, text)
	}
}
