package operator

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/look"
	"github.com/clusterup/clusterup/pki"
)

// Whether a port accepts a certificate is known, whichever side of the handshake is through first, and so is what it
// shows.
func TestAcceptedAndShown(t *testing.T) {
	s, store := holdingCAs(t, 2) // the second is trusted by nobody yet
	pair, err := store.Issue(pki.Leaf{Kind: "peer", CN: "peer:a", Generation: 1}, s.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(store.CAs()[0].PEM) // peer CA 1
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.TLS = &tls.Config{
			MinVersion: version, MaxVersion: version, Certificates: []tls.Certificate{certificate},
			ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots, Time: s.Now,
		}
		server.Config.ErrorLog = nil
		server.StartTLS()
		defer server.Close()
		for ca, want := range map[int]error{0: nil, 1: nil, 2: facts.ErrRefused} {
			config, err := s.Etcd.visitor("peer", ca)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			chain, err := secured(t.Context(), conn, config, look.Knock{Role: "peer", CA: ca, Address: "a:1"})
			if !errors.Is(err, want) || len(chain) != 1 || chain[0].Subject.CommonName != "peer:a" {
				t.Errorf("TLS %x, CA %d: %d shown, %v", version, ca, len(chain), err)
			}
			_ = conn.Close()
		}
	}
}
