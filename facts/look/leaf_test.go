package look

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
)

// bundles are the CAs that a real host trusts, by role, as the operator directory would have them.
func bundles(t *testing.T, h facts.Host) map[string]facts.CA {
	t.Helper()
	cas := map[string]facts.CA{}
	for name, file := range h.Files {
		for _, role := range []string{"peer", "client"} {
			if strings.Contains(name, "/trust-"+role+"-") {
				sums := facts.Certificates(file.Content)
				if len(sums) != 1 {
					t.Fatalf("%s holds %d certificates", name, len(sums))
				}
				cas[role] = facts.CA{Role: role, SHA256: sums[0], PEM: file.Content}
			}
		}
	}
	return cas
}

// impostor is a CA with the name of another one, and another key.
func impostor(t *testing.T, ca facts.CA) facts.CA {
	t.Helper()
	real, err := certificate(ca.PEM)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: real.Subject, NotBefore: real.NotBefore, NotAfter: real.NotAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw := selfSigned(t, template, key.Public(), key)
	return facts.CA{Role: ca.Role, SHA256: facts.Certificates(raw)[0], PEM: raw}
}

func selfSigned(t *testing.T, template *x509.Certificate, public, private any) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// The issuer is who really signed, not whoever has its name.
func TestIssuers(t *testing.T) {
	h := parsed(t, "running-debian11")
	cas := bundles(t, h)
	garbage := facts.CA{
		Role: "peer", SHA256: "garbage",
		PEM: []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
	}
	for name, test := range map[string]struct {
		cas          []facts.CA
		peer, server string
	}{
		"both": {[]facts.CA{cas["client"], cas["peer"]}, cas["peer"].SHA256, cas["client"].SHA256},
		"among others": {
			[]facts.CA{impostor(t, cas["peer"]), garbage, {}, cas["peer"], impostor(t, cas["client"])},
			cas["peer"].SHA256, "",
		},
		"only its namesake": {[]facts.CA{impostor(t, cas["peer"]), impostor(t, cas["client"])}, "", ""},
		"none":              {nil, "", ""},
	} {
		leaves := map[string]facts.Leaf{"peer": h.Leaves["peer"], "server": h.Leaves["server"], "empty": {}}
		issuers(leaves, test.cas)
		if leaves["peer"].Issuer != test.peer || leaves["server"].Issuer != test.server || leaves["empty"].Issuer != "" {
			t.Errorf("%s: peer by %q, server by %q; want %q and %q", name, leaves["peer"].Issuer, leaves["server"].Issuer,
				test.peer, test.server)
		}
	}
}

func TestReadLeaf(t *testing.T) {
	h := parsed(t, "running-debian11")
	leaf := h.Leaves["peer"]
	if leaf.Role != "peer" || leaf.Algorithm != "ecdsa-p256" || leaf.Subject != "peer:etcd-2" ||
		!slices.IsSorted(leaf.Names) ||
		!slices.Contains(leaf.Names, "198.18.219.12") || !slices.Contains(leaf.Names, "::1") ||
		!slices.Contains(leaf.Names, "localhost") {
		t.Errorf("leaf %+v", leaf)
	}
	if !strings.HasSuffix(leaf.Dir, "/tls/peer-"+leaf.Serial) {
		t.Errorf("serial %s lies in %s", leaf.Serial, leaf.Dir)
	}
	if leaf.CN != "peer:etcd-2" || h.Leaves["server"].Subject != "server:etcd-2" {
		t.Errorf("its common name is %q, and the server's is of %q", leaf.CN, h.Leaves["server"].Subject)
	}
	ec, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	public, private, _ := ed25519.GenerateKey(rand.Reader)
	rs, _ := rsa.GenerateKey(rand.Reader, 2048)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0xabc), Subject: pkix.Name{CommonName: "x"}, NotBefore: time.Unix(0, 0),
		NotAfter: time.Unix(1<<33, 0), DNSNames: []string{"b", "a"},
	}
	for want, pair := range map[string][2]any{
		"ecdsa-p384": {ec.Public(), ec}, "ed25519": {public, private},
		"rsa-2048": {rs.Public(), rs},
	} {
		leaf, err := readLeaf(selfSigned(t, template, pair[0], pair[1]))
		if err != nil || leaf.Algorithm != want || leaf.Serial != "abc" || !slices.Equal(leaf.Names, []string{"a", "b"}) {
			t.Errorf("leaf %+v, %v; want %s", leaf, err, want)
		}
	}
	for name, raw := range map[string]string{
		"nothing": "",
		"a key":   "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "text": "hello",
	} {
		if leaf, err := readLeaf([]byte(raw)); err == nil {
			t.Errorf("%s is taken for %+v", name, leaf)
		}
	}
}

// A look at hosts serves on with a new operator directory as long as no member runs that would be asked in another way.
func TestWith(t *testing.T) {
	host := parsed(t, "running-debian11")
	cas := bundles(t, host)
	with := func(cas ...facts.CA) facts.Operator {
		return facts.Operator{CAs: cas, Pinned: map[string]string{"3.6.16/amd64": "now"}}
	}
	host.Process = nil
	before := facts.Snapshot{Operator: with(cas["peer"]), Hosts: map[string]facts.Host{"etcd-1": host}}
	issuers(host.Leaves, before.Operator.CAs)
	now, ok := With(before, with(cas["client"]))
	leaves := now.Hosts["etcd-1"].Leaves
	if !ok || leaves["peer"].Issuer != "" || leaves["server"].Issuer != cas["client"].SHA256 ||
		now.Operator.Pinned["3.6.16/amd64"] != "now" {
		t.Errorf("%v, issued by %q and %q", ok, leaves["peer"].Issuer, leaves["server"].Issuer)
	}
	if host.Leaves["peer"].Issuer != cas["peer"].SHA256 {
		t.Error("the look before was changed")
	}
	host.Process = &facts.Process{PID: 7}
	before.Hosts["etcd-1"] = host
	if _, ok := With(before, with(cas["client"])); ok {
		t.Error("a member that runs need not be asked anew for another CA")
	}
	if now, ok := With(before, with(cas["peer"])); !ok || now.Operator.Pinned == nil {
		t.Error("a member that runs has to be asked anew for the same CAs")
	}
}
