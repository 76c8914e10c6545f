package pki

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Store is the ca directory of one cluster: ROLE-GENERATION.pem and, where it can sign, ROLE-GENERATION.key. Its methods
// may be called from several goroutines, but for Create, which must be alone.
type Store struct {
	dir string
	cas []authority // by role, then generation
}

// authority is a CA with what it takes to sign.
type authority struct {
	CA
	cert *x509.Certificate
	key  crypto.Signer // nil: not here
}

// Open reads a ca directory. One that does not exist holds no CAs; it is not made. It is an error when others can read the
// directory or a key in it, or when a key does not belong to its certificate.
func Open(dir string) (*Store, error) {
	cas, err := load(dir)
	if err != nil {
		return nil, fmt.Errorf("open CA directory: %w", err)
	}
	return &Store{dir: dir, cas: cas}, nil
}

// CAs are all CAs that are trusted, sorted by role and then by generation.
func (s *Store) CAs() []CA {
	all := make([]CA, len(s.cas))
	for i, a := range s.cas {
		all[i] = a.CA
		all[i].PEM = bytes.Clone(a.PEM)
	}
	return all
}

// Trust is the bundle of a role: the certificates of all its generations in PEM, oldest first; nil when there is none.
func (s *Store) Trust(role Role) []byte {
	var bundle []byte
	for _, a := range s.of(role) {
		bundle = append(bundle, a.PEM...)
	}
	return bundle
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

func load(dir string) ([]authority, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, fmt.Errorf("%s is not a directory", dir)
	}
	if err := private(dir, info, "0700"); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var cas []authority
	for _, e := range entries {
		role, generation, ok := parseName(e.Name())
		if !ok {
			continue
		}
		a, err := loadOne(dir, role, generation)
		if err != nil {
			return nil, err
		}
		cas = append(cas, a)
	}
	sortCAs(cas)
	return cas, nil
}

func sortCAs(cas []authority) {
	slices.SortFunc(cas, func(a, b authority) int {
		return cmp.Or(cmp.Compare(roleOrder(a.Role), roleOrder(b.Role)), cmp.Compare(a.Generation, b.Generation))
	})
}

func roleOrder(r Role) int { return slices.Index([]Role{RolePeer, RoleClient}, r) }

// baseName is the name of a CA's files without ".pem" and ".key".
func baseName(role Role, generation int) string { return string(role) + "-" + strconv.Itoa(generation) }

// parseName reads the name of a CA's certificate file. A key alone is no CA: it was left by a Create that did not end.
func parseName(file string) (Role, int, bool) {
	base, ok := strings.CutSuffix(file, ".pem")
	role, number, _ := strings.Cut(base, "-")
	generation, err := strconv.Atoi(number)
	if !ok || err != nil || generation < 1 || !Role(role).valid() || base != baseName(Role(role), generation) {
		return "", 0, false
	}
	return Role(role), generation, true
}

func loadOne(dir string, role Role, generation int) (authority, error) {
	path := filepath.Join(dir, baseName(role, generation)+".pem")
	data, err := os.ReadFile(path)
	if err != nil {
		return authority{}, err
	}
	cert, err := parseCA(data)
	if err != nil {
		return authority{}, fmt.Errorf("read %s: %w", path, err)
	}
	path = filepath.Join(dir, baseName(role, generation)+".key")
	key, err := loadKey(path)
	if err != nil {
		return authority{}, err
	}
	if key != nil && !samePublic(cert.PublicKey, key) {
		return authority{}, fmt.Errorf("read %s: the key does not belong to the certificate beside it", path)
	}
	return newAuthority(role, generation, cert, key), nil
}

// loadKey is nil without an error when there is no such file.
func loadKey(path string) (crypto.Signer, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
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
	key, err := parseKey(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return key, nil
}

// private is an error when anyone but the owner may do anything with a file.
func private(path string, info fs.FileInfo, want string) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s has mode %04o, which lets others in: run chmod %s %s", path, mode, want, path)
	}
	return nil
}

func parseCA(data []byte) (*x509.Certificate, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("not exactly one PEM block of type CERTIFICATE")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	if !cert.BasicConstraintsValid || !cert.IsCA {
		return nil, fmt.Errorf("certificate %q is not that of a CA", cert.Subject)
	}
	return cert, nil
}

func newAuthority(role Role, generation int, cert *x509.Certificate, key crypto.Signer) authority {
	return authority{
		CA: CA{
			Role: role, Generation: generation,
			Subject:   cert.Subject.String(),
			SHA256:    fingerprint(cert.Raw),
			NotBefore: cert.NotBefore, NotAfter: cert.NotAfter,
			PEM:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}),
			Algorithm: algorithmOf(cert.PublicKey),
			Signing:   key != nil,
		},
		cert: cert,
		key:  key,
	}
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}
