package pki

import (
	"cmp"
	"crypto/tls"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"
)

// Leaf is a certificate that is wanted.
type Leaf struct {
	Kind         string // "peer" or "probe", which the peer CA signs, or "server" or "client", which the client CA signs
	CN           string // "" leaves it out, as a server has to: see below
	Organization string // "" leaves it out
	OU           string // organizational unit, which says whose it is where there is no common name; "" leaves it out

	// IPs and DNS become subject alternative names, each once, sorted. Peers and servers also get 127.0.0.1, ::1 and
	// localhost. A probe has none at all, and must not name any.
	IPs []net.IP
	DNS []string

	// Generation of the CA that is to sign; 0 is the newest that is not retired.
	Generation int

	// 0 is one year, of a probe one hour, which is also the longest for it; never longer than the CA's
	Lifetime  time.Duration
	Algorithm string // as in [Spec]
}

// Pair is a certificate and its key, in memory only.
type Pair struct {
	Cert, Key           []byte // PEM; the key as PKCS #8
	Serial              string // 32 lower-case hexadecimal digits
	NotBefore, NotAfter time.Time
	SHA256              string // of the certificate in DER, lower-case hexadecimal
}

// String leaves out the key, so that a pair can be printed.
func (p Pair) String() string { return "certificate " + p.Serial }

// GoString is like String.
func (p Pair) GoString() string { return p.String() }

// TLS is the pair as crypto/tls wants it.
func (p Pair) TLS() (tls.Certificate, error) {
	cert, err := tls.X509KeyPair(p.Cert, p.Key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("load %s: %w", p, err)
	}
	return cert, nil
}

// kinds are the CA and the usages of each kind of leaf. Members dial each other with their peer certificate, and etcd's
// HTTP gateway dials its own listener with the server certificate (etcd issue 9785), so both are clients as well.
//
// That gateway is why a server has no common name: a request to it may act as the user of that name (AuthInfoFromTLS in
// etcd's server/auth/store.go), whoever has sent it.
//
// A probe is what clusterup itself knocks with on a peer port, to see the certificate that is served there. It comes
// from anywhere: etcd holds the names in a peer's certificate against where the call came from (checkCertSAN in its
// listener_tls.go), but not in one that has none.
var kinds = map[string]struct {
	ca     Role
	usages []string
}{
	"peer":   {RolePeer, []string{"digital signature", "server auth", "client auth"}},
	"server": {RoleClient, []string{"digital signature", "server auth", "client auth"}},
	"client": {RoleClient, []string{"digital signature", "client auth"}},
	"probe":  {RolePeer, []string{"digital signature", "client auth"}},
}

// Issue makes a new key and has the CA of the leaf's kind sign it. It fails with [ErrNoCA], [ErrExpired] or
// [ErrSealed]. Nothing is written.
func (s *Store) Issue(l Leaf, now time.Time, rand io.Reader) (_ Pair, err error) {
	defer explain(&err, "issue %s certificate %q", l.Kind, cmp.Or(l.CN, l.OU))
	kind, known := kinds[l.Kind]
	if !known {
		return Pair{}, errors.New("unknown kind: use peer, server, client or probe")
	}
	ca, err := s.signing(kind.ca, l.Generation, now)
	if err != nil {
		return Pair{}, err
	}
	return ca.issue(l, now, rand)
}

func (a *authority) issue(l Leaf, now time.Time, rand io.Reader) (Pair, error) {
	switch {
	case l.Lifetime < 0:
		return Pair{}, fmt.Errorf("lifetime of %s is negative", l.Lifetime)
	case l.Kind == "server" && l.CN != "":
		return Pair{}, fmt.Errorf("a server has no common name, and not %q: requests to its HTTP gateway may act as that user",
			l.CN)
	case l.Kind == "probe" && len(l.IPs)+len(l.DNS) > 0:
		return Pair{}, fmt.Errorf("a probe has no names, and not %v %v", l.IPs, l.DNS)
	case l.Kind == "probe":
		l.Lifetime = min(cmp.Or(l.Lifetime, probeLifetime), probeLifetime)
	}
	key, err := newKey(l.Algorithm, rand)
	if err != nil {
		return Pair{}, err
	}
	r := request{
		subject: pkix.Name{CommonName: l.CN},
		usages:  kinds[l.Kind].usages,
		ips:     l.IPs, dns: l.DNS,
		notBefore: now.Add(-backdate),
		notAfter:  earlier(now.Add(cmp.Or(l.Lifetime, defaultLeafLifetime)), a.NotAfter),
	}
	if l.Organization != "" {
		r.subject.Organization = []string{l.Organization}
	}
	if l.OU != "" {
		r.subject.OrganizationalUnit = []string{l.OU}
	}
	if l.Kind == "peer" || l.Kind == "server" {
		r.ips = append([]net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, r.ips...)
		r.dns = append([]string{"localhost"}, r.dns...)
	}
	r.ips, r.dns = sortedIPs(r.ips), sortedNames(r.dns)
	signWith := sign
	if a.external != nil {
		signWith = signRemote
	}
	cert, err := signWith(r, key, a, rand)
	if err != nil {
		return Pair{}, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{
		Cert:   append(encodeCert(cert), a.Chain...),
		Key:    keyPEM,
		Serial: cert.SerialNumber.Text(16), NotBefore: cert.NotBefore, NotAfter: cert.NotAfter,
		SHA256: fingerprint(cert.Raw),
	}, nil
}

// signing is the CA of that generation, or for 0 the newest that is not retired. An older one never stands in for one
// that cannot sign: members may already have stopped trusting it.
func (s *Store) signing(role Role, generation int, now time.Time) (authority, error) {
	ca, err := s.pick(role, generation)
	if err != nil {
		return authority{}, err
	}
	switch {
	case ca.key == nil && ca.external == nil:
		return authority{}, fmt.Errorf("%s has the certificate of %s but not its key: %w", s.dir,
			baseName(role, ca.Generation), ErrNoCA)
	case !now.Before(ca.NotAfter):
		return authority{}, fmt.Errorf("%q, on %s: %w", ca.Subject, ca.NotAfter.Format(time.DateOnly), ErrExpired)
	case now.Before(ca.NotBefore):
		return authority{}, fmt.Errorf("%q is valid only from %s on: is this machine's clock right?", ca.Subject,
			ca.NotBefore.Format(time.RFC3339))
	}
	return ca, nil
}

func (s *Store) pick(role Role, generation int) (authority, error) {
	all := s.of(role)
	slices.Reverse(all)
	for _, a := range all {
		switch {
		case generation != 0 && a.Generation != generation, generation == 0 && a.Retired:
		case a.Retired:
			return authority{}, fmt.Errorf("%s in %s is retired: %w", baseName(role, generation), s.dir, ErrNoCA)
		default:
			return a, nil
		}
	}
	if generation != 0 {
		return authority{}, fmt.Errorf("%s has no %s: %w", s.dir, baseName(role, generation), ErrNoCA)
	}
	return authority{}, fmt.Errorf("%s: %w", s.dir, ErrNoCA)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// sortedIPs has each address once, IPv4 in its short form and before IPv6.
func sortedIPs(ips []net.IP) []net.IP {
	short := make([]net.IP, 0, len(ips))
	for _, ip := range ips {
		if four := ip.To4(); four != nil {
			ip = four
		}
		short = append(short, ip)
	}
	slices.SortFunc(short, func(a, b net.IP) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), slices.Compare(a, b))
	})
	return slices.CompactFunc(short, net.IP.Equal)
}

func sortedNames(names []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(names)))
}
