package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"net"
	"strings"
	"time"
)

// odd is a CA as somebody else made it.
type odd struct {
	name    string
	role    Role // "": peer
	firm    *firm
	file    func(string) string // what has become of its file; nil: nothing
	says    string              // why it is not taken; "": it is
	alone   bool                // the file has no root, so that the CA itself is trusted
	noLists bool                // no member asks for a list of revoked certificates
}

func oddUsages(root *firm) []odd {
	usage := func(usages ...x509.ExtKeyUsage) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtKeyUsage = usages }
	}
	key := func(usage x509.KeyUsage) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.KeyUsage = usage }
	}
	server, client := x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
	return []odd{
		{
			name: "for servers alone", says: `the extendedKeyUsage of "CN=web" lacks clientAuth`,
			firm: root.under("web", usage(server)),
		},
		{
			name: "for servers alone, trusted itself", says: `of "CN=web" lacks clientAuth`,
			firm: root.under("web", usage(server)), alone: true,
		},
		{
			name: "for servers alone, for clients", says: `of "CN=web" lacks clientAuth`,
			role: RoleClient, firm: root.under("web", usage(server)),
		},
		{
			name: "for clients alone", says: `the extendedKeyUsage of "CN=vpn" lacks serverAuth`,
			firm: root.under("vpn", usage(client)),
		},
		{
			name: "for mail", says: `of "CN=mail" lacks `,
			firm: root.under("mail", usage(x509.ExtKeyUsageEmailProtection)),
		},
		{name: "for both", firm: root.under("tls", usage(server, client))},
		{name: "for any", firm: root.under("any", usage(x509.ExtKeyUsageAny))},
		{
			name: "an upper one for servers alone", says: `of "CN=upper" lacks clientAuth`,
			firm: root.under("upper", usage(server)).under("low", nil),
		},
		{
			name: "an upper one for servers alone, below what is trusted",
			firm: root.under("upper", usage(server)).under("low", nil), alone: true,
		},
		{
			name: "a root for servers alone", says: `of "CN=narrow" lacks clientAuth`,
			firm: (&firm{t: root.t}).under("narrow", usage(server)),
		},
		{
			name: "signs no certificates", says: `the keyUsage of "CN=lists" lacks keyCertSign`,
			firm: root.under("lists", key(x509.KeyUsageCRLSign)),
		},
		{name: "signs no lists, for peers", firm: root.under("certs", key(x509.KeyUsageCertSign))},
		{
			name: "signs no lists, for clients", role: RoleClient, firm: root.under("certs", key(x509.KeyUsageCertSign)),
			says: `the keyUsage of "CN=certs" lacks cRLSign`,
		},
		{
			name: "signs no lists, and nobody asks for one", role: RoleClient, noLists: true,
			firm: root.under("certs", key(x509.KeyUsageCertSign)),
		},
		{name: "no key usage", firm: root.under("plain", key(0))},
		{
			name: "no CA", says: `"CN=leaf" is not that of a CA: its basicConstraints`,
			firm: root.under("leaf", func(c *x509.Certificate) { c.IsCA = false }),
		},
		{
			name: "no constraints at all", says: "basicConstraints",
			firm: root.under("old", func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = false, false }),
		},
		{name: "a critical extension that nobody knows", firm: root.under("new", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
		}), says: `"CN=new" has a critical extension that etcd does not know: [1.2.3.4]`},
	}
}

