package remote

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
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

// unreadable are lines for a host that ssh passes over: of SSH 1, of a type that is not known or no longer used, and
// garbage.
func unreadable(host string) []string {
	return []string{
		host + " 1024 35 13519", host + " ssh-future AAAA", host + " ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI",
		host + " ssh-dss AAAAB3NzaC1kc3MAAAABAQAAAAEBAAAAAQEAAAABAQ==", "one two", "|1|x|y ssh-ed25519 AAAA",
		"@revoked", "\x00\xff\xfe" + strings.Repeat("x", 100_000), "! " + host,
	}
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
			name: "unknown", text: "the host key is not known: ED25519 SHA256:",
			hint:  "--accept-new-host-keys, or add this line to ",
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
			name: "authority known, plain key shown", text: "the host has no certificate by the authority",
			hint: "HostCertificate",
			lines: func(s *server) []string {
				return []string{fmt.Sprintf("@cert-authority [127.0.0.1]:%d %s", s.port, authorized(ca.PublicKey()))}
			},
		},
		{
			name: "key of another type on file", text: "the host has no key of the type on file (ECDSA SHA256:",
			hint:  "reinstalled",
			lines: func(s *server) []string { return []string{keyLine(s, ecdsaKey(t).PublicKey())} },
		},
		{name: "lines that cannot be read are passed over", ok: true, lines: func(s *server) []string {
			return append(unreadable("[127.0.0.1]:"+strconv.Itoa(s.port)), keyLine(s, s.key.PublicKey()))
		}},
		{
			name: "a line that cannot be read makes no host known", text: "known_hosts:1, ", hint: "--accept-new-host-keys",
			lines: func(s *server) []string { return unreadable("[127.0.0.1]:" + strconv.Itoa(s.port)) },
		},
		{
			name: "nor does one of an unknown marker", text: "the host key is not known", hint: "--accept-new-host-keys",
			lines: func(s *server) []string { return []string{"@trusted " + keyLine(s, s.key.PublicKey())} },
		},
		{
			name: "revoked beside lines that cannot be read", text: "is revoked at ", hint: "new key",
			lines: func(s *server) []string {
				return append(unreadable("*"), keyLine(s, s.key.PublicKey()), "@revoked * "+authorized(s.key.PublicKey()))
			},
		},
		{
			name: "changed, beside lines that cannot be read", text: "the host key has changed", hint: "ssh-keygen -f ",
			lines: func(s *server) []string { return append(unreadable("*"), keyLine(s, other.PublicKey())) },
		},
		{
			name: "certificate of a revoked authority", text: "is revoked at ", hint: "new key",
			set: func(s *server) { s.key = certified(t, ca, s.key, "127.0.0.1") },
			lines: func(s *server) []string {
				return []string{
					fmt.Sprintf("@cert-authority [127.0.0.1]:%d %s", s.port, authorized(ca.PublicKey())),
					"@revoked * " + authorized(ca.PublicKey()),
				}
			},
		},
		{
			name: "the authority's own key is no host's", text: "the host has no certificate by the authority",
			hint: "HostCertificate",
			set:  func(s *server) { s.key = ca },
			lines: func(s *server) []string {
				return []string{fmt.Sprintf("@cert-authority [127.0.0.1]:%d %s", s.port, authorized(ca.PublicKey()))}
			},
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
	for _, want := range []string{
		c.known + ":3", ssh.FingerprintSHA256(other.PublicKey()),
		ssh.FingerprintSHA256(s.key.PublicKey()),
	} {
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

// A key that cannot be remembered is not accepted: it would be trusted anew each time, whosever it is.
func TestKeyThatCannotBeRemembered(t *testing.T) {
	c := newClient(t)
	s := startServer(t, c.signer.PublicKey())
	cfg := c.stranger(s)
	if err := os.Symlink(filepath.Join(c.dir, "missing", "known_hosts"), c.known); err != nil {
		t.Fatal(err)
	}
	c.dialer.AcceptNewHostKeys = true
	var e *Error
	err := c.host(t, cfg).Connect(t.Context())
	if !errors.As(err, &e) || !errors.Is(err, ErrHostKey) || !strings.Contains(e.Remedy, keyLine(s, s.key.PublicKey())) {
		t.Errorf("got %v, want ErrHostKey and the line to add", err)
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

func TestNamesInKnownHosts(t *testing.T) {
	tests := []struct {
		patterns, endpoint string
		want               bool
	}{
		{"etcd-1", "etcd-1:22", true},
		{"Etcd-1.Example.COM", "ETCD-1.example.com:22", true},
		{"etcd-2,etcd-1", "etcd-1:22", true},
		{"etcd-?", "etcd-1:22", true},
		{"etcd-?", "etcd-10:22", false},
		{"*.example.com,!etcd-1.example.com", "etcd-1.example.com:22", false},
		{"!etcd-1", "etcd-2:22", false},
		{"etcd-1", "etcd-1:2222", false},
		{"[etcd-1]:2222", "etcd-1:2222", true},
		{"[etcd-1]:22", "etcd-1:22", true},
		{"[*]:*", "etcd-1:2222", true},
		{"fd00::1", "[fd00::1]:22", true},
		{"[fd00::1]:2222", "[fd00::1]:2222", true},
		{"[a-z]", "b:22", false},
		{`\*`, "etcd-1:22", false},
		{"", "etcd-1:22", false},
		{",!", "etcd-1:22", false},
		{knownhosts.HashHostname("[etcd-1]:2222"), "etcd-1:2222", true},
		{knownhosts.HashHostname("etcd-1"), "etcd-1:2222", false},
		{"|1|a|b|c", "etcd-1:22", false},
	}
	for _, test := range tests {
		name := strings.ToLower(knownhosts.Normalize(test.endpoint))
		if got := names(strings.Split(test.patterns, ","), name); got != test.want {
			t.Errorf("%q names %s: %t, want %t", test.patterns, test.endpoint, got, test.want)
		}
	}
}

// Only a whole line with a key may make that key the host's, whatever else the file holds.
func FuzzKnownHosts(f *testing.F) {
	for _, line := range unreadable("*") {
		f.Add([]byte(line))
	}
	f.Add([]byte("* ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8k5GkXb1k4T9x0uQkQ0m0b8p8nS0m6qk2mT3kQ5g1Z"))
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		f.Fatal(err)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(dir, "known_hosts")
		put(t, file, text, 0o600)
		k, err := readHostKeys(Config{Address: "etcd-1", KnownHosts: []string{file}})
		if err != nil {
			t.Fatal(err)
		}
		if err := k.judge(signer.PublicKey()); err == nil {
			t.Errorf("a key that nobody wrote down is trusted")
		}
	})
}

func TestKeyExchanges(t *testing.T) {
	for _, name := range ssh.SupportedAlgorithms().KeyExchanges {
		_, h := pair(t, func(s *server) { s.kex = []string{name} })
		if err := h.Connect(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, h := pair(t, func(s *server) { s.kex = []string{ssh.InsecureKeyExchangeDH14SHA1} })
	err := h.Connect(t.Context())
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, ErrUnreachable) ||
		!strings.HasSuffix(err.Error(), "no key exchange in common: sshd there offers only diffie-hellman-group14-sha1") ||
		!strings.Contains(e.Remedy, ssh.KeyExchangeCurve25519) || strings.Contains(e.Remedy, "kex-strict") {
		t.Errorf("got %v, remedy %q", err, e.Remedy)
	}
}
