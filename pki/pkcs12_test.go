package pki

import (
	"crypto"
	"crypto/rand"
	"path/filepath"
	"strings"
	"testing"

	"software.sslmate.com/src/go-pkcs12"
)

const password = "open sesame ä"

// A pair, what is above it and what it trusts come back as they went in, each once.
func TestPKCS12(t *testing.T) {
	root := newCompany(t, "root", nil, "")
	upper := newCompany(t, "upper", &root, "")
	issuing := newCompany(t, "issuing", &upper, "")
	own := newStore(t, Spec{Algorithm: "ed25519"})
	create(t, own, RolePeer, Spec{})
	for name, c := range map[string]struct {
		store  *Store
		others int // certificates beside that of the pair
	}{
		"two own CAs":          {own, 2},
		"an intermediate":      {givenStore(t, caDir(t), issuing.files(t, chain(issuing))), 1},
		"with its whole chain": {givenStore(t, caDir(t), issuing.files(t, chain(issuing, upper, root))), 3},
	} {
		if len(c.store.of(RolePeer)) == 0 {
			create(t, c.store, RolePeer, Spec{})
		}
		for _, algorithm := range []string{"", "ed25519", "rsa-3072"} {
			l := peerLeaf()
			l.Algorithm = algorithm
			p, err := c.store.Issue(l, today, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			trust := trust(c.store, RolePeer)
			data, err := p.PKCS12(trust, password)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			key, cert, others, err := pkcs12.DecodeChain(data, password)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if signer, ok := key.(crypto.Signer); !ok || !samePublic(cert.PublicKey, signer) ||
				fingerprint(cert.Raw) != p.SHA256 {
				t.Errorf("%s: a key of type %T with the certificate %x", name, key, cert.SerialNumber)
			}
			var along string
			for _, other := range others {
				along += string(encodeCert(other))
			}
			above := string(p.Cert[len(firstPEM(p.Cert)):])
			if len(others) != c.others || !strings.HasPrefix(along, above) || !strings.HasSuffix(along, string(trust)) {
				t.Errorf("%s: along go %d certificates:\n%s", name, len(others), along)
			}
		}
	}
}

// Others read it, too, and find the key encrypted in a manner of today.
func TestPKCS12WithOpenSSL(t *testing.T) {
	run := openssl(t)
	s := newStore(t, Spec{})
	p, _ := issue(t, s, clientLeaf())
	data, err := p.PKCS12(trust(s, RoleClient), password)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, secret := filepath.Join(dir, "app.p12"), filepath.Join(dir, "password")
	write(t, file, string(data))
	write(t, secret, password+"\n")
	out := run("pkcs12", "-info", "-in", file, "-passin", "file:"+secret, "-nodes")
	for _, want := range []string{
		"MAC: sha256", "PBES2, PBKDF2, AES-256-CBC", "Iteration 100000, PRF hmacWithSHA256",
		"CN = app", "prod etcd client CA 1", string(p.Key),
	} {
		if !strings.Contains(strings.ReplaceAll(out, "CN=", "CN = "), want) {
			t.Errorf("openssl does not show %q:\n%s", want, out)
		}
	}
}

func TestPKCS12Refused(t *testing.T) {
	s := newStore(t, Spec{})
	p, _ := issue(t, s, clientLeaf())
	other, _ := issue(t, s, clientLeaf())
	for name, c := range map[string]struct {
		pair            Pair
		trust, password string
		says            string
	}{
		"no password":   {p, "", "", "is empty"},
		"not UTF-8":     {p, "", "sesame\xff", "not UTF-8"},
		"not in UCS-2":  {p, "", "sesame😀", "emoji"},
		"another's key": {Pair{Cert: p.Cert, Key: other.Key}, "", password, "does not match"},
		"nothing":       {Pair{}, "", password, ""},
		"odd trust":     {p, "-----BEGIN X-----", password, "PEM"},
	} {
		data, err := c.pair.PKCS12([]byte(c.trust), c.password)
		if err == nil || data != nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a, err := p.PKCS12(nil, password); err != nil {
		t.Error(err)
	} else if b, err := p.PKCS12(nil, password); err != nil || string(a) == string(b) {
		t.Errorf("twice the same bytes: %v", err)
	}
}
