package pki

import (
	"crypto/x509/pkix"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// Create makes the next generation of a role's CA, writes it to the directory, which is made if need be, and has it signed
// by itself. It is trusted and signs from then on. Killed at any point, it can be run again: a CA exists once its
// certificate does, and its key is written before. It fails with [ErrChanged] when another process has made a CA since
// Open, or is making one.
func (s *Store) Create(role Role, cluster string, spec Spec, now time.Time, rand io.Reader) (CA, error) {
	a, err := s.create(role, cluster, spec, now, rand)
	if err != nil {
		return CA{}, fmt.Errorf("create %s CA of cluster %q: %w", role, cluster, err)
	}
	s.cas = append(s.cas, a)
	sortCAs(s.cas)
	return a.CA, nil
}

func (s *Store) create(role Role, cluster string, spec Spec, now time.Time, rand io.Reader) (authority, error) {
	if !role.valid() {
		return authority{}, fmt.Errorf("unknown role %q", role)
	}
	unlock, err := lock(s.dir)
	if err != nil {
		return authority{}, err
	}
	defer unlock()
	there, err := load(s.dir)
	if err != nil {
		return authority{}, err
	}
	if !slices.EqualFunc(there, s.cas, func(a, b authority) bool { return a.SHA256 == b.SHA256 }) {
		return authority{}, fmt.Errorf("%s: %w", s.dir, ErrChanged)
	}

	generation := 1
	if all := s.of(role); len(all) > 0 {
		generation = all[len(all)-1].Generation + 1
	}
	a, err := selfSigned(role, generation, cluster, spec, now, rand)
	if err != nil {
		return authority{}, err
	}
	return a, writeCA(s.dir, a)
}

func selfSigned(role Role, generation int, cluster string, spec Spec, now time.Time, rand io.Reader) (authority, error) {
	if spec.CALifetime < 0 {
		return authority{}, fmt.Errorf("lifetime of %s is negative", spec.CALifetime)
	}
	lifetime := spec.CALifetime
	if lifetime == 0 {
		lifetime = defaultCALifetime
	}
	key, err := newKey(spec.Algorithm, rand)
	if err != nil {
		return authority{}, err
	}
	cert, err := sign(request{
		subject:   pkix.Name{CommonName: cluster + " etcd " + string(role) + " CA " + strconv.Itoa(generation)},
		usages:    []string{"cert sign", "crl sign"},
		ca:        true,
		notBefore: now.Add(-backdate),
		notAfter:  now.Add(lifetime),
	}, key, nil, rand)
	if err != nil {
		return authority{}, err
	}
	return newAuthority(role, generation, cert, key), nil
}
