package pki

import (
	"cmp"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// contents are what a ca directory says of the CAs.
type contents struct {
	cas    []authority // by role, then generation
	holds  map[Role]string
	tokens []TokenKey // by generation
}

func (s *Store) load() (contents, error) {
	info, err := os.Stat(s.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return contents{}, nil
	case err != nil:
		return contents{}, err
	case !info.IsDir():
		return contents{}, fmt.Errorf("%s is not a directory", s.dir)
	}
	cas, err := s.loadCAs()
	if err != nil {
		return contents{}, err
	}
	holds, err := s.loadHolds()
	if err != nil {
		return contents{}, err
	}
	tokens, err := s.loadTokenKeys()
	if err != nil {
		return contents{}, err
	}
	return contents{cas, holds, tokens}, checkDir(s.dir, info, cas, tokens)
}

func (s *Store) loadCAs() ([]authority, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var cas []authority
	for _, e := range entries {
		role, generation, ok := parseName(e.Name())
		if !ok {
			continue
		}
		a, err := s.loadOne(role, generation)
		if err != nil {
			return nil, err
		}
		cas = append(cas, a)
	}
	slices.SortFunc(cas, func(a, b authority) int {
		byRole := cmp.Compare(slices.Index(roles, a.Role), slices.Index(roles, b.Role))
		return cmp.Or(byRole, cmp.Compare(a.Generation, b.Generation))
	})
	s.attachGiven(cas)
	return cas, nil
}

// checkDir is strict unless all keys are sealed: then the directory may have come out of version control.
func checkDir(dir string, info fs.FileInfo, cas []authority, tokens []TokenKey) error {
	sealed := false
	for _, k := range tokens {
		if k.Here && !k.sealed {
			return private(dir, info, "0700")
		}
		sealed = sealed || k.sealed
	}
	for _, a := range cas {
		if a.key != nil && !a.Given && !a.Sealed {
			return private(dir, info, "0700")
		}
		sealed = sealed || a.Sealed
	}
	if !sealed {
		return private(dir, info, "0700")
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("%s has mode %04o, which lets others write: run chmod 0700 %s", dir, mode, dir)
	}
	return nil
}

// baseName is the name of a CA's files without ".pem" and ".key".
func baseName(role Role, generation int) string { return string(role) + "-" + strconv.Itoa(generation) }

func (s *Store) base(role Role, generation int) string {
	return filepath.Join(s.dir, baseName(role, generation))
}

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

func (s *Store) loadOne(role Role, generation int) (authority, error) {
	base := s.base(role, generation)
	cert, err := readCA(base + ".pem")
	if err != nil {
		return authority{}, err
	}
	a := newAuthority(role, generation, cert)
	if a.Retired, err = exists(base + retiredSuffix); err != nil {
		return authority{}, err
	}
	if err := a.loadChain(base + chainSuffix); err != nil {
		return authority{}, err
	}
	if path, err := os.ReadFile(base + givenSuffix); err == nil { // else it is not known
		a.KeyFile = strings.TrimSpace(string(path))
	}
	if a.Sealed, err = exists(base + sealedSuffix); err != nil {
		return authority{}, err
	}
	plain, err := readKey(base+keySuffix, cert)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return authority{}, err
	case a.Sealed:
		// A plain key beside it was left by a Reseal that did not end; the recipients then count as unknown, so that
		// another is due.
		if a.SealedTo, err = readSealedTo(base + recipientsSuffix); err != nil || plain != nil {
			a.SealedTo = nil
		}
		a.key = sync.OnceValues(func() (crypto.Signer, error) { return s.unlock.key(base+sealedSuffix, cert) })
	case plain != nil:
		a.key = opened(plain)
	}
	a.Signing = a.key != nil && !a.Retired
	return a, nil
}

func exists(path string) (bool, error) {
	switch _, err := os.Stat(path); {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	default:
		return false, err
	}
}

// readKey reads the key of a certificate.
func readKey(path string, cert *x509.Certificate) (crypto.Signer, error) {
	data, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	key, err := parseKey(data, cert)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return key, nil
}

// readPrivate reads a file with a private key. Like ssh it refuses one that others may read: whatever that key opens
// would be theirs too. The mode of a pipe, such as <(…) in a shell, does not count.
func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() {
		if err := private(path, info, "0600"); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(f)
}

// private is an error when anyone but the owner may do anything with a file.
func private(path string, info fs.FileInfo, want string) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s has mode %04o, which lets others in: run chmod %s %s", path, mode, want, path)
	}
	return nil
}

func readCA(path string) (*x509.Certificate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	cert, err := parseCert(data)
	if err == nil {
		err = checkCA(cert)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return cert, nil
}

func newAuthority(role Role, generation int, cert *x509.Certificate) authority {
	encoded := encodeCert(cert)
	return authority{
		CA: CA{
			Role: role, Generation: generation,
			Subject:   cert.Subject.String(),
			SHA256:    fingerprint(cert.Raw),
			NotBefore: cert.NotBefore, NotAfter: cert.NotAfter,
			PEM:       encoded,
			Trust:     encoded,
			Algorithm: algorithmOf(cert.PublicKey),
		},
		cert: cert,
	}
}

func encodeCert(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

// firstPEM is the first block, without the chain behind it.
func firstPEM(data []byte) []byte {
	_, rest := pem.Decode(data)
	return data[:len(data)-len(rest)]
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}
