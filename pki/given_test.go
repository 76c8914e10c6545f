package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// company is a CA that is not clusterup's.
type company struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// newCompany is signed by another, or by itself.
func newCompany(t *testing.T, name string, by *company, algorithm string) company {
	t.Helper()
	key, err := newKey(algorithm, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, SerialNumber: big.NewInt(int64(len(name))), NotBefore: today.Add(-day),
		NotAfter:              today.Add(5 * year),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return company{cert, key}
}

func chain(all ...company) string {
	var out []byte
	for _, c := range all {
		out = append(out, encodeCert(c.cert)...)
	}
	return string(out)
}

// files writes a given CA as other programs do: the key in the form of its kind.
func (c company) files(t *testing.T, certs string) Given {
	t.Helper()
	dir := t.TempDir()
	g := Given{Cert: filepath.Join(dir, "ca.pem"), Key: filepath.Join(dir, "ca.key")}
	block := &pem.Block{Type: "PRIVATE KEY"}
	var err error
	switch key := c.key.(type) {
	case *rsa.PrivateKey:
		block = &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	case *ecdsa.PrivateKey:
		block.Type = "EC PRIVATE KEY"
		block.Bytes, err = x509.MarshalECPrivateKey(key)
	default:
		block.Bytes, err = x509.MarshalPKCS8PrivateKey(key)
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, g.Cert, certs)
	write(t, g.Key, string(pem.EncodeToMemory(block)))
	return g
}

func givenStore(t *testing.T, dir string, g Given) *Store {
	t.Helper()
	return openWith(t, dir, Options{Given: map[Role]Given{RolePeer: g}})
}

func TestGiven(t *testing.T) {
	for name, algorithm := range map[string]string{"PKCS #8": "ed25519", "SEC 1": "ecdsa-p256", "PKCS #1": "rsa-3072"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := newCompany(t, "root", nil, "")
			upper := newCompany(t, "upper", &root, "")
			issuing := newCompany(t, "issuing", &upper, algorithm)
			for name, c := range map[string]struct {
				certs, trust, along string
			}{
				"alone":       {chain(issuing), chain(issuing), chain(issuing)},
				"with chain":  {chain(issuing, upper), chain(issuing), chain(issuing, upper)},
				"with a root": {chain(issuing, upper, root), chain(root), chain(issuing, upper)},
			} {
				g := issuing.files(t, c.certs)
				s := givenStore(t, caDir(t), g)
				ca := create(t, s, RolePeer, Spec{})
				if !ca.Given || !ca.Signing || string(ca.PEM) != chain(issuing) || string(ca.Trust) != c.trust ||
					string(trust(s, RolePeer)) != c.trust {
					t.Errorf("%s: %+v", name, ca)
				}
				p, err := givenStore(t, s.dir, g).Issue(peerLeaf(), today, rand.Reader)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if !bytes.HasSuffix(p.Cert, []byte("-----END CERTIFICATE-----\n"+c.along)) {
					t.Errorf("%s: along goes\n%s", name, p.Cert)
				}
				handshakesWith(t, s, RolePeer, p)
				verifies(t, p, root, upper)
			}
		})
	}
}

// verifies checks a pair like somebody who trusts only the root and knows only the chain that comes with the pair.
func verifies(t *testing.T, p Pair, root, upper company) {
	t.Helper()
	pair, err := p.TLS()
	if err != nil {
		t.Fatal(err)
	}
	roots, shown := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root.cert)
	shown.AddCert(upper.cert)
	for _, der := range pair.Certificate[1:] {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		shown.AddCert(cert)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: shown, CurrentTime: today,
		DNSName: "10.0.0.11",
	}); err != nil {
		t.Error(err)
	}
}

