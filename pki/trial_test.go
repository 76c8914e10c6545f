package pki

import (
	"bytes"
	"crypto"
	"crypto/dsa" //nolint:staticcheck // as old CAs have
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // as old CAs do
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// members are the names that a CA is tried with.
var members = []string{"10.0.0.11", "10.0.0.12", "etcd-1.example.com", "fd00::11"}

// firm is a company that makes CAs, one below the other.
type firm struct {
	t     *testing.T
	chain []company // the root last
}

// under puts a CA below those that there are; change is what it differs in.
func (f *firm) under(name string, change func(*x509.Certificate)) *firm {
	f.t.Helper()
	key, err := newKey("", rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.with(name, key, change)
}

func (f *firm) with(name string, key crypto.Signer, change func(*x509.Certificate)) *firm {
	f.t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, SerialNumber: big.NewInt(int64(len(f.chain)) + 7),
		NotBefore: today.Add(-day), NotAfter: today.Add(5 * year), MaxPathLen: -1,
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if change != nil {
		change(template)
	}
	parent, signer := template, key
	if len(f.chain) > 0 {
		parent, signer = f.chain[0].cert, f.chain[0].key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		f.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		f.t.Fatal(err)
	}
	return &firm{f.t, append([]company{{cert, key}}, f.chain...)}
}

// pem is the file: the CA first.
func (f *firm) pem() string { return chain(f.chain...) }

// sha1Signed has the CA in front signed with SHA-1, as no library does any more.
func (f *firm) sha1Signed(by company) *firm {
	f.t.Helper()
	var outer struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	sha256 := []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b}
	weak := append(bytes.Clone(sha256[:8]), 5)
	raw := bytes.ReplaceAll(f.chain[0].cert.Raw, sha256, weak) // in the certificate and beside its signature
	if _, err := asn1.Unmarshal(raw, &outer); err != nil {
		f.t.Fatal(err)
	}
	sum := sha1.Sum(outer.TBS.FullBytes) //nolint:gosec // see above
	signature, err := rsa.SignPKCS1v15(rand.Reader, by.key.(*rsa.PrivateKey), crypto.SHA1, sum[:])
	if err != nil {
		f.t.Fatal(err)
	}
	outer.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	if raw, err = asn1.Marshal(outer); err != nil {
		f.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		f.t.Fatal(err)
	}
	return &firm{f.t, append([]company{{cert, f.chain[0].key}}, f.chain[1:]...)}
}

// rsaKeys are made once: each takes its time.
var rsaKeys = sync.OnceValue(func() []*rsa.PrivateKey {
	var keys []*rsa.PrivateKey
	for _, bits := range []int{2048, 2048, 1024} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		keys = append(keys, key)
	}
	return keys
})

// CAs as others make them: those of no use to members are refused beforehand, with the field that is wrong; all others
// are taken over, and what they sign is accepted.
func TestOddCAs(t *testing.T) {
	root := (&firm{t: t}).under("root", nil)
	all := slices.Concat(oddUsages(root), oddConstraints(root), oddKeys(root), oddFiles(root))
	for _, o := range all {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			o.try(t)
		})
	}
	t.Logf("%d CAs", len(all))
}

func (o odd) try(t *testing.T) {
	role, certs := o.role, o.firm.pem()
	if role == "" {
		role = RolePeer
	}
	if o.alone {
		certs = chain(o.firm.chain[:len(o.firm.chain)-1]...)
	}
	if o.file != nil {
		certs = o.file(certs)
	}
	s := openWith(t, caDir(t), Options{
		Given: map[Role]Given{role: o.firm.chain[0].files(t, certs)}, Names: members,
		NoLists: o.noLists,
	})
	if why := s.Unfit(role, today, rand.Reader); !strings.Contains(why, o.says) || (why == "") != (o.says == "") {
		t.Errorf("beforehand: %q, want %q", why, o.says)
	}
	err := s.Try(role, today, rand.Reader)
	if (err != nil) != (o.says != "") ||
		err != nil && (!errors.Is(err, ErrUnfit) || !strings.Contains(err.Error(), o.says)) {
		t.Errorf("tried with its key: %v, want %q", err, o.says)
	}
	_, err = s.Create(role, "prod", Spec{}, today, rand.Reader)
	if (err != nil) != (o.says != "") {
		t.Errorf("taken over: %v, want %q", err, o.says)
	}
	if made := len(s.CAs()); (made > 0) != (o.says == "") {
		t.Errorf("%d CAs are in the directory", made)
	}
	if o.says != "" || t.Failed() {
		return
	}
	if why := s.Unfit(role, today, rand.Reader); why != "" {
		t.Errorf("when it has been taken over: %s", why)
	}
	l := Leaf{Kind: kindsOf[role][0], OU: "etcd-1"}
	for _, name := range members {
		if ip := net.ParseIP(name); ip != nil {
			l.IPs = append(l.IPs, ip)
		}
	}
	pair, err := s.Issue(l, today, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	handshakesWith(t, s, role, pair)
	root := o.firm.chain[len(o.firm.chain)-1].cert
	if got := s.CAs()[0].Trust; !o.alone && !bytes.Equal(got, encodeCert(root)) {
		t.Errorf("it is not the root that is trusted:\n%s", got)
	}
}

// A key that no TLS library takes is no reason to fall over.
func TestDSA(t *testing.T) {
	a := authority{cert: &x509.Certificate{PublicKey: &dsa.PublicKey{}, PublicKeyAlgorithm: x509.DSA}}
	if err := a.checkKey(); !errors.Is(err, ErrUnfit) || !strings.Contains(err.Error(), "(DSA)") {
		t.Error(err)
	}
}

// A CA that cannot be read stops nothing that needs no CA, and an older one goes on signing.
func TestUnreadable(t *testing.T) {
	theirs := (&firm{t: t}).under("theirs", nil)
	g := theirs.chain[0].files(t, theirs.pem())
	s := openWith(t, caDir(t), Options{Given: map[Role]Given{RolePeer: g}, Names: members})
	create(t, s, RolePeer, Spec{})
	if err := os.Rename(g.Cert, g.Cert+".away"); err != nil {
		t.Fatal(err)
	}
	s = openWith(t, s.dir, Options{Given: map[Role]Given{RolePeer: g}, Names: members})
	if why := s.Unfit(RolePeer, today, rand.Reader); !strings.Contains(why, "no such file") || s.Differs(RolePeer) == "" {
		t.Errorf("%q, differs: %q", why, s.Differs(RolePeer))
	}
	issue(t, s, peerLeaf())
}

// From clusterup's own CA to another one, and back to the inventory of before: that asks for the own CA again, not for
// a third one.
func TestReverts(t *testing.T) {
	theirs := newCompany(t, "theirs", nil, "")
	own := newStore(t, Spec{}).dir
	g := theirs.files(t, chain(theirs))
	s := givenStore(t, own, g)
	create(t, s, RolePeer, Spec{})
	if s.Reverts(RolePeer) != 0 || open(t, own).Reverts(RolePeer) != 1 || open(t, own).Reverts(RoleClient) != 0 {
		t.Errorf("to %d while it is given, and to %d when it is not", s.Reverts(RolePeer), open(t, own).Reverts(RolePeer))
	}
	s = open(t, own)
	create(t, s, RolePeer, Spec{})
	if back := givenStore(t, own, g).Reverts(RolePeer); back != 2 || s.Reverts(RolePeer) != 0 {
		t.Errorf("to %d", back)
	}
}