func oddConstraints(root *firm) []odd {
	within := func(change func(*x509.Certificate)) *firm { return root.under("bound", change) }
	length := func(n int) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = n, n == 0 }
	}
	ipnet := func(text string) *net.IPNet {
		_, n, err := net.ParseCIDR(text)
		if err != nil {
			root.t.Fatal(err)
		}
		return n
	}
	const not = `the nameConstraints of "CN=bound" do not fit the members: `
	home, v6 := []*net.IPNet{ipnet("127.0.0.0/8"), ipnet("::1/128")}, ipnet("fd00::/8")
	return []odd{
		{
			name: "without localhost", says: not + `DNS name "localhost"`,
			firm: within(func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.com"} }),
		},
		{
			name: "for the company and localhost",
			firm: within(func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.com", "localhost"} }),
		},
		{
			name: "without loopback", says: not + `IP address "127.0.0.1"`,
			firm: within(func(c *x509.Certificate) { c.PermittedIPRanges = []*net.IPNet{ipnet("10.0.0.0/8"), v6} }),
		},
		{
			name: "without ::1", says: not + `IP address "::1"`,
			firm: within(func(c *x509.Certificate) { c.PermittedIPRanges = []*net.IPNet{ipnet("10.0.0.0/8"), home[0], v6} }),
		},
		{
			name: "without one member", says: not + `IP address "10.0.0.12"`,
			firm: within(func(c *x509.Certificate) { c.PermittedIPRanges = append(home, ipnet("10.0.0.11/32"), v6) }),
		},
		{
			name: "with all members",
			firm: within(func(c *x509.Certificate) { c.PermittedIPRanges = append(home, ipnet("10.0.0.0/24"), v6) }),
		},
		{
			name: "a domain that is kept out", says: not + `DNS name "etcd-1.example.com"`,
			firm: within(func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"example.com"} }),
		},
		{
			name: "a root that lets none below it", says: `the pathlen in the basicConstraints of "CN=flat" is 0`,
			firm: (&firm{t: root.t}).under("flat", length(0)).under("low", nil),
		},
		{
			name: "such a root, below which the CA itself is trusted",
			firm: (&firm{t: root.t}).under("flat", length(0)).under("low", nil), alone: true,
		},
		{
			name: "an upper one that lets none below it", says: `pathlen in the basicConstraints of "CN=flat" is 0`,
			firm: root.under("flat", length(0)).under("low", nil),
		},
		{name: "one that lets none below it", firm: root.under("low", length(0))},
		{
			name: "not valid yet", says: `"CN=young" is not valid yet: its notBefore is `,
			firm: root.under("young", func(c *x509.Certificate) { c.NotBefore = today.Add(time.Hour) }),
		},
		{name: "valid from now on", firm: root.under("new", func(c *x509.Certificate) { c.NotBefore = today })},
		{
			name: "ended", says: `"CN=old", on `,
			firm: root.under("old", func(c *x509.Certificate) { c.NotAfter = today.Add(-time.Hour) }),
		},
		{
			name: "an upper one has ended", says: `"CN=upper", on `,
			firm: root.under("upper", func(c *x509.Certificate) { c.NotAfter = today.Add(-time.Hour) }).under("low", nil),
		},
		{
			name: "an upper one has ended, below what is trusted", alone: true, says: `"CN=upper", on `,
			firm: root.under("upper", func(c *x509.Certificate) { c.NotAfter = today.Add(-time.Hour) }).under("low", nil),
		},
	}
}

func oddKeys(root *firm) []odd {
	keys := rsaKeys()
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		root.t.Fatal(err)
	}
	signed := (&firm{t: root.t}).with("rsa root", keys[0], nil)
	low := signed.with("rsa low", keys[1], nil)
	old := signed.sha1Signed(signed.chain[0])
	return []odd{
		{name: "RSA", firm: low},
		{
			name: "RSA of 1024 bits", says: `the RSA key of "CN=small" has 1024 bits`,
			firm: root.with("small", keys[2], nil),
		},
		{name: "P-224", firm: root.with("curve", p224, nil), says: `the key of "CN=curve" is on the curve P-224`},
		{
			name: "signed with SHA-1", says: `the certificate of "CN=rsa low" is signed with SHA1-RSA, which etcd refuses`,
			firm: low.sha1Signed(signed.chain[0]),
		},
		{name: "signed with SHA-1, trusted itself", firm: low.sha1Signed(signed.chain[0]), alone: true},
		{name: "a root that signed itself with SHA-1", firm: old.with("below", keys[1], nil)},
		{name: "its own root, with SHA-1", firm: old},
	}
}

