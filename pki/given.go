package pki

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// given is a CA that comes from elsewhere, as far as it can be known without its key.
type given struct {
	Given
	cert  *x509.Certificate // nil: only the server knows it
	chain []*x509.Certificate
}

func readGiven(all map[Role]Given) (map[Role]given, error) {
	out := map[Role]given{}
	for role, g := range all {
		one := given{Given: g}
		if g.External != nil {
			if err := g.External.check(); err != nil {
				return nil, fmt.Errorf("read %s CA: %w", role, err)
			}
		}
		if g.Cert != "" {
			data, err := os.ReadFile(g.Cert)
			if err != nil {
				return nil, fmt.Errorf("read %s CA: %w", role, err)
			}
			if one.cert, one.chain, err = parseChain(data); err != nil {
				return nil, fmt.Errorf("read %s CA %s: %w", role, g.Cert, err)
			}
		}
		if one.cert == nil && g.External == nil {
			return nil, fmt.Errorf("read %s CA: it has no certificate", role)
		}
		out[role] = one
	}
	return out, nil
}

// parseChain reads the certificate of a CA, and each that signed the one before it.
func parseChain(data []byte) (*x509.Certificate, []*x509.Certificate, error) {
	certs, err := parseCerts(data)
	if err != nil {
		return nil, nil, err
	}
	if len(certs) == 0 {
		return nil, nil, errors.New("holds no certificate")
	}
	for i, cert := range certs {
		if err := checkCA(cert); err != nil {
			return nil, nil, err
		}
		if i == 0 {
			continue
		}
		if err := certs[i-1].CheckSignatureFrom(cert); err != nil || bytes.Equal(cert.Raw, certs[i-1].Raw) {
			return nil, nil, fmt.Errorf("%q did not sign %q: the CA comes first, then each that signed the one before it", cert.Subject, certs[i-1].Subject)
		}
	}
	return certs[0], certs[1:], nil
}

// attachGiven lets the generations that were taken over sign, where the CA is still given. A server of which no certificate was named is
// taken for the CA that was taken over last, unless that was given up.
func (s *Store) attachGiven(cas []authority) {
	last := map[Role]int{}
	for _, a := range cas {
		if a.Given && !a.Retired {
			last[a.Role] = a.Generation
		}
	}
	for i := range cas {
		a := &cas[i]
		g, ok := s.given[a.Role]
		if !ok || !a.Given || g.cert != nil && !g.cert.Equal(a.cert) || g.cert == nil && a.Generation != last[a.Role] {
			a.attachOld()
			continue
		}
		if g.External != nil {
			a.external = g.External
		} else {
			cert, path := a.cert, g.Key
			a.key = &key{open: func() (crypto.Signer, error) { return givenKey(path, cert) }}
		}
		a.Signing = !a.Retired
	}
}

// attachOld lets a CA sign that is not given any more, as long as its key is where it was: while members are taken over from it to another
// one, that is what they trust.
func (a *authority) attachOld() {
	cert, path := a.cert, a.KeyFile
	if _, err := os.Stat(path); err != nil || a.Retired {
		return
	}
	a.key = &key{open: func() (crypto.Signer, error) { return givenKey(path, cert) }}
	a.Signing = true
}

func givenKey(path string, cert *x509.Certificate) (crypto.Signer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := private(path, info, "0600"); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	signer, err := parseAnyKey(data)
	if err == nil && !samePublic(cert.PublicKey, signer) {
		err = fmt.Errorf("the key does not belong to the certificate of %q", cert.Subject)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return signer, nil
}

// adopt makes a given CA the next generation: its certificates are copied, of its key only the place is. One that was retired, such as when a rotation to it
// was given up, can be taken over again; there are then two generations with the same certificate. The directory must be locked.
func (s *Store) adopt(g given, role Role, generation int, now time.Time) (authority, error) {
	if g.cert == nil {
		cert, err := remoteCA(g.External)
		if err != nil {
			return authority{}, err
		}
		g.cert = cert
	}
	if now, err := s.pick(role, 0); err == nil && now.cert.Equal(g.cert) {
		return authority{}, fmt.Errorf("%q cannot make its own successor; ask whoever runs it for the next one and name that in the inventory: %w",
			g.cert.Subject, ErrExternal)
	}
	if err := g.fit(now); err != nil {
		return authority{}, err
	}
	a := newAuthority(role, generation, g.cert)
	base := s.base(role, generation)
	for _, suffix := range []string{keySuffix, sealedSuffix, recipientsSuffix, retiredSuffix, givenSuffix} { // left by a run that was killed
		if err := remove(base + suffix); err != nil {
			return authority{}, err
		}
	}
	if g.External == nil {
		if err := writeFile(base+givenSuffix, []byte(g.Key+"\n"), 0o600); err != nil {
			return authority{}, err
		}
	}
	var chain []byte
	for _, cert := range g.chain {
		chain = append(chain, encodeCert(cert)...)
	}
	if err := writeFile(base+chainSuffix, chain, 0o644); err != nil {
		return authority{}, err
	}
	return a, writeFile(base+certSuffix, a.PEM, 0o644)
}

// fit is an error when a CA whose certificate is known cannot be taken over.
func (g given) fit(now time.Time) error {
	if !now.Before(g.cert.NotAfter) {
		return fmt.Errorf("%q, on %s: %w", g.cert.Subject, g.cert.NotAfter.Format(time.DateOnly), ErrExpired)
	}
	if g.External != nil {
		return nil
	}
	_, err := givenKey(g.Key, g.cert)
	return err
}

// Unfit says why the CA that is given for a role cannot be taken over; "" when it can be, when it has been, and when none is given or only
// a server knows it.
func (s *Store) Unfit(role Role, now time.Time) string {
	g, ok := s.given[role]
	if !ok || g.cert == nil {
		return ""
	}
	if a, err := s.pick(role, 0); err == nil && a.Given && a.cert.Equal(g.cert) {
		return ""
	}
	if err := g.fit(now); err != nil {
		return err.Error()
	}
	return ""
}

// loadChain reads the certificates above a CA that was given; one that was made here has no such file.
func (a *authority) loadChain(path string) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, a.chain, err = parseChain(append(bytes.Clone(a.PEM), data...)); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	a.Given = true
	for _, cert := range a.chain {
		a.NotAfter = earlier(a.NotAfter, cert.NotAfter)
	}
	if selfSignedCert(a.cert) {
		return nil
	}
	above := a.chain
	if last := len(above) - 1; last >= 0 && selfSignedCert(above[last]) {
		a.Trust, above = encodeCert(above[last]), above[:last]
	}
	a.Chain = bytes.Clone(a.PEM)
	for _, cert := range above {
		a.Chain = append(a.Chain, encodeCert(cert)...)
	}
	return nil
}

func selfSignedCert(cert *x509.Certificate) bool { return cert.CheckSignatureFrom(cert) == nil }

// Differs says how the newest CA of a role is not the one that the options ask for, so that a rotation is due; "" when it is, or when there
// is none yet.
func (s *Store) Differs(role Role) string {
	a, err := s.pick(role, 0)
	if err != nil {
		return ""
	}
	g, ok := s.given[role]
	switch {
	case ok && !a.Given:
		return "the CA is clusterup's own, and another one is given"
	case ok && g.cert != nil && !g.cert.Equal(a.cert):
		return fmt.Sprintf("the CA is %q, and %q is given", a.Subject, g.cert.Subject)
	case !ok && a.Given:
		return fmt.Sprintf("the CA is %q, which is not given any more", a.Subject)
	}
	return ""
}
