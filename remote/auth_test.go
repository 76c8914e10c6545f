package remote

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

func ecdsaKey(t *testing.T) ssh.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// startAgent serves keys at a socket in dir.
func startAgent(t *testing.T, dir string, keys ...any) string {
	t.Helper()
	ring := agent.NewKeyring()
	for _, key := range keys {
		if err := ring.Add(agent.AddedKey{PrivateKey: key, Comment: "work"}); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(dir, "agent")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go agent.ServeAgent(ring, conn) //nolint:errcheck // it ends with the connection
		}
	}()
	return socket
}

func TestAuth(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaSigner, err := ssh.NewSignerFromKey(rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	signer, private := newKey(t)
	_, stranger := newKey(t)
	ca, _ := newKey(t)
	legacy := func(t *testing.T, file string) {
		plain := x509.MarshalPKCS1PrivateKey(rsaKey)
		//nolint:staticcheck // such files exist
		block, err := x509.EncryptPEMBlock(rand.Reader, "RSA PRIVATE KEY", plain, []byte("open"), x509.PEMCipherAES256)
		if err != nil {
			t.Fatal(err)
		}
		put(t, file, pem.EncodeToMemory(block), 0o600)
	}
	tests := []struct {
		name    string
		allowed ssh.PublicKey
		set     func(t *testing.T, c *client, cfg *Config)
		asked   int
		text    string // of the error; "" means success
	}{
		{
			name: "key file", allowed: signer.PublicKey(),
			set: func(t *testing.T, c *client, _ *Config) { writeKey(t, c.key, private, "") },
		},
		{
			name: "rsa key file", allowed: rsaSigner.PublicKey(),
			set: func(t *testing.T, c *client, _ *Config) { writeKey(t, c.key, rsaKey, "") },
		},
		{name: "usual files", allowed: signer.PublicKey(), set: func(t *testing.T, c *client, cfg *Config) {
			cfg.IdentityFiles = nil
			c.dialer.Home = c.dir
			if err := os.Mkdir(filepath.Join(c.dir, ".ssh"), 0o700); err != nil {
				t.Fatal(err)
			}
			writeKey(t, filepath.Join(c.dir, ".ssh", "id_ed25519"), stranger, "")
			writeKey(t, filepath.Join(c.dir, ".ssh", "id_rsa"), private, "")
		}},
		{name: "encrypted", allowed: signer.PublicKey(), asked: 1, set: func(t *testing.T, c *client, _ *Config) {
			writeKey(t, c.key, private, "open")
		}},
		{name: "encrypted rsa", allowed: rsaSigner.PublicKey(), asked: 1, set: func(t *testing.T, c *client, _ *Config) {
			writeKey(t, c.key, rsaKey, "open")
		}},
		{
			name: "encrypted in the old way", allowed: rsaSigner.PublicKey(), asked: 1,
			set: func(t *testing.T, c *client, _ *Config) {
				legacy(t, c.key)
			},
		},
		{name: "mistyped once", allowed: signer.PublicKey(), asked: 2, set: func(t *testing.T, c *client, _ *Config) {
			writeKey(t, c.key, private, "mistyped")
		}},
		{
			name: "mistyped too often", allowed: signer.PublicKey(), asked: 3, text: "open identity file FILE: ",
			set: func(t *testing.T, c *client, _ *Config) {
				writeKey(t, c.key, private, "never guessed")
			},
		},
		{
			name: "encrypted, not accepted: not asked for", allowed: rsaSigner.PublicKey(), asked: 0,
			text: "none accepted of FILE", set: func(t *testing.T, c *client, _ *Config) {
				writeKey(t, c.key, private, "open")
			},
		},
		{
			name: "encrypted, nobody there", allowed: signer.PublicKey(), text: "there is no terminal to ask",
			set: func(t *testing.T, c *client, _ *Config) {
				writeKey(t, c.key, private, "open")
				c.dialer.Passphrase = nil
			},
		},
		{name: "certificate", allowed: ca.PublicKey(), set: func(t *testing.T, c *client, _ *Config) {
			writeKey(t, c.key, private, "")
			put(t, c.key+"-cert.pub", ssh.MarshalAuthorizedKey(userCert(t, ca, signer)), 0o644)
		}},
		{
			name: "certificate of an encrypted key", allowed: ca.PublicKey(), asked: 1,
			set: func(t *testing.T, c *client, _ *Config) {
				writeKey(t, c.key, private, "open")
				put(t, c.key+"-cert.pub", ssh.MarshalAuthorizedKey(userCert(t, ca, signer)), 0o644)
			},
		},
		{name: "agent", allowed: signer.PublicKey(), set: func(t *testing.T, c *client, cfg *Config) {
			cfg.IdentityFiles = nil
			c.dialer.Env = env("SSH_AUTH_SOCK", startAgent(t, c.dir, stranger, private))
		}},
		{
			name: "agent holds the named key", allowed: signer.PublicKey(), asked: 0,
			set: func(t *testing.T, c *client, _ *Config) {
				writeKey(t, c.key, private, "open")
				put(t, c.key+".pub", ssh.MarshalAuthorizedKey(signer.PublicKey()), 0o644)
				c.dialer.Env = env("SSH_AUTH_SOCK", startAgent(t, c.dir, private))
			},
		},
		{name: "public key file and agent", allowed: signer.PublicKey(), set: func(t *testing.T, c *client, cfg *Config) {
			put(t, c.key+".pub", ssh.MarshalAuthorizedKey(signer.PublicKey()), 0o644)
			cfg.IdentityFiles = []string{c.key + ".pub"}
			c.dialer.Env = env("SSH_AUTH_SOCK", startAgent(t, c.dir, private))
		}},
		{
			name: "named file: the agent's other keys are not offered", allowed: signer.PublicKey(),
			text: "none accepted of FILE:",
			set: func(t *testing.T, c *client, _ *Config) {
				writeKey(t, c.key, stranger, "")
				c.dialer.Env = env("SSH_AUTH_SOCK", startAgent(t, c.dir, private))
			},
		},
		{
			name: "wrong key", allowed: rsaSigner.PublicKey(), text: "user ops: none accepted of FILE",
			set: func(t *testing.T, c *client, _ *Config) {
				writeKey(t, c.key, private, "")
			},
		},
		{
			name: "no key at all", allowed: signer.PublicKey(), text: "no key to offer; no agent (SSH_AUTH_SOCK is empty)",
			set: func(_ *testing.T, c *client, cfg *Config) {
				cfg.IdentityFiles = nil
				c.dialer.Home = c.dir
				c.dialer.Env = env("", "")
			},
		},
		{
			name: "dead agent", allowed: signer.PublicKey(), text: "connect to agent: ",
			set: func(_ *testing.T, c *client, cfg *Config) {
				cfg.IdentityFiles = nil
				c.dialer.Env = env("SSH_AUTH_SOCK", filepath.Join(c.dir, "nobody"))
			},
		},
		{
			name: "missing file", allowed: signer.PublicKey(), text: "read identity file: open FILE-nope: no such file",
			set: func(_ *testing.T, c *client, cfg *Config) {
				cfg.IdentityFiles = []string{c.key + "-nope"}
			},
		},
		{
			name: "garbage file", allowed: signer.PublicKey(), text: "read identity file FILE: ",
			set: func(t *testing.T, c *client, _ *Config) {
				put(t, c.key, []byte("garbage"), 0o600)
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // bcrypt takes its time
			c := newClient(t)
			s := startServer(t, test.allowed)
			cfg := c.config(t, s)
			cfg.Agent = true
			asked := 0
			answers := []string{"open", "mistyped", "wrong"}
			c.dialer.Passphrase = func(_ context.Context, file string) ([]byte, error) {
				if file != c.key {
					t.Errorf("asked for %s", file)
				}
				asked++
				return []byte(answers[asked-1]), nil
			}
			test.set(t, c, &cfg)
			h := c.host(t, cfg)
			err := h.Connect(t.Context())
			if asked != test.asked {
				t.Errorf("asked %d times, want %d", asked, test.asked)
			}
			if test.text == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !errors.Is(err, ErrAuth) || !strings.Contains(strings.ReplaceAll(err.Error(), c.key, "FILE"), test.text) {
				t.Errorf("got %v, want %q", err, test.text)
			}
			if n := s.dials.Load(); n > 1 {
				t.Errorf("%d dials: logins are never retried", n)
			}
		})
	}
}

func env(name, value string) func(string) string {
	return func(n string) string {
		if n == name {
			return value
		}
		return ""
	}
}

func userCert(t *testing.T, ca, key ssh.Signer) *ssh.Certificate {
	t.Helper()
	cert := &ssh.Certificate{
		Key: key.PublicKey(), CertType: ssh.UserCert, ValidPrincipals: []string{"ops"}, ValidBefore: ssh.CertTimeInfinity,
	}
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestPassphraseIsAskedOnce(t *testing.T) {
	c := newClient(t)
	signer, private := newKey(t)
	writeKey(t, c.key, private, "open")
	var mu sync.Mutex
	asked := 0
	c.dialer.Passphrase = func(context.Context, string) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		return []byte("open"), nil
	}
	var all sync.WaitGroup
	for range 6 {
		s := startServer(t, signer.PublicKey())
		h := c.host(t, c.config(t, s))
		all.Go(func() {
			if err := h.Connect(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if asked != 1 {
		t.Errorf("asked %d times for one key", asked)
	}
}

// If a user is kept out although its key was accepted, the error does not blame the key.
func TestKeyIsNotEnough(t *testing.T) {
	password := func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) { return nil, errors.New("no") }
	for name, test := range map[string]struct {
		login      func(*ssh.ServerConfig, net.Conn)
		text, hint string
	}{
		"a second method": {
			func(c *ssh.ServerConfig, _ net.Conn) {
				c.VerifiedPublicKeyCallback = func(
					ssh.ConnMetadata, ssh.PublicKey, *ssh.Permissions, string,
				) (*ssh.Permissions, error) {
					return nil, &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{PasswordCallback: password}}
				}
			},
			"user ops: the host accepted the key, and asks for password besides", "AuthenticationMethods publickey",
		},
		"an expired account": {
			func(c *ssh.ServerConfig, conn net.Conn) {
				var early ssh.ServerPreAuthConn
				c.PreAuthConnCallback = func(pre ssh.ServerPreAuthConn) { early = pre }
				c.VerifiedPublicKeyCallback = func(
					ssh.ConnMetadata, ssh.PublicKey, *ssh.Permissions, string,
				) (*ssh.Permissions, error) {
					early.SendAuthBanner("Your account\x1b[2K has expired.\n") //nolint:errcheck // then the text is missing below
					conn.Close()
					return nil, errors.New("gone")
				}
			},
			"user ops: the host accepted the key, and then ended the connection: Your account [2K has expired.", "chage -l ops",
		},
		"keys are not taken": {
			func(c *ssh.ServerConfig, _ net.Conn) { c.PublicKeyCallback, c.PasswordCallback = nil, password },
			"user ops: the host takes no keys, only password", "PubkeyAuthentication yes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, h := pair(t, func(s *server) { s.login = test.login })
			err := h.Connect(t.Context())
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, ErrAuth) || !strings.HasSuffix(err.Error(), test.text) {
				t.Fatalf("got %v, want %q", err, test.text)
			}
			if !strings.Contains(e.Remedy, test.hint) || strings.Contains(e.Remedy, "authorized_keys") {
				t.Errorf("remedy %q, want %q", e.Remedy, test.hint)
			}
			if n := s.dials.Load(); n > 1 {
				t.Errorf("%d dials: logins are never retried", n)
			}
		})
	}
}

// A connection that is cut right after the key was accepted is tried once more: it may be the network. Twice is no
// accident.
func TestLoginCutShort(t *testing.T) {
	cuts := func(times int32) func(*server) {
		var left atomic.Int32
		left.Store(times)
		return func(s *server) {
			s.login = func(c *ssh.ServerConfig, conn net.Conn) {
				c.VerifiedPublicKeyCallback = func(_ ssh.ConnMetadata, _ ssh.PublicKey, p *ssh.Permissions, _ string,
				) (*ssh.Permissions, error) {
					if left.Add(-1) < 0 {
						return p, nil
					}
					conn.Close()
					return nil, errors.New("gone")
				}
			}
		}
	}
	s, h := pair(t, cuts(1))
	if err := h.Connect(t.Context()); err != nil || s.dials.Load() != 2 {
		t.Errorf("cut once: %v after %d dials, want a login with the second", err, s.dials.Load())
	}
	s, h = pair(t, cuts(100))
	if err := h.Connect(t.Context()); !errors.Is(err, ErrAuth) || s.dials.Load() != 2 {
		t.Errorf("cut each time: %v after %d dials, want a refused login after 2", err, s.dials.Load())
	}
}
