package pki

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"
	"time"
)

// TestHandshakes lets every kind of leaf call every port of a member, configured as etcd does it.
func TestHandshakes(t *testing.T) {
	s, stranger := newStore(t, Spec{}), newStore(t, Spec{})
	leaf := func(s *Store, l Leaf) *tls.Certificate {
		p, err := s.Issue(l, today, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := p.TLS()
		if err != nil {
			t.Fatal(err)
		}
		return &cert
	}
	callers := map[string]*tls.Certificate{
		"peer":            leaf(s, peerLeaf()),
		"server":          leaf(s, serverLeaf()),
		"client":          leaf(s, clientLeaf()),
		"probe":           leaf(s, probeLeaf()),
		"nobody":          nil,
		"stranger peer":   leaf(stranger, peerLeaf()),
		"stranger client": leaf(stranger, clientLeaf()),
		"stranger probe":  leaf(stranger, probeLeaf()),
	}
	ports := map[string]struct {
		role    Role
		cert    *tls.Certificate
		accepts map[string]bool
	}{
		"peer port":   {RolePeer, callers["peer"], map[string]bool{"peer": true, "probe": true}},
		"client port": {RoleClient, callers["server"], map[string]bool{"server": true, "client": true}},
	}
	for portName, port := range ports {
		for callerName, cert := range callers {
			t.Run(callerName+" to "+portName, func(t *testing.T) {
				caller := &tls.Config{RootCAs: pool(t, s, port.role), ServerName: "10.0.0.11"}
				if cert != nil {
					// Shown whatever the other side says it accepts, as an attacker would.
					caller.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
				}
				err := handshake(t, caller, &tls.Config{
					Certificates: []tls.Certificate{*port.cert},
					ClientCAs:    pool(t, s, port.role),
					ClientAuth:   tls.RequireAndVerifyClientCert,
				})
				if accepted := err == nil; accepted != port.accepts[callerName] {
					t.Errorf("accepted: %v (%v)", accepted, err)
				}
			})
		}
	}
}

// A caller must not take a member of another cluster, a client, or another address for the member.
func TestCallerChecksTheMember(t *testing.T) {
	s, stranger := newStore(t, Spec{}), newStore(t, Spec{})
	for name, c := range map[string]struct {
		from *Store
		leaf Leaf
		host string
		ok   bool
	}{
		"by address":      {s, serverLeaf(), "10.0.0.11", true},
		"by name":         {s, serverLeaf(), "etcd-1.example.com", true},
		"by loopback":     {s, serverLeaf(), "127.0.0.1", true},
		"by IPv6":         {s, serverLeaf(), "::1", true},
		"other address":   {s, serverLeaf(), "10.0.0.12", false},
		"other cluster":   {stranger, serverLeaf(), "10.0.0.11", false},
		"a peer's":        {s, peerLeaf(), "10.0.0.11", false},
		"a probe's":       {s, probeLeaf(), "clusterup", false},
		"a client's only": {s, Leaf{Kind: "client", CN: "x", DNS: []string{"x"}}, "x", false},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := c.from.Issue(c.leaf, today, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			cert, err := p.TLS()
			if err != nil {
				t.Fatal(err)
			}
			err = handshake(t,
				&tls.Config{RootCAs: pool(t, s, RoleClient), ServerName: c.host},
				&tls.Config{Certificates: []tls.Certificate{cert}})
			if (err == nil) != c.ok {
				t.Errorf("accepted: %v (%v)", err == nil, err)
			}
		})
	}
}

// handshakesWith lets the pair call itself, among members that trust the CAs of the role.
func handshakesWith(t *testing.T, s *Store, role Role, p Pair) {
	t.Helper()
	cert, err := p.TLS()
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		side := &tls.Config{
			Certificates: []tls.Certificate{cert},
			RootCAs:      pool(t, s, role), ClientCAs: pool(t, s, role),
			ClientAuth: tls.RequireAndVerifyClientCert, ServerName: "10.0.0.11",
			MinVersion: version, MaxVersion: version,
		}
		if err := handshake(t, side, side); err != nil {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
}

func pool(t *testing.T, s *Store, role Role) *x509.CertPool {
	t.Helper()
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(trust(s, role)) {
		t.Fatalf("nothing to trust for %s", role)
	}
	return p
}

// handshake is what either side has against the other.
func handshake(t *testing.T, client, server *tls.Config) error {
	t.Helper()
	client, server = client.Clone(), server.Clone()
	client.Time = func() time.Time { return today }
	server.Time = client.Time
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	accepted := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			err = oneByte(tls.Server(conn, server))
			_ = conn.Close()
		}
		accepted <- err
	}()
	conn, err := net.DialTimeout("tcp", listener.Addr().String(), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	err = oneByte(tls.Client(conn, client))
	_ = conn.Close()
	return errors.Join(err, <-accepted)
}

// oneByte goes each way: with TLS 1.3, a client learns only by reading that it was refused.
func oneByte(c *tls.Conn) error {
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := c.Write([]byte{1}); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 1))
	return err
}
