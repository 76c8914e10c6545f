package operator

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/remote"
)

// holdingCAs is a session with an operator directory that holds so many generations of the CAs.
func holdingCAs(t *testing.T, generations int) (*Session, *pki.Store) {
	t.Helper()
	s := &Session{
		Cluster: &inventory.Cluster{Name: "prod"}, dir: t.TempDir(), Now: time.Now,
		options: Options{Dialer: &remote.Dialer{}},
	}
	s.Etcd = newEtcdAPI(s)
	store, err := s.OpenStore()
	if err != nil {
		t.Fatal(err)
	}
	for range generations {
		for _, role := range []pki.Role{pki.RolePeer, pki.RoleClient} {
			if _, err := store.Create(role, "prod", pki.Spec{}, s.Now(), rand.Reader); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s, store
}

// While both CAs are there, a member is shown a certificate of one that it accepts.
func TestClientCertificatesThatAMemberAccepts(t *testing.T) {
	s, store := holdingCAs(t, 2)
	for name, trusted := range map[string][]int{"the old one": {1}, "both": {1, 2}, "the new one alone": {2}} {
		t.Run(name, func(t *testing.T) {
			server, err := store.Issue(pki.Leaf{Kind: "server", OU: "server:etcd-1", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}},
				s.Now(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			certificate, err := server.TLS()
			if err != nil {
				t.Fatal(err)
			}
			pool := x509.NewCertPool()
			for _, ca := range store.CAs() {
				if ca.Role == pki.RoleClient && slices.Contains(trusted, ca.Generation) {
					pool.AppendCertsFromPEM(ca.PEM)
				}
			}
			listener, err := tls.Listen("tcp", "127.0.0.1:0",
				&tls.Config{
					Certificates: []tls.Certificate{certificate}, ClientCAs: pool,
					ClientAuth: tls.RequireAndVerifyClientCert,
				})
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			answer := make(chan error, 1)
			go func() {
				conn, err := listener.Accept()
				if err == nil {
					err = conn.(*tls.Conn).Handshake()
					_ = conn.Close()
				}
				answer <- err
			}()
			config, err := s.clientTLS(s.Now())
			if err != nil {
				t.Fatal(err)
			}
			conn, err := tls.Dial("tcp", listener.Addr().String(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := <-answer; err != nil {
				t.Errorf("the member says %v", err)
			}
		})
	}
}

// A server that does not answer is waited for once in a look, however many ports there are.
func TestAVisitorThatCannotBeHad(t *testing.T) {
	s, _ := holdingCAs(t, 0)
	if _, err := s.Etcd.visitor("peer", 0); !errors.Is(err, pki.ErrNoCA) {
		t.Fatalf("got %v", err)
	}
	other, store := holdingCAs(t, 1)
	s.dir = other.dir // where there are CAs
	if _, err := s.Etcd.visitor("peer", 0); !errors.Is(err, pki.ErrNoCA) {
		t.Errorf("asked again: %v", err)
	}
	s.Etcd.meet(other.Known(store, s.Now()))
	if _, again := s.Etcd.visitors["peer0"]; again {
		t.Error("the next look does not ask again")
	}
}
