package look

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/facts"
)

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// While a CA changes, a certificate of the newest has to be accepted by those who trust it, and what is shown has to be
// valid with it alone.
func TestShakeWhileACAChanges(t *testing.T) {
	old, next := testCA(t, 1), testCA(t, 2)
	leaf := testLeaf(t, next, "10.0.0.1")
	host := facts.Host{
		Machine: facts.Machine{Files: map[string]facts.File{"/both.pem": {Content: append(bytes.Clone(old.ca.PEM),
			next.ca.PEM...)}}},
		Member: facts.Member{Process: &facts.Process{Args: []string{
			"etcd", "--listen-peer-urls=https://10.0.0.1:2380",
			"--peer-trusted-ca-file=/both.pem",
		}}},
	}
	late := host
	late.Files = map[string]facts.File{"/both.pem": {Content: old.ca.PEM}}
	refusal := fmt.Errorf("handshake: %w", facts.ErrRefused)
	for name, c := range map[string]struct {
		host  facts.Host
		fails []error // one after the other
		asked int     // generation
		want  facts.Served
	}{
		"accepted": {host, nil, 2, facts.Served{Accepts: "2", Valid: []string{"2"}}},
		"refused":  {host, []error{refusal}, 2, facts.Served{Refuses: refusal.Error(), Valid: []string{"2"}}},
		"a blip":   {host, []error{errors.New("reset")}, 2, facts.Served{Accepts: "2", Valid: []string{"2"}}},
		"down": {
			host,
			[]error{errors.New("reset"), errors.New("closed")},
			2,
			facts.Served{Error: "closed", Valid: []string{"2"}},
		},
		"not told yet": {late, nil, 0, facts.Served{Valid: []string{"2"}}},
	} {
		src := Source{Asks: map[string]facts.Ask{"a": {Peer: "10.0.0.1:2380"}, "b": {}}}
		src.Now = func() time.Time { return leaf.NotBefore.Add(time.Minute) }
		tries := 0
		src.Handshake = func(_ context.Context, k Knock) ([]*x509.Certificate, error) {
			if tries++; k.CA != c.asked || k.From != "b" {
				t.Errorf("%s: knocks as %+v", name, k)
			}
			if tries <= len(c.fails) {
				return []*x509.Certificate{leaf}, c.fails[tries-1]
			}
			return []*x509.Certificate{leaf}, nil
		}
		got := looker{src: src, cas: []facts.CA{old.ca, next.ca}}.shake(t.Context(), "a", c.host)["peer"][0]
		c.want.From, c.want.SHA256, c.want.Name = "b", sumOf(string(leaf.Raw)), "peer:a"
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: -want +got %s", name, diff)
		}
	}
	server := testLeaf(t, next, "10.0.0.1", x509.ExtKeyUsageServerAuth)
	for name, c := range map[string]struct {
		leaf    *x509.Certificate
		ca      facts.CA
		address string
		good    bool
	}{
		"good":                    {leaf, next.ca, "10.0.0.1:2380", true},
		"another CA":              {leaf, old.ca, "10.0.0.1:2380", false},
		"another name":            {leaf, next.ca, "10.0.0.2:2380", false},
		"good for a server alone": {server, next.ca, "10.0.0.1:2380", false},
	} {
		if err := alone([]*x509.Certificate{c.leaf}, c.ca, c.address,
			c.leaf.NotBefore.Add(time.Minute)); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type signingCA struct {
	ca   facts.CA
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func testCA(t *testing.T, generation int) signingCA {
	t.Helper()
	name := pkix.Name{CommonName: fmt.Sprint("CA ", generation)}
	template := &x509.Certificate{BasicConstraintsValid: true, IsCA: true, Subject: name}
	cert, key := testCert(t, template, signingCA{})
	return signingCA{facts.CA{
		Role: "peer", Generation: generation, SHA256: fmt.Sprint(generation), Signing: true,
		PEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}),
	}, cert, key}
}

func testLeaf(t *testing.T, by signingCA, ip string, usages ...x509.ExtKeyUsage) *x509.Certificate {
	t.Helper()
	if usages == nil {
		usages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "peer:a"}, ExtKeyUsage: usages}
	template.IPAddresses = []net.IP{net.ParseIP(ip)}
	cert, _ := testCert(t, template, by)
	return cert
}

func testCert(t *testing.T, template *x509.Certificate, by signingCA) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	template.NotBefore = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	template.NotAfter = template.NotBefore.Add(time.Hour)
	parent, signer := by.cert, by.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}
