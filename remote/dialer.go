package remote

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	randv2 "math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

const (
	defaultConnectTimeout = 10 * time.Second
	// connections being set up at once; sshd drops some of its own above 10 (MaxStartups 10:30:100)
	maxStarts        = 30
	defaultKeepalive = 15 * time.Second
	defaultPort      = 22
)

// Config says how to reach one host.
type Config struct {
	Name    string // how messages call this host; "" means the address
	Address string // IP address or DNS name, without brackets
	Port    int    // 0 means 22
	User    string
	// IdentityFiles are the only keys offered when there are any (an agent may hold the private half of them). Without,
	// the agent's keys are offered, then ~/.ssh/id_ed25519, id_ecdsa and id_rsa. A certificate FILE-cert.pub beside a
	// key is used.
	IdentityFiles []string
	Agent         bool // use the agent at SSH_AUTH_SOCK
	// KnownHosts are absolute paths in OpenSSH's format; missing files are empty ones. Keys that are accepted on first
	// contact go to the first, which is made (0600, its directory 0700) if need be.
	KnownHosts []string
	// Jump hosts, the first one nearest to here. Each has keys and known_hosts of its own; Jump and Sudo of a jump host
	// do not count.
	Jump []Config
	Sudo bool // the user is not root: everything runs through `sudo -n`
	// per hop: TCP, handshake and login together, without the time a question takes; 0 means 10 s
	ConnectTimeout time.Duration
}

func (c Config) name() string { return cmp.Or(c.Name, c.Address) }

func (c Config) port() string { return strconv.Itoa(cmp.Or(c.Port, defaultPort)) }

// endpoint is HOST:PORT, with brackets around IPv6 addresses.
func (c Config) endpoint() string { return net.JoinHostPort(strings.Trim(c.Address, "[]"), c.port()) }

func (c Config) timeout() time.Duration { return cmp.Or(c.ConnectTimeout, defaultConnectTimeout) }

// Dialer makes the hosts of one run and holds what they share: prompts, keys that were opened, the agent, jump hosts,
// and the cap on connection starts. The zero value never asks and accepts known host keys only. Do not copy it after
// first use.
type Dialer struct {
	Env  func(string) string // for SSH_AUTH_SOCK; nil: an empty environment
	Home string              // where .ssh is; "" means that there are no usual key files

	// AcceptNewHostKeys writes keys of hosts never seen before to known_hosts without asking. Changed keys are refused
	// all the same.
	AcceptNewHostKeys bool
	// Ask puts a yes-or-no question to the operator. Nil: nobody is there, and an unknown key is an error.
	Ask func(ctx context.Context, question string) (bool, error)
	// Passphrase asks for the passphrase of a key file. Nil: nobody is there, and an encrypted key is an error if it is
	// needed. It is called once per file and run, unless the answer was wrong (three times in all). Ask and Passphrase
	// never run at the same time.
	Passphrase func(ctx context.Context, keyFile string) ([]byte, error)

	// Notice is told, once per host, of something that is wrong there and hinders nothing, such as a slow sudo. Nil:
	// nobody listens.
	Notice func(host, text string)

	keepalive time.Duration // between probes; 0 means 15 s
	holdTTL   time.Duration // silence after which a host gives up a Hold; 0 means four probes
	patience  time.Duration // for what Ask runs; 0 means 2 minutes
	sftpPaths []string      // where sftp-server may lie; nil means the usual paths

	once   sync.Once
	token  func() string         // makes unpredictable words of 24 hexadecimal digits
	starts chan struct{}         // slots for maxStarts
	asking chan struct{}         // held by whoever talks to the operator
	opened map[string]ssh.Signer // encrypted keys by file; asking must be held

	mu     sync.Mutex
	jumps  map[string]*Host
	agent  agent.ExtendedAgent // its client locks for each call
	socket net.Conn            // of the agent
}

func (d *Dialer) init() {
	d.once.Do(func() {
		d.token = func() string {
			b := make([]byte, 12)
			rand.Read(b) //nolint:errcheck // it never fails
			return hex.EncodeToString(b)
		}
		d.starts = make(chan struct{}, maxStarts)
		d.asking = make(chan struct{}, 1)
		d.opened = map[string]ssh.Signer{}
		d.jumps = map[string]*Host{}
	})
}

// Host is the machine that cfg describes. There is no network traffic before its first use, and then one connection,
// which is held until Close.
func (d *Dialer) Host(cfg Config) *Host {
	d.init()
	h := &Host{dialer: d, cfg: cfg, slots: make(chan struct{}, maxSessions), busy: make(chan struct{}, 1)}
	if len(cfg.Jump) > 0 {
		h.parent = d.jump(cfg.Jump)
	}
	return h
}

// Close ends what the hosts share, jump hosts and the agent; close the hosts first.
func (d *Dialer) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, host := range d.jumps {
		host.Close()
	}
	if d.socket != nil {
		_ = d.socket.Close()
	}
}

// jump gives the last host of a chain; hosts behind the same chain share its connection.
func (d *Dialer) jump(chain []Config) *Host {
	last := chain[len(chain)-1]
	last.Sudo = false
	last.Jump = chain[:len(chain)-1]
	host := d.Host(last)
	key := fmt.Sprintf("%+v", chain)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.jumps[key] == nil {
		d.jumps[key] = host
	}
	return d.jumps[key]
}

// pause waits for between half of t and t, or until the context ends.
func pause(ctx context.Context, t time.Duration) error {
	half := t / 2
	return wait(ctx, time.After(half+randv2.N(half+1))) //nolint:gosec // how long is no secret
}

func (d *Dialer) beat() time.Duration { return cmp.Or(d.keepalive, defaultKeepalive) }

// wait waits for an event, or until the context ends.
func wait[T any](ctx context.Context, event <-chan T) error {
	select {
	case <-event:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// take waits for a slot of a semaphore; the returned function gives it back.
func take(ctx context.Context, slots chan struct{}) (func(), error) {
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	default:
	}
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
