package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"time"
)

// A CA of others may sign less than members need, and that shows only when they dial each other. So it is tried
// before anything is made of it: it signs a leaf of each kind with the names of all members, in memory, and each is
// verified as etcd does it, with what is to be trusted for this CA alone. Without its key, a copy of it is tried,
// which has all its fields and a key of its own.

// unfitError counts as [ErrUnfit]; its text is the cause alone.
type unfitError struct{ error }

func (e unfitError) Is(target error) bool { return target == ErrUnfit }
func (e unfitError) Unwrap() error        { return e.error }

func unfit(format string, args ...any) error { return unfitError{fmt.Errorf(format, args...)} }

// kindsOf are the kinds of leaves that the CA of a role signs; the first has all usages and names that any has.
var kindsOf = map[Role][]string{RolePeer: {"peer", "probe"}, RoleClient: {"server", "client"}}

// try has a CA sign leaves, and is an error when one of them is of no use. A server signs only one.
func (a *authority) try(o Options, now time.Time, rand io.Reader) error {
	kinds := kindsOf[a.Role]
	if a.external != nil {
		kinds = kinds[:1]
	}
	err := a.tryKinds(kinds, o.Names, now, rand)
	if err != nil || a.Role == RolePeer || a.external != nil || o.NoLists {
		return err
	}
	return a.tryList(now, rand)
}

func (a *authority) tryKinds(kinds, names []string, now time.Time, rand io.Reader) error {
	for _, kind := range kinds {
		l := Leaf{Kind: kind, CN: "localhost", Lifetime: probeLifetime} // a name that a whitelist has anyway
		if kind == "server" {
			l.CN, l.OU = "", l.CN
		}
		if kind != "probe" && kind != "client" {
			for _, name := range names {
				if ip := net.ParseIP(name); ip != nil {
					l.IPs = append(l.IPs, ip)
				} else {
					l.DNS = append(l.DNS, name)
				}
			}
		}
		pair, err := a.issue(l, now, rand)
		if err == nil {
			err = a.verify(pair, now)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tryList has it sign an empty list of revoked certificates.
func (a *authority) tryList(now time.Time, rand io.Reader) error {
	const why = ": it signs the list of revoked client certificates"
	switch {
	case a.cert.KeyUsage&x509.KeyUsageCRLSign == 0:
		return unfit("the keyUsage of %q lacks cRLSign"+why, a.Subject)
	case len(a.cert.SubjectKeyId) == 0:
		return unfit("%q has no subjectKeyIdentifier"+why, a.Subject)
	}
	signer, err := a.key()
	if err != nil {
		return err
	}
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(day)}
	if _, err := x509.CreateRevocationList(rand, list, a.cert, signer); err != nil {
		return unfit("%q cannot sign lists of revoked certificates: %w", a.Subject, err)
	}
	return nil
}

// verify is how etcd looks at a certificate that it is shown, as a client and as a server (crypto/tls,
// verifyServerCertificate and processCertsFromClient), with nothing but this CA to trust.
func (a *authority) verify(p Pair, now time.Time) error {
	roots, along := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM(a.Trust)
	block, rest := pem.Decode(p.Cert)
	along.AppendCertsFromPEM(rest)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return unfit("what %q signs cannot be read: %w", a.Subject, err)
	}
	for _, usage := range leaf.ExtKeyUsage {
		options := x509.VerifyOptions{
			Roots: roots, Intermediates: along, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage},
		}
		if _, err := leaf.Verify(options); err != nil {
			return unfitError{a.blame(err, usage)}
		}
	}
	return nil
}