func oddFiles(root *firm) []odd {
	low := root.under("upper", nil).under("low", nil)
	swap := func(order ...int) func(string) string {
		return func(string) string {
			var all []company
			for _, i := range order {
				all = append(all, low.chain[i])
			}
			return chain(all...)
		}
	}
	edit := func(old, text string) func(string) string {
		return func(file string) string { return strings.Replace(file, old, text, 1) }
	}
	renamed := (&firm{t: root.t}).under("root", nil) // another of that name
	return []odd{
		{name: "the root twice", firm: low, file: swap(0, 1, 2, 2)},
		{name: "all twice", firm: low, file: swap(0, 0, 1, 1, 2, 2, 0)},
		{name: "a byte order mark", firm: low, file: func(file string) string { return "\ufeff" + file }},
		{name: "comments", firm: low, file: func(file string) string {
			return "# of the company\n" + strings.ReplaceAll(file, "-----END CERTIFICATE-----\n",
				"-----END CERTIFICATE-----\n# the end\n")
		}},
		{
			name: "lines as Windows ends them",
			firm: low, file: func(file string) string { return strings.ReplaceAll(file, "\n", "\r\n") },
		},
		{name: "no end of the last line", firm: low, file: strings.TrimSpace},
		{
			name: "the root first", says: `"CN=upper" did not sign "CN=root", which is issued by "CN=root"`,
			firm: low, file: swap(2, 1, 0),
		},
		{
			name: "one is left out", says: `"CN=root" did not sign "CN=low", which is issued by "CN=upper"`,
			firm: low, file: swap(0, 2),
		},
		{
			name: "a namesake of the root", says: "with the key that it has",
			firm: low, file: func(string) string { return chain(low.chain[0], low.chain[1], renamed.chain[0]) },
		},
		{
			name: "cut short", says: "3 PEM blocks begin in it, and 2 can be read",
			firm: low, file: func(file string) string { return file[:len(file)-60] },
		},
		{
			name: "indented", says: "3 PEM blocks begin in it, and 2 can be read",
			firm: low, file: func(file string) string { return "  " + file },
		},
		{name: "damaged", firm: low, file: edit("\nMII", "\nM!I"), says: "3 PEM blocks begin in it, and 2 can be read"},
		{name: "a key in it", firm: low, file: func(file string) string {
			return file + string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte("x")}))
		}, says: "holds a private key"},
		{name: "trusted, as openssl writes it", firm: low, file: func(file string) string {
			return strings.ReplaceAll(file, " CERTIFICATE-", " TRUSTED CERTIFICATE-")
		}, says: `type "TRUSTED CERTIFICATE"`},
		{
			name: "DER", says: "is a certificate in DER, and has to be PEM",
			firm: low, file: func(string) string { return string(low.chain[0].cert.Raw) },
		},
		{
			name: "UTF-16", says: "is UTF-16 text",
			firm: low, file: func(file string) string { return "\xff\xfe" + strings.Join(strings.Split(file, ""), "\x00") },
		},
		{
			name: "PKCS #12", says: "is not PEM",
			firm: low, file: func(string) string { return "\x30\x82\x01\x02\x02\x01\x03" },
		},
		{name: "empty", firm: low, file: func(string) string { return "\n" }, says: "holds no certificate"},
		{
			name: "another encoding of the name", firm: reencoded(root),
			says: "are encoded in two ways, which etcd tells apart",
		},
	}
}

// reencoded is below a CA that it calls by its name in another kind of string.
func reencoded(root *firm) *firm {
	name, err := asn1.Marshal(pkix.RDNSequence{{{
		Type:  asn1.ObjectIdentifier{2, 5, 4, 3},
		Value: asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte("root")},
	}}})
	if err != nil {
		root.t.Fatal(err)
	}
	alias := *root.chain[0].cert
	alias.RawSubject = name
	below := (&firm{root.t, []company{{&alias, root.chain[0].key}}}).under("low", nil)
	return &firm{root.t, []company{below.chain[0], root.chain[0]}}
}
