package remote

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// A handshake that is cut short is most often sshd dropping connections it has no room for (MaxStartups): try again,
// soon.
const (
	handshakeTries = 4
	firstPause     = 200 * time.Millisecond
)

var (
	errTimeout  = errors.New("no answer in time")
	errNoAnswer = errors.New("connection closed before the login")
)

// login is one attempt to get an SSH client.
type login struct {
	*Host
	via *conn // to the last jump host, or nil
	// expire ends the attempt after the connect timeout; it stands still while the operator is asked.
	expire *time.Timer

	trusted bool          // the host's key was accepted, so what fails afterwards is the user's login
	signed  bool          // the host has accepted a key of the user's
	methods []string      // by which the host lets users in
	further []string      // the methods that it asks for after a key; nil: none
	said    string        // by the host, after it had accepted a key
	again   bool          // not the first attempt
	strange ssh.PublicKey // the key of a first contact that the operator must judge
	badKey  error
}

// dial makes an SSH connection: with a slot of MaxStarts, questions asked outside the handshake, and quick retries.
func (h *Host) dial(ctx context.Context) (*ssh.Client, error) {
	var met bool
	for try := 1; ; try++ {
		l := &login{Host: h, again: try > 1}
		client, err := l.run(ctx)
		if err == nil {
			return client, nil
		}
		switch {
		case ctx.Err() != nil:
			return nil, h.fail("connect", nil, context.Cause(ctx))
		case errors.Is(err, errFirstContact) && !met:
			met, try = true, 0
			if err := h.dialer.meet(ctx, h.cfg, l.strange); err != nil {
				return nil, h.wrap("verify host key", ErrHostKey, err)
			}
		case errors.Is(err, errNoAnswer) && try < handshakeTries:
			if err := pause(ctx, firstPause<<try); err != nil {
				return nil, h.fail("connect", nil, err)
			}
		default:
			return nil, h.wrap("connect", ErrUnreachable, err)
		}
	}
}

// run makes one attempt.
func (l *login) run(parent context.Context) (*ssh.Client, error) {
	// The jump host first: whoever holds a slot must not wait for one that needs a slot.
	if l.parent != nil {
		var err error
		if l.via, err = l.parent.connect(parent); err != nil {
			return nil, l.wrap("connect", ErrUnreachable, err)
		}
	}
	done, err := take(parent, l.dialer.starts)
	if err != nil {
		return nil, err
	}
	defer done()
	keys, err := readHostKeys(l.cfg)
	if err != nil {
		return nil, l.error(ErrHostKey, err, "make that file readable, or name others in the inventory (known_hosts)")
	}
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	l.expire = time.AfterFunc(l.cfg.timeout(), func() { cancel(errTimeout) })
	defer l.expire.Stop()

	offer, err := l.dialer.offers(ctx, l.cfg, l.unhurried)
	if err != nil {
		return nil, l.error(ErrAuth, err, "")
	}
	conn, err := l.connect(ctx)
	if err != nil {
		return nil, l.unreachable(ctx, err)
	}
	client, err := l.handshake(ctx, conn, keys, offer)
	if err != nil {
		return nil, l.explain(ctx, err, keys, offer)
	}
	return client, nil
}

// unhurried runs a conversation with the operator; the host gets the whole timeout again after it.
func (l *login) unhurried(talk func()) {
	l.expire.Stop()
	talk()
	l.expire.Reset(l.cfg.timeout())
}

// connect opens the byte stream: TCP from here, or a tunnel through the last jump host.
func (l *login) connect(ctx context.Context) (net.Conn, error) {
	l.stats.dials.Add(1)
	dial := (&net.Dialer{}).DialContext
	if l.via != nil {
		dial = func(ctx context.Context, _, endpoint string) (net.Conn, error) {
			return l.parent.tunnelOver(ctx, l.via, endpoint)
		}
	}
	conn, err := dial(ctx, "tcp", l.cfg.endpoint())
	if err != nil {
		return nil, err
	}
	return &countingConn{Conn: conn, stats: &l.stats}, nil
}

func (l *login) handshake(ctx context.Context, conn net.Conn, keys *hostKeys, offer *offer) (*ssh.Client, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	signers := make([]ssh.Signer, len(offer.signers))
	for i, signer := range offer.signers {
		signers[i] = witness{signer, func() { l.signed = true }}
	}
	config := &ssh.ClientConfig{
		Config: ssh.Config{KeyExchanges: ssh.SupportedAlgorithms().KeyExchanges}, // the default lacks two of them
		User:   l.cfg.User,
		Auth:   []ssh.AuthMethod{ssh.PublicKeys(signers...)},
		BannerCallback: func(text string) error {
			if l.signed {
				l.said = brief(text)
			}
			return nil
		},
		AuthCallback: func(now *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
			if len(now.PartialSuccessMethods) > 0 {
				l.further = now.AllowedMethods
			}
			if l.methods == nil {
				l.methods = now.AllowedMethods
			}
			return nil, nil
		},
		HostKeyAlgorithms: keys.algorithms(),
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			return l.verify(ctx, keys, key)
		},
	}
	c, channels, requests, err := ssh.NewClientConn(conn, l.cfg.endpoint(), config)
	if err == nil && !stop() {
		c.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return ssh.NewClient(c, channels, requests), nil
}

func (l *login) verify(ctx context.Context, keys *hostKeys, key ssh.PublicKey) error {
	err := keys.judge(key)
	if errors.Is(err, errFirstContact) && (l.dialer.AcceptNewHostKeys || l.dialer.Ask == nil) {
		err = l.dialer.meet(ctx, l.cfg, key) // no conversation, so no need to leave the handshake
	}
	if err != nil {
		l.strange, l.badKey = key, err
		return err
	}
	l.trusted = true
	return nil
}

func (l *login) error(kind, err error, remedy string) error {
	return l.fail("connect", kind, err).advise(remedy)
}

// broken tells a connection that was cut from an answer that says no.
func broken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.ErrClosedPipe) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
