package pki

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
)

// Store is the ca directory of one cluster. Below it are, for each generation of a role: ROLE-GENERATION.pem, its key
// in .key or, sealed, in .key.age with the recipients in .sealed, .chain.pem for a CA that was given, with .given, the
// path of its key, and .retired once it signs no more; ROLE.hold while a rotation is held; token-GENERATION.sha256 with
// the digest of a key for tokens, and the last of these keys, kept as that of a CA; clients/, peers/ and servers/ with
// the records of certificates; and crl/. Its methods may be called from several goroutines, but for those that write
// (Create, CreateTokenKey, Retire, Hold, Reseal, Revoke, RevokeMember, CRL), which must be alone.
type Store struct {
	dir      string
	options  Options
	sealTo   []recipient
	unlock   *unlocker
	given    map[Role]given
	contents                   // as they were when they were read last
	before   func(step string) // for tests
}

// authority is a CA with what it takes to sign.
type authority struct {
	CA
	cert     *x509.Certificate
	chain    []*x509.Certificate
	key      openKey   // nil: not here
	external *External // signs instead of a key; nil: none
}

// openKey gives a private key, which is read when it is needed first.
type openKey func() (crypto.Signer, error)

func opened(signer crypto.Signer) openKey {
	return func() (crypto.Signer, error) { return signer, nil }
}

// Open reads a ca directory. One that does not exist holds no CAs; it is not made. It is an error when others can read
// a plain key or its directory, or when a key does not belong to its certificate; sealed keys are opened, and held
// against it, only when they are to sign.
func Open(dir string, options Options) (s *Store, err error) {
	defer explain(&err, "open CA directory")
	s = &Store{dir: dir, options: options, unlock: &unlocker{Unlock: options.Unlock}, given: readGiven(options.Given)}
	if s.sealTo, err = parseRecipients(options.SealTo); err != nil {
		return nil, err
	}
	s.contents, err = s.load()
	return s, err
}

// explain says on an error what was being done.
func explain(err *error, format string, args ...any) {
	if *err != nil {
		*err = fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), *err)
	}
}

// change lets do write, while no other process does, and reads the directory again. It fails with [errChanged].
func (s *Store) change(do func() error) error {
	unlock, err := lock(s.dir)
	if err != nil {
		return err
	}
	defer unlock()
	there, err := s.load()
	if err != nil {
		return err
	}
	same := func(a, b authority) bool { return a.SHA256 == b.SHA256 && a.Retired == b.Retired }
	sameKey := func(a, b TokenKey) bool { return a.SHA256 == b.SHA256 }
	if !slices.EqualFunc(there.cas, s.cas, same) || !maps.Equal(there.holds, s.holds) ||
		!slices.EqualFunc(there.tokens, s.tokens, sameKey) {
		return fmt.Errorf("%s: %w", s.dir, errChanged)
	}
	if err := do(); err != nil {
		return err
	}
	s.contents, err = s.load()
	return err
}

// CAs are all CAs that there are, retired ones too, sorted by role and then by generation. Nothing is unlocked.
func (s *Store) CAs() []CA {
	all := make([]CA, len(s.cas))
	for i, a := range s.cas {
		all[i] = a.CA
		all[i].PEM, all[i].Trust, all[i].Chain = bytes.Clone(a.PEM), bytes.Clone(a.Trust), bytes.Clone(a.Chain)
		all[i].SealedTo = slices.Clone(a.SealedTo)
		all[i].Lists = s.cas[i].lists()
	}
	return all
}

func (s *Store) find(role Role, generation int) (authority, bool) {
	i := slices.IndexFunc(s.cas, func(a authority) bool { return a.Role == role && a.Generation == generation })
	if i < 0 {
		return authority{}, false
	}
	return s.cas[i], true
}

// of are the CAs of a role, oldest first.
func (s *Store) of(role Role) []authority {
	var all []authority
	for _, a := range s.cas {
		if a.Role == role {
			all = append(all, a)
		}
	}
	return all
}
