package pki

import (
	"cmp"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"time"
)

// Create makes the next generation of a role's CA, writes it to the directory, which is made if need be, and has it
// signed by itself; with a [Given] CA it takes that over instead, and fails with [ErrExternal] when that signs already.
// It is trusted and signs from then on. Killed at any point, it can be run again: a CA exists once its certificate
// does, and its key is written before. It fails with [errChanged] when another process has made a CA since Open, or is
// making one.
func (s *Store) Create(role Role, cluster string, spec Spec, now time.Time, rand io.Reader) (CA, error) {
	generation := 1
	err := s.change(func() error {
		if all := s.of(role); len(all) > 0 {
			generation = all[len(all)-1].Generation + 1
		}
		switch g, ok := s.given[role]; {
		case !role.valid():
			return fmt.Errorf("unknown role %q", role)
		case ok:
			return s.adopt(g, role, generation, now, rand)
		}
		name := fmt.Sprintf("%s etcd %s CA %d", cluster, role, generation)
		signer, cert, err := newRoot(name, spec, now, rand)
		if err != nil {
			return err
		}
		return s.writeCA(newAuthority(role, generation, cert), signer)
	})
	if err != nil {
		return CA{}, fmt.Errorf("create %s CA of cluster %q: %w", role, cluster, err)
	}
	a, _ := s.find(role, generation)
	return a.CA, nil
}

func newRoot(name string, spec Spec, now time.Time, rand io.Reader) (crypto.Signer, *x509.Certificate, error) {
	if spec.CALifetime < 0 {
		return nil, nil, fmt.Errorf("lifetime of %s is negative", spec.CALifetime)
	}
	signer, err := newKey(spec.Algorithm, rand)
	if err != nil {
		return nil, nil, err
	}
	cert, err := sign(request{
		subject:   pkix.Name{CommonName: name},
		usages:    []string{"cert sign", "crl sign"},
		ca:        true,
		notBefore: now.Add(-backdate),
		notAfter:  now.Add(cmp.Or(spec.CALifetime, defaultCALifetime)),
	}, signer, nil, rand)
	return signer, cert, err
}
