package pki

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const year = 365 * day

func TestLeaf(t *testing.T) {
	s := newStore(t, Spec{})
	l := peerLeaf()
	l.Organization = "example"
	l.IPs = append(l.IPs, net.ParseIP("fd00::1"), net.ParseIP("::ffff:10.0.0.11"), net.ParseIP("127.0.0.1"))
	l.DNS = append(l.DNS, "a.example.com", "localhost")
	p, cert := issue(t, s, l)

	for what, c := range map[string]struct{ got, want any }{
		"subject":      {cert.Subject.String(), "CN=etcd-1,O=example"},
		"IPs":          {fmt.Sprint(cert.IPAddresses), "[10.0.0.11 127.0.0.1 ::1 fd00::1]"},
		"DNS":          {fmt.Sprint(cert.DNSNames), "[a.example.com etcd-1.example.com localhost]"},
		"not before":   {cert.NotBefore, today.Add(-5 * time.Minute)},
		"not after":    {cert.NotAfter, today.Add(year)},
		"CA":           {cert.IsCA, false},
		"key usage":    {cert.KeyUsage, x509.KeyUsageDigitalSignature},
		"in the pair":  {[]time.Time{p.NotBefore, p.NotAfter}, []time.Time{cert.NotBefore, cert.NotAfter}},
		"serial":       {p.Serial, fmt.Sprintf("%x", cert.SerialNumber)},
		"fingerprint":  {p.SHA256, fingerprint(cert.Raw)},
		"authority ID": {cert.AuthorityKeyId, s.cas[0].cert.SubjectKeyId},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	if !regexp.MustCompile(`^[4-7][0-9a-f]{31}$`).MatchString(p.Serial) {
		t.Errorf("serial %q is not 32 digits", p.Serial)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if out := fmt.Sprintf(verb, p); out != "certificate "+p.Serial {
			t.Errorf("printed with %s: %s", verb, out)
		}
	}
}

// Without a common name it is the unit that says whose a certificate is. A server never has a common name: requests to
// its gateway might act as that user. A client has none if the unit is named instead.
func TestNoCommonName(t *testing.T) {
	s := newStore(t, Spec{})
	if p, err := s.Issue(Leaf{Kind: "server", CN: "root"}, today, rand.Reader); err == nil || p.Key != nil {
		t.Errorf("a server is called like a user: %v", err)
	}
	if _, cert := issue(t, s, serverLeaf()); cert.Subject.String() != "OU=etcd-1" {
		t.Errorf("a server is %q", cert.Subject)
	}
	p, err := s.IssueClient("patroni", Leaf{OU: "patroni", Organization: "team"}, today, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if cert := parseLeaf(t, p); cert.Subject.String() != "OU=patroni,O=team" {
		t.Errorf("a client is %q", cert.Subject)
	}
	held, err := s.Held(p.Cert, p.Key)
	if err != nil || held.Name != "patroni" || held.User != "" {
		t.Errorf("it is recorded as %+v, %v", held, err)
	}
}

func TestCACertificate(t *testing.T) {
	s := newStore(t, Spec{CALifetime: 3 * year})
	cert := s.cas[0].cert
	for what, c := range map[string]struct{ got, want any }{
		"path length": {[]any{cert.IsCA, cert.MaxPathLen, cert.MaxPathLenZero}, []any{true, 0, true}},
		"key usage":   {cert.KeyUsage, x509.KeyUsageCertSign | x509.KeyUsageCRLSign},
		"EKU":         {len(cert.ExtKeyUsage), 0},
		"not before":  {cert.NotBefore, today.Add(-5 * time.Minute)},
		"not after":   {cert.NotAfter, today.Add(3 * year)},
		"names":       {len(cert.DNSNames) + len(cert.IPAddresses), 0},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	if len(cert.SubjectKeyId) == 0 || slices.Equal(cert.SubjectKeyId, s.cas[1].cert.SubjectKeyId) {
		t.Errorf("subject key ID %x", cert.SubjectKeyId)
	}
	if cert.SerialNumber.Cmp(s.cas[1].cert.SerialNumber) == 0 {
		t.Error("both CAs have the same serial number")
	}
}

func TestUsages(t *testing.T) {
	s := newStore(t, Spec{})
	both := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, c := range []struct {
		leaf  Leaf
		want  []x509.ExtKeyUsage
		names []string
	}{
		{peerLeaf(), both, []string{"etcd-1.example.com", "localhost"}},
		{serverLeaf(), both, []string{"etcd-1.example.com", "localhost"}},
		{clientLeaf(), []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, nil},
		{probeLeaf(), []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, nil},
	} {
		_, cert := issue(t, s, c.leaf)
		if !slices.Equal(cert.ExtKeyUsage, c.want) || !slices.Equal(cert.DNSNames, c.names) {
			t.Errorf("%s: usages %v, names %v", c.leaf.Kind, cert.ExtKeyUsage, cert.DNSNames)
		}
	}
}

// etcd holds whatever names a certificate has against the address of the caller, and a probe may come from anywhere.
func TestProbe(t *testing.T) {
	s := newStore(t, Spec{})
	for lifetime, want := range map[time.Duration]time.Duration{0: time.Hour, time.Minute: time.Minute, year: time.Hour} {
		l := probeLeaf()
		l.Lifetime = lifetime
		p, cert := issue(t, s, l)
		if len(cert.IPAddresses)+len(cert.DNSNames)+len(cert.URIs)+len(cert.EmailAddresses) > 0 {
			t.Errorf("it is for %v %v", cert.IPAddresses, cert.DNSNames)
		}
		for _, e := range cert.Extensions {
			if e.Id.String() == "2.5.29.17" {
				t.Error("it has the extension for names, with none in it")
			}
		}
		if !p.NotAfter.Equal(today.Add(want)) {
			t.Errorf("asked for %s: until %s", lifetime, p.NotAfter)
		}
	}
}

func TestLifetimeWithinTheCA(t *testing.T) {
	s := newStore(t, Spec{CALifetime: year})
	end := today.Add(year)
	at := func(now time.Time, lifetime time.Duration) (Pair, error) {
		l := clientLeaf()
		l.Lifetime = lifetime
		return s.Issue(l, now, rand.Reader)
	}
	for name, c := range map[string]struct {
		now      time.Time
		lifetime time.Duration
		want     time.Time
	}{
		"short":         {today, time.Hour, today.Add(time.Hour)},
		"clipped":       {today, 2 * year, end},
		"in the middle": {today.Add(year / 2), 0, end},
		"last second":   {end.Add(-time.Second), time.Hour, end},
	} {
		p, err := at(c.now, c.lifetime)
		if err != nil || !p.NotAfter.Equal(c.want) {
			t.Errorf("%s: until %s (%v), want %s", name, p.NotAfter, err, c.want)
		}
	}
	_, err := at(end, time.Hour)
	if !errors.Is(err, ErrExpired) || !strings.Contains(err.Error(), "prod etcd client CA 1") {
		t.Errorf("after the end: %v", err)
	}
	if _, err := at(today.Add(-time.Hour), time.Hour); err == nil || errors.Is(err, ErrExpired) {
		t.Errorf("before the beginning: %v", err)
	}
	if _, err := at(today, -1); err == nil {
		t.Error("a negative lifetime is taken")
	}
}

func TestRefusedLeaves(t *testing.T) {
	s := newStore(t, Spec{})
	for name, change := range map[string]func(*Leaf){
		"probe with names":  func(l *Leaf) { l.Kind = "probe" },
		"unknown kind":      func(l *Leaf) { l.Kind = "ca" },
		"unknown algorithm": func(l *Leaf) { l.Algorithm = "rsa-512" },
	} {
		l := peerLeaf()
		change(&l)
		if _, err := s.Issue(l, today, rand.Reader); err == nil {
			t.Errorf("%s is issued", name)
		}
	}
	if _, err := s.Create("admin", "prod", Spec{}, today, rand.Reader); err == nil {
		t.Error("a CA of an unknown role is made")
	}
	if _, err := s.Create(RolePeer, "prod", Spec{Algorithm: "dsa"}, today, rand.Reader); err == nil {
		t.Error("a CA of an unknown algorithm is made")
	}
}

func TestAlgorithms(t *testing.T) {
	for _, algorithm := range []string{"ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-3072", "rsa-4096"} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			s := open(t, filepath.Join(t.TempDir(), "ca"))
			if ca := create(t, s, RolePeer, Spec{Algorithm: algorithm}); ca.Algorithm != algorithm {
				t.Errorf("the CA has %s", ca.Algorithm)
			}
			l := peerLeaf()
			l.Algorithm = algorithm
			p, cert := issue(t, s, l)
			if got := algorithmOf(cert.PublicKey); got != algorithm {
				t.Errorf("the leaf has %s", got)
			}
			handshakesWith(t, s, RolePeer, p)
			t.Run("openssl", func(t *testing.T) { opensslAgrees(t, s, p) })
		})
	}
}

// openssl is the program that most others will read certificates with.
func openssl(t *testing.T) (run func(args ...string) string) {
	t.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("openssl %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
}

func opensslAgrees(t *testing.T, s *Store, p Pair) {
	t.Helper()
	run := openssl(t)
	cert, key := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	write(t, cert, string(p.Cert))
	write(t, key, string(p.Key))
	for _, purpose := range []string{"sslserver", "sslclient"} {
		run("verify", "-x509_strict", "-purpose", purpose, "-attime", strconv.FormatInt(today.Unix(), 10),
			"-CAfile", filepath.Join(s.dir, "peer-1.pem"), cert)
	}
	if a, b := run("pkey", "-in", key, "-pubout"), run("x509", "-in", cert, "-noout", "-pubkey"); a != b {
		t.Error("the key does not belong to the certificate")
	}
	if out := run("x509", "-in", cert, "-noout", "-serial"); strings.ToLower(out) != "serial="+p.Serial+"\n" {
		t.Errorf("%s, but the pair says %s", out, p.Serial)
	}
}
