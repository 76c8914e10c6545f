package pki

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var today = time.Date(2026, 11, 21, 12, 30, 15, 0, time.UTC)

// newStore has the CAs of both roles.
func newStore(t *testing.T, spec Spec) *Store {
	t.Helper()
	s := open(t, filepath.Join(t.TempDir(), "ca"))
	create(t, s, RolePeer, spec)
	create(t, s, RoleClient, spec)
	return s
}

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func create(t *testing.T, s *Store, role Role, spec Spec) CA {
	t.Helper()
	ca, err := s.Create(role, "prod", spec, today, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func issue(t *testing.T, s *Store, l Leaf) (Pair, *x509.Certificate) {
	t.Helper()
	p, err := s.Issue(l, today, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return p, parseLeaf(t, p)
}

func parseLeaf(t *testing.T, p Pair) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode(p.Cert)
	if block == nil || len(rest) > 0 {
		t.Fatalf("not one PEM block: %s", p.Cert)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func peerLeaf() Leaf {
	return Leaf{Kind: "peer", CN: "etcd-1", IPs: []net.IP{net.ParseIP("10.0.0.11")}, DNS: []string{"etcd-1.example.com"}}
}

func serverLeaf() Leaf {
	l := peerLeaf()
	l.Kind, l.CN, l.OU = "server", "", l.CN
	return l
}

func clientLeaf() Leaf { return Leaf{Kind: "client", CN: "app"} }

func probeLeaf() Leaf { return Leaf{Kind: "probe", CN: "clusterup"} }

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

// trust is the bundle of all CAs of a role, retired ones too.
func trust(s *Store, role Role) []byte {
	var all []byte
	for _, ca := range s.of(role) {
		all = append(all, ca.Trust...)
	}
	return all
}
