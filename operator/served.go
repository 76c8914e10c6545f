package operator

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/look"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan/trust"
)

// handshakeTimeout bounds one handshake; a look at a whole cluster makes all of them at the same time.
const handshakeTimeout = 5 * time.Second

// handshake finds out which certificates a port shows, and does not judge them. It completes the handshake, with a
// certificate that the port accepts, so that members log no error. With k.CA the certificate is of that generation, to
// see whether the port accepts it.
func (s *Session) handshake(ctx context.Context, k look.Knock) ([]*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if !s.visits(k.Role, k.CA) {
		return nil, errors.New("no key is at hand here for a certificate that it accepts")
	}
	config, err := s.Etcd.visitor(k.Role, k.CA)
	if err != nil {
		return nil, err
	}
	conn, err := s.through(ctx, k.From, k.Address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // nothing is lost with it
	return secured(ctx, conn, config, k)
}

// secured makes the handshake over a connection.
func secured(
	ctx context.Context, conn net.Conn, config *tls.Config, k look.Knock,
) (chain []*x509.Certificate, err error) {
	config.InsecureSkipVerify = true //nolint:gosec // nothing secret is sent: the certificate itself is what we look at
	config.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
		for _, der := range raw {
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				return err
			}
			chain = append(chain, cert)
		}
		return nil
	}
	client := tls.Client(conn, config)
	err = client.HandshakeContext(ctx)
	if err == nil && k.CA != 0 {
		err = accepted(ctx, client, k.Address)
	}
	var alert *net.OpError
	switch told := errors.As(err, &alert) && alert.Op == "remote error"; {
	case err == nil, len(chain) > 0 && k.CA == 0: // the chain is all that was asked for
		_ = client.Close() // says goodbye
		return chain, nil
	case told && len(chain) > 0:
		err = fmt.Errorf("%w: %w", facts.ErrRefused, err)
	case told: // etcd sends an alert when it cannot read its pair
		err = fmt.Errorf("%w: %w", facts.ErrNoCertificate, err)
	}
	return chain, fmt.Errorf("handshake with %s: %w", k.Address, err)
}

// accepted finds out whether the port accepts our certificate, by asking for etcd's version: with TLS 1.3 our side of
// the handshake is over before the other side has looked at our certificate.
func accepted(ctx context.Context, conn net.Conn, address string) error {
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	const question = "GET /version HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"
	if _, err := fmt.Fprintf(conn, question, address); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, len("HTTP/1.1 ")))
	return err
}

// visitor is a configuration with a certificate of clusterup's own: for a server port that of a client, for a peer port
// one without any names. It is of that generation of the CA; 0: of one that every member accepts. A certificate that
// could not be had, such as from a CA's server that does not answer, is not asked for again in the same look.
func (a *etcdAPI) visitor(role string, generation int) (*tls.Config, error) {
	if role == "server" && generation == 0 {
		if _, err := a.Connect(); err != nil {
			return nil, err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.config.Clone(), nil
	}
	a.visiting.Lock()
	defer a.visiting.Unlock()
	now, door := a.session.Now(), fmt.Sprint(role, generation)
	is, ok := a.visitors[door]
	if !ok || is.err == nil && now.Sub(is.minted) >= ownLifetime/2 {
		is = visitor{minted: now}
		is.config, is.err = a.session.visitorTLS(role, generation, now)
		a.visitors[door] = is
	}
	return is.config.Clone(), is.err // Clone of nil is nil
}

// visitorTLS mints a certificate that a port accepts, and shows it whatever that port asks for.
func (s *Session) visitorTLS(role string, generation int, now time.Time) (*tls.Config, error) {
	store, err := s.Store()
	if err != nil {
		return nil, err
	}
	var pair pki.Pair
	if role == "server" {
		pair, err = s.mintOf(store, generation, now)
	} else {
		pair, err = s.probePair(store, cmp.Or(generation, s.Known(store, now).Common("peer")), now)
	}
	if err != nil {
		return nil, err
	}
	certificate, err := pair.TLS()
	if err != nil {
		return nil, fmt.Errorf("mint a certificate: %w", err)
	}
	show := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
	return &tls.Config{MinVersion: tls.VersionTLS12, GetClientCertificate: show}, nil
}

// probePair mints a certificate that peers accept, and that is good for nothing but a handshake.
func (s *Session) probePair(store *pki.Store, generation int, now time.Time) (pki.Pair, error) {
	pair, err := store.Issue(pki.Leaf{
		Kind: "probe", CN: "clusterup", Lifetime: ownLifetime, Generation: generation,
	}, now, rand.Reader)
	if err != nil {
		return pki.Pair{}, fmt.Errorf("mint a certificate: %w", err)
	}
	return pair, nil
}

// meet forgets clusterup's own certificates when the CAs have changed since: members may not accept those any more, and
// the old roots may not cover the members' certificates. It is called at every look, and forgets failures of visitors
// each time.
func (a *etcdAPI) meet(known trust.State) {
	cas := fmt.Sprint(known.Common("client"), known.Common("peer"))
	for _, ca := range known.Seen.Operator.CAs {
		cas += " " + ca.SHA256
	}
	a.mu.Lock()
	changed := cas != a.cas
	if changed {
		a.cas, a.minted, a.failed = cas, time.Time{}, nil
	}
	a.mu.Unlock()
	a.visiting.Lock()
	defer a.visiting.Unlock()
	maps.DeleteFunc(a.visitors, func(_ string, is visitor) bool { return changed || is.err != nil })
}

type visitor struct {
	config *tls.Config
	err    error
	minted time.Time
}