// Two members whose certificates come with their chain, trusting the root only.
func TestGivenHandshake(t *testing.T) {
	root := newCompany(t, "root", nil, "")
	issuing := newCompany(t, "issuing", &root, "")
	s := givenStore(t, caDir(t), issuing.files(t, chain(issuing, root)))
	create(t, s, RolePeer, Spec{})
	p, err := s.Issue(peerLeaf(), today, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own := newStore(t, Spec{})
	stranger, err := own.Issue(peerLeaf(), today, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	handshakesWith(t, s, RolePeer, p)
	side := func(p Pair) *tls.Config {
		cert, err := p.TLS()
		if err != nil {
			t.Fatal(err)
		}
		return &tls.Config{
			Certificates: []tls.Certificate{cert}, RootCAs: pool(t, s, RolePeer), ClientCAs: pool(t, s, RolePeer),
			ClientAuth: tls.RequireAndVerifyClientCert, ServerName: "10.0.0.11",
		}
	}
	if err := handshake(t, side(stranger), side(p)); err == nil {
		t.Error("a stranger is let in")
	}
}

// From own CAs to given ones and on: each is the next generation, and trusted beside the others.
func TestGivenGenerations(t *testing.T) {
	first, second := newCompany(t, "first", nil, ""), newCompany(t, "second", nil, "")
	s := newStore(t, Spec{})
	dir := s.dir
	old := first.files(t, chain(first))
	s = givenStore(t, dir, old)
	if s.CAs()[0].Given || !s.CAs()[0].Signing {
		t.Errorf("the own CA: %+v", s.CAs()[0])
	}
	if s.Differs(RolePeer) == "" || s.Differs(RoleClient) != "" {
		t.Errorf("differs: %q, %q", s.Differs(RolePeer), s.Differs(RoleClient))
	}
	issue(t, s, peerLeaf()) // the own one still signs
	if ca := create(t, s, RolePeer, Spec{}); ca.Generation != 2 || ca.Subject != "CN=first" {
		t.Errorf("%+v", ca)
	}
	if why := s.Differs(RolePeer); why != "" {
		t.Errorf("differs: %s", why)
	}
	if _, err := s.Create(RolePeer, "prod", Spec{}, today, rand.Reader); !errors.Is(err, ErrExternal) {
		t.Errorf("makes its own successor: %v", err)
	}
	s = givenStore(t, dir, second.files(t, chain(second)))
	if ca := create(t, s, RolePeer, Spec{}); ca.Generation != 3 {
		t.Errorf("%+v", ca)
	}
	if string(trust(s, RolePeer)) != string(s.CAs()[0].PEM)+chain(first, second) {
		t.Errorf("trust:\n%s", trust(s, RolePeer))
	}
	issue(t, s, peerLeaf())
	l := peerLeaf()
	l.Generation = 2
	if _, err := s.Issue(l, today, rand.Reader); err != nil { // members that are being taken over trust that one
		t.Errorf("by a CA whose key is where it was: %v", err)
	}
	if err := os.Rename(old.Key, old.Key+".gone"); err != nil {
		t.Fatal(err)
	}
	s = givenStore(t, dir, second.files(t, chain(second)))
	if _, err := s.Issue(l, today, rand.Reader); !errors.Is(err, ErrNoCA) || s.CAs()[1].Signing {
		t.Errorf("by a CA whose key is gone: %v", err)
	}
	s = open(t, dir) // and back to own CAs
	if s.Differs(RolePeer) == "" {
		t.Error("does not differ")
	}
	if ca := create(t, s, RolePeer, Spec{}); ca.Generation != 4 || ca.Given {
		t.Errorf("%+v", ca)
	}
	issue(t, s, peerLeaf())
	holdsNoKey(t, dir, readFile(t, old.Key+".gone"))
}

// A rotation to a given CA can be given up, and begun again later with the same CA.
func TestGivenUp(t *testing.T) {
	g := newCompany(t, "theirs", nil, "")
	files := g.files(t, chain(g))
	s := givenStore(t, newStore(t, Spec{}).dir, files)
	for generation := 2; generation <= 3; generation++ {
		if ca := create(t, s, RolePeer, Spec{}); ca.Generation != generation || !ca.Signing {
			t.Errorf("taken over as %+v", ca)
		}
		if _, err := s.Create(RolePeer, "prod", Spec{}, today, rand.Reader); !errors.Is(err, ErrExternal) {
			t.Errorf("makes its own successor: %v", err)
		}
		if err := s.Retire(RolePeer, generation); err != nil {
			t.Fatal(err)
		}
		s = givenStore(t, s.dir, files)
		if ca := s.of(RolePeer)[generation-1]; !ca.Given || !ca.Retired || ca.Signing || s.Differs(RolePeer) == "" {
			t.Errorf("given up: %+v, differs: %q", ca.CA, s.Differs(RolePeer))
		}
		if _, leaf := issue(t, s, peerLeaf()); leaf.Issuer.CommonName != "prod etcd peer CA 1" {
			t.Errorf("signed by %s", leaf.Issuer)
		}
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestGivenRefused(t *testing.T) {
	root := newCompany(t, "root", nil, "")
	issuing, other := newCompany(t, "issuing", &root, ""), newCompany(t, "other", nil, "")
	leaf, _ := issue(t, newStore(t, Spec{}), peerLeaf())
	for name, c := range map[string]struct {
		certs string
		wreck func(g *Given)
		says  string
	}{
		"another's key":   {chain(other), nil, "does not belong"},
		"others can read": {chain(issuing), func(g *Given) { _ = os.Chmod(g.Key, 0o640) }, "run chmod 0600"},
		"no key":          {chain(issuing), func(g *Given) { _ = os.Remove(g.Key) }, "no such file"},
		"no certificate":  {chain(issuing), func(g *Given) { _ = os.Remove(g.Cert) }, "no such file"},
		"no name":         {chain(issuing), func(g *Given) { g.Cert = "" }, "has no certificate"},
		"empty":           {"", nil, "holds no certificate"},
		"wrong order":     {chain(root, issuing), nil, "did not sign"},
		"broken chain":    {chain(issuing, other), nil, "did not sign"},
		"a leaf":          {string(leaf.Cert), nil, "not that of a CA"},
		"locked": {chain(issuing), func(g *Given) {
			_ = os.WriteFile(g.Key, []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"),
				0o600)
		}, "has a passphrase"},
	} {
		g := issuing.files(t, c.certs)
		if c.wreck != nil {
			c.wreck(&g)
		}
		s, err := Open(caDir(t), Options{Given: map[Role]Given{RolePeer: g}})
		if err == nil {
			_, err = s.Create(RolePeer, "prod", Spec{}, today, rand.Reader)
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if s != nil && len(s.CAs()) > 0 {
			t.Errorf("%s: taken over", name)
		}
		if s != nil && !strings.Contains(s.Unfit(RolePeer, today, rand.Reader), c.says) {
			t.Errorf("%s: beforehand %q", name, s.Unfit(RolePeer, today, rand.Reader))
		}
	}
	late := today.Add(6 * year)
	s := givenStore(t, caDir(t), issuing.files(t, chain(issuing)))
	if _, err := s.Create(RolePeer, "prod", Spec{}, late, rand.Reader); !errors.Is(err, ErrExpired) {
		t.Errorf("expired: %v", err)
	}
	for at, unfit := range map[time.Time]bool{today: false, late: true} {
		if why := s.Unfit(RolePeer, at, rand.Reader); (why != "") != unfit {
			t.Errorf("%s: %q", at, why)
		}
	}
	create(t, s, RolePeer, Spec{})
	if why := s.Unfit(RolePeer, late, rand.Reader); why != "" {
		t.Errorf("taken over already: %s", why)
	}
}

// A CA ends with the CAs above it, if one of these ends first.
func TestGivenChainEndsFirst(t *testing.T) {
	root := newCompany(t, "root", nil, "")
	root.cert.NotAfter = today.Add(year)
	der, err := x509.CreateCertificate(rand.Reader, root.cert, root.cert, root.key.Public(), root.key)
	if err != nil {
		t.Fatal(err)
	}
	if root.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	issuing := newCompany(t, "issuing", &root, "")
	s := givenStore(t, caDir(t), issuing.files(t, chain(issuing, root)))
	create(t, s, RolePeer, Spec{})
	l := peerLeaf()
	l.Lifetime = 3 * year
	p, err := s.Issue(l, today, rand.Reader)
	if err != nil || !p.NotAfter.Equal(today.Add(year)) {
		t.Errorf("until %s: %v", p.NotAfter, err)
	}
	if _, err := s.Issue(l, today.Add(year+time.Hour), rand.Reader); !errors.Is(err, ErrExpired) {
		t.Errorf("after the end of the root: %v", err)
	}
}

// The keys of given CAs are files of others.
func TestResealLeavesGivenKeysAlone(t *testing.T) {
	root, ops := newCompany(t, "root", nil, ""), ageOperator(t)
	g := root.files(t, chain(root))
	s := givenStore(t, caDir(t), g)
	create(t, s, RolePeer, Spec{})
	create(t, s, RoleClient, Spec{})
	before := readFile(t, g.Key)
	if err := s.Reseal([]string{ops.recipient}, Unlock{}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, readFile(t, g.Key)) || !s.IsSealedTo([]string{ops.recipient}) {
		t.Errorf("%+v", s.CAs())
	}
	issue(t, s, peerLeaf())
}
