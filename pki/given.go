package pki

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/clusterup/clusterup/durable"
)

// given is a CA that comes from elsewhere, as far as it can be known without its key.
type given struct {
	Given
	cert  *x509.Certificate // nil: only the server knows it
	chain []*x509.Certificate
	err   error // why it cannot be read; all else but Given is then zero
}

// readGiven reads the certificates of given CAs. A mistake in one is kept in its err, since much can be done without
// that CA.
func readGiven(all map[Role]Given) map[Role]given {
	out := map[Role]given{}
	for role, g := range all {
		one := given{Given: g}
		if err := one.read(); err != nil {
			one = given{Given: g, err: unfitError{fmt.Errorf("read %s CA: %w", role, err)}}
		}
		out[role] = one
	}
	return out
}

func (g *given) read() error {
	if g.External != nil {
		if err := g.External.check(); err != nil {
			return err
		}
	}
	if g.Cert == "" && g.External == nil {
		return errors.New("it has no certificate")
	}
	if g.Cert == "" {
		return nil
	}
	data, err := os.ReadFile(g.Cert)
	if err != nil {
		return err
	}
	certs, err := parseCerts(data)
	if err == nil {
		err = checkChain(certs)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", g.Cert, err)
	}
	g.cert, g.chain = certs[0], certs[1:]
	return nil
}

// is says whether a CA that was taken over is the one that is given, as far as that can be told; latest is the last
// generation that was taken over.
func (g given) is(a *authority, latest int) bool {
	switch {
	case g.err != nil || !a.Given:
		return false
	case g.cert == nil:
		return a.Generation == latest
	}
	return g.cert.Equal(a.cert)
}

// attachGiven lets generations that were taken over sign if their CA is still given. A server without a named
// certificate counts as the CA that was taken over last, unless that is retired.
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
		if !ok || !g.is(a, last[a.Role]) {
			a.attachOld()
			continue
		}
		if g.External != nil {
			a.external = g.External
		} else {
			a.keyAt(g.Key)
		}
		a.Signing = !a.Retired
	}
}

// attachOld lets a CA sign that is not given any more, as long as its key is where it was: members still trust it until
// the rotation to the next CA has come that far.
func (a *authority) attachOld() {
	if _, err := os.Stat(a.KeyFile); err != nil || a.Retired {
		return
	}
	a.keyAt(a.KeyFile)
	a.Signing = true
}

// keyAt has a CA sign with the key in a file.
func (a *authority) keyAt(path string) {
	cert := a.cert
	a.key = sync.OnceValues(func() (crypto.Signer, error) { return readKey(path, cert) })
}

// adopt makes a given CA the next generation: its certificates are copied, and the path of its key is noted. One that
// was retired, such as when a rotation to it was given up, can be taken over again; there are then two generations with
// the same certificate. The directory must be locked.
func (s *Store) adopt(g given, role Role, generation int, now time.Time, rand io.Reader) error {
	a, err := g.authority(role, generation)
	if err != nil {
		return err
	}
	if now, err := s.pick(role, 0); err == nil && now.cert.Equal(a.cert) {
		return fmt.Errorf(
			"%q cannot make its own successor; get the next one from whoever runs it, and name it in the inventory: %w",
			a.Subject, ErrExternal)
	}
	if err := a.fit(s.options, now, rand); err != nil {
		return err
	}
	base := s.base(role, generation)
	if err := clearLeft(base); err != nil {
		return err
	}
	if g.External == nil {
		if err := durable.WriteAlone(base+givenSuffix, []byte(g.Key+"\n"), 0o600); err != nil {
			return err
		}
	}
	var chain []byte
	for _, cert := range g.chain {
		chain = append(chain, encodeCert(cert)...)
	}
	if err := durable.WriteAlone(base+chainSuffix, chain, 0o644); err != nil {
		return err
	}
	return durable.WriteAlone(base+certSuffix, a.PEM, 0o644)
}

// authority is the CA before it is taken over. If no certificate is named, the server is asked for it.
func (g given) authority(role Role, generation int) (authority, error) {
	if g.err != nil {
		return authority{}, g.err
	}
	cert := g.cert
	if cert == nil {
		var err error
		if cert, err = remoteCA(g.External); err != nil {
			return authority{}, err
		}
	}
	a := newAuthority(role, generation, cert)
	a.under(g.chain)
	a.external = g.External
	if g.External == nil {
		a.keyAt(g.Key)
	}
	return a, nil
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
	chain, err := parseCerts(data)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	a.Given = true
	a.under(chain)
	return nil
}

// under sets the chain above a CA. From that follow what is trusted for it, what goes along with each certificate that
// it signs, and when it ends.
func (a *authority) under(chain []*x509.Certificate) {
	a.chain = chain
	for _, cert := range chain {
		a.NotAfter = earlier(a.NotAfter, cert.NotAfter)
	}
	if selfSigned(a.cert) {
		return
	}
	above := chain
	if last := len(above) - 1; last >= 0 && selfSigned(above[last]) {
		a.Trust, above = encodeCert(above[last]), above[:last]
	}
	a.Chain = bytes.Clone(a.PEM)
	for _, cert := range above {
		a.Chain = append(a.Chain, encodeCert(cert)...)
	}
}

// Differs says how the newest CA of a role is not the one that the options ask for, so that a rotation is due; "" when
// it is, or when there is none yet.
func (s *Store) Differs(role Role) string {
	a, err := s.pick(role, 0)
	if err != nil {
		return ""
	}
	g, ok := s.given[role]
	switch {
	case ok && g.err != nil:
		return "which CA is given cannot be read"
	case ok && !a.Given:
		return "the CA is clusterup's own, and another one is given"
	case ok && g.cert != nil && !g.cert.Equal(a.cert):
		return fmt.Sprintf("the CA is %q, and %q is given", a.Subject, g.cert.Subject)
	case !ok && a.Given:
		return fmt.Sprintf("the CA is %q, which is not given any more", a.Subject)
	}
	return ""
}

// Reverts is the generation of an older CA of a role, not retired, that the options ask for instead of the newest; 0:
// none.
func (s *Store) Reverts(role Role) int {
	generation := 0
	g, ok := s.given[role]
	for _, a := range s.of(role) {
		asked := !ok && !a.Given || ok && g.cert != nil && g.is(&a, 0)
		if asked && !a.Retired && s.Differs(role) != "" {
			generation = a.Generation
		}
	}
	return generation
}
