package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/pki"
)

// handshakeTimeout bounds one look at a port; a look at a whole cluster makes all of its at the same time.
const handshakeTimeout = 5 * time.Second

// handshake finds out which certificate a port shows. It goes through with the handshake, with a certificate that is accepted there, so that
// members have nothing to complain of in their logs; what is shown is not judged here.
func (s *session) handshake(ctx context.Context, from, role, address string) (sum, name string, err error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	config, err := s.etcd.visitor(role)
	if err != nil {
		return "", "", err
	}
	conn, err := prober{shell{s.hosts[from]}}.DialContext(ctx, "tcp", address)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = conn.Close() }() // nothing is lost with it
	config.InsecureSkipVerify = true    //nolint:gosec // no word is sent: what counts is which certificate this is
	config.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
		if len(raw) == 0 {
			return errors.New("it shows no certificate")
		}
		digest := sha256.Sum256(raw[0])
		sum = hex.EncodeToString(digest[:])
		if cert, err := x509.ParseCertificate(raw[0]); err == nil {
			name = cert.Subject.CommonName
		}
		return nil
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil && sum == "" {
		var alert *net.OpError
		if errors.As(err, &alert) && alert.Op == "remote error" { // which etcd sends when it cannot read its pair
			err = fmt.Errorf("%w: %w", facts.ErrNoCertificate, err)
		}
		return "", "", fmt.Errorf("handshake with %s: %w", address, err)
	}
	_ = secured.Close() // says goodbye
	return sum, name, nil
}

// visitor is a configuration with a certificate of clusterup's own for a port: as the client that it is, or without any names as a peer. One
// that could not be had, such as from a CA's server that does not answer, is not asked for again in the same look.
func (a *etcdAPI) visitor(role string) (*tls.Config, error) {
	if role == "server" {
		if _, err := a.connect(); err != nil {
			return nil, err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.config.Clone(), nil
	}
	a.visiting.Lock()
	defer a.visiting.Unlock()
	now := a.session.now()
	is, ok := a.visitors[role]
	if !ok || is.err == nil && now.Sub(is.minted) >= ownLifetime/2 {
		is = visitor{minted: now}
		is.config, is.err = a.session.probeTLS(now)
		a.visitors[role] = is
	}
	return is.config.Clone(), is.err // of nil it is nil
}

// probeTLS mints a certificate that peers accept, and that is good for nothing but a handshake.
func (s *session) probeTLS(now time.Time) (*tls.Config, error) {
	store, err := s.store()
	if err != nil {
		return nil, err
	}
	pair, err := store.Issue(pki.Leaf{
		CA: pki.RolePeer, Kind: "probe", CN: "clusterup", Lifetime: ownLifetime, Generation: accepted(store, pki.RolePeer, now),
	}, now, rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("mint a certificate: %w", err)
	}
	certificate, err := pair.TLS()
	if err != nil {
		return nil, fmt.Errorf("mint a certificate: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}}, nil
}

// meet forgets certificates of clusterup's own that were made before the CAs were as they are: members may not accept them any more, nor it
// their certificates. It is called at every look.
func (a *etcdAPI) meet(store *pki.Store) {
	now := a.session.now()
	met := fmt.Sprint(accepted(store, pki.RoleClient, now), accepted(store, pki.RolePeer, now))
	for _, ca := range store.CAs() {
		met += " " + ca.SHA256
	}
	a.mu.Lock()
	changed := met != a.met
	if changed {
		a.met, a.minted, a.failed = met, time.Time{}, nil
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

// accepted is the generation of a CA of which every member accepts certificates: while one is rotated that is the oldest that is not
// retired. 0, the newest, where there is none that could sign.
func accepted(store *pki.Store, role pki.Role, now time.Time) int {
	for _, ca := range store.CAs() {
		if ca.Role == role && ca.Signing && now.Before(ca.NotAfter) {
			return ca.Generation
		}
	}
	return 0
}