// blame finds the field of a CA, or of one above it, that makes what it signs useless.
func (a *authority) blame(err error, usage x509.ExtKeyUsage) error {
	path := a.path()
	first := func(is func(*x509.Certificate) bool) *x509.Certificate {
		return path[max(0, slices.IndexFunc(path, is))]
	}
	var invalid x509.CertificateInvalidError
	if errors.As(err, new(x509.UnhandledCriticalExtension)) {
		cert := first(func(c *x509.Certificate) bool { return len(c.UnhandledCriticalExtensions) > 0 })
		return fmt.Errorf("%q has a critical extension that etcd does not know: %v",
			cert.Subject, cert.UnhandledCriticalExtensions)
	}
	if !errors.As(err, &invalid) {
		return fmt.Errorf("what %q signs is not accepted where it is trusted: %w", a.Subject, err)
	}
	switch invalid.Reason {
	case x509.IncompatibleUsage:
		cert := first(func(c *x509.Certificate) bool {
			some := len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0
			return some && !slices.Contains(c.ExtKeyUsage, usage) &&
				!slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
		})
		lacks := "serverAuth"
		if usage == x509.ExtKeyUsageClientAuth {
			lacks = "clientAuth"
		}
		return fmt.Errorf("the extendedKeyUsage of %q lacks %s: "+
			"members need serverAuth and clientAuth, since they dial each other",
			cert.Subject, lacks)
	case x509.TooManyIntermediates:
		return fmt.Errorf("the pathlen in the basicConstraints of %q is %d, so that nothing is valid which %q signs",
			invalid.Cert.Subject, invalid.Cert.MaxPathLen, a.Subject)
	case x509.CANotAuthorizedForThisName:
		return fmt.Errorf("the nameConstraints of %q do not fit the members: %s",
			first(constrained).Subject, strings.TrimPrefix(invalid.Detail, "x509: "))
	}
	return fmt.Errorf("what %q signs is not accepted where it is trusted: %w", a.Subject, err)
}

func constrained(c *x509.Certificate) bool {
	return slices.ContainsFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.String() == "2.5.29.30" })
}

// path are the certificates between what it signs and what is trusted.
func (a *authority) path() []*x509.Certificate {
	path := []*x509.Certificate{a.cert}
	if a.Chain != nil && string(a.Trust) != string(a.PEM) {
		path = append(path, a.chain...)
	}
	return path
}

// checkKey says whether a CA has a key that can sign, and that etcd verifies with.
func (a *authority) checkKey() error {
	for _, cert := range a.path() {
		if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > 8192 && !selfSigned(cert) { // it is shown
			return unfit("the RSA key of %q has %d bits: etcd takes at most 8192", cert.Subject, key.N.BitLen())
		}
	}
	switch key := a.cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < 2048 {
			return unfit("the RSA key of %q has %d bits: there have to be 2048", a.Subject, key.N.BitLen())
		}
	case *ecdsa.PublicKey:
		if !slices.Contains([]elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}, key.Curve) {
			return unfit("the key of %q is on the curve %s: there are P-256, P-384 and P-521",
				a.Subject, key.Curve.Params().Name)
		}
	case ed25519.PublicKey:
	default:
		return unfit("the key of %q is of a kind that does not sign for etcd (%s): there are RSA, ECDSA and Ed25519",
			a.Subject, a.cert.PublicKeyAlgorithm)
	}
	return nil
}

// checkDates is an error when the CA, or one above it, has ended or is not valid yet.
func (a *authority) checkDates(now time.Time) error {
	for _, cert := range append([]*x509.Certificate{a.cert}, a.chain...) {
		switch {
		case !now.Before(cert.NotAfter):
			return unfit("%q, on %s: %w", cert.Subject, cert.NotAfter.Format(time.DateOnly), ErrExpired)
		case now.Before(cert.NotBefore):
			return unfit("%q is not valid yet: its notBefore is %s, and it is %s", cert.Subject,
				cert.NotBefore.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// copied is a CA that differs in its keys alone, and those above it likewise.
func (a *authority) copied(rand io.Reader) (*authority, error) {
	all := append([]*x509.Certificate{a.cert}, a.chain...)
	copies := make([]*x509.Certificate, len(all))
	above, signer := (*x509.Certificate)(nil), crypto.Signer(nil)
	for i, cert := range slices.Backward(all) {
		key, err := newKey(defaultAlgorithm, rand)
		if err != nil {
			return nil, err
		}
		template := &x509.Certificate{
			RawSubject: cert.RawSubject, SerialNumber: big.NewInt(1),
			NotBefore: cert.NotBefore, NotAfter: cert.NotAfter,
			ExtraExtensions: cert.Extensions, // as they are, also those that nobody here knows
		}
		if above == nil {
			above, signer = &x509.Certificate{RawSubject: cert.RawIssuer}, key
			if !selfSigned(cert) { // then somebody signs it who is not here
				if signer, err = newKey(defaultAlgorithm, rand); err != nil {
					return nil, err
				}
			}
		}
		der, err := x509.CreateCertificate(rand, template, above, key.Public(), signer)
		if err == nil {
			copies[i], err = x509.ParseCertificate(der)
		}
		if err != nil {
			return nil, unfit("%q cannot be copied for a trial: %w", cert.Subject, err)
		}
		above, signer = copies[i], key
	}
	made := newAuthority(a.Role, a.Generation, copies[0])
	made.under(copies[1:])
	made.key = opened(signer)
	return &made, nil
}
