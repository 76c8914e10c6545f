package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/clusterup/clusterup/durable"
)

// crlLifetime is what a list promises its readers. etcd does not look at it (checkCRL in its listener_tls.go).
const crlLifetime = 3650 * day

// CRL is the list of certificates of a role's CA that are to be refused, in DER: the only encoding that every etcd
// takes. The peer CA signs those of peers; the client CA signs those of clients, and those that members show clients.
// etcd reads one file and compares serial numbers only, so the list names what any generation signed; the newest CA
// that is not retired signs it. The list that was made last is kept in crl/ and returned as long as it names the same
// certificates and the same CA signs it, so that it is the same bytes wherever it goes. Each new one has the next
// number. It fails like Issue.
func (s *Store) CRL(role Role, now time.Time, rand io.Reader) (der []byte, err error) {
	err = s.change(func() error {
		der, err = s.crl(role, now, rand)
		return err
	})
	explain(&err, "list revoked certificates of the %s CA", role)
	return der, err
}

// LastCRL is the list that [Store.CRL] made last, nil when there is none yet, and whether it would return the same
// again. It needs no key and writes nothing.
func (s *Store) LastCRL(role Role) (der []byte, current bool, err error) {
	defer explain(&err, "read list of revoked certificates of the %s CA", role)
	list, current, err := s.lastCRL(role)
	if list == nil || err != nil {
		return nil, false, err
	}
	return list.Raw, current, nil
}

func (s *Store) crl(role Role, now time.Time, rand io.Reader) ([]byte, error) {
	last, current, err := s.lastCRL(role)
	if err != nil {
		return nil, err
	}
	if current {
		return last.Raw, nil
	}
	ca, err := s.pick(role, 0)
	if err != nil {
		return nil, err
	}
	if ca.key == nil {
		return nil, fmt.Errorf("the key of %q is not here, and clusterup asks no server for such lists: %w", ca.Subject,
			ErrExternal)
	}
	signer, err := ca.key()
	if err != nil {
		return nil, err
	}
	entries, err := s.revoked(role)
	if err != nil {
		return nil, err
	}
	number := big.NewInt(1)
	if last != nil && last.Number != nil {
		number.Add(last.Number, number)
	}
	// Not through cfssl: its lists have no number.
	der, err := x509.CreateRevocationList(rand, &x509.RevocationList{
		Number: number, ThisUpdate: now.Add(-backdate), NextUpdate: now.Add(crlLifetime), RevokedCertificateEntries: entries,
	}, ca.cert, signer)
	if err != nil {
		return nil, err
	}
	path := s.crlPath(role)
	if err := makeDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	return der, durable.WriteAlone(path, der, 0o644)
}

func (s *Store) crlPath(role Role) string { return filepath.Join(s.dir, "crl", string(role)+".crl") }

// lastCRL is nil without an error when there is none, or when what is there is damaged: then a new one is due.
func (s *Store) lastCRL(role Role) (list *x509.RevocationList, current bool, err error) {
	der, err := os.ReadFile(s.crlPath(role))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if list, err = x509.ParseRevocationList(der); err != nil {
		return nil, false, nil //nolint:nilerr // damaged, so a new one is due
	}
	ca, err := s.pick(role, 0)
	if err != nil {
		return nil, false, err
	}
	entries, err := s.revoked(role)
	if err != nil {
		return nil, false, err
	}
	same := slices.EqualFunc(entries, list.RevokedCertificateEntries, func(a, b x509.RevocationListEntry) bool {
		return a.SerialNumber.Cmp(b.SerialNumber) == 0
	})
	return list, same && list.CheckSignatureFrom(ca.cert) == nil, nil
}

// revoked has the entries in the order of their serial numbers. It is not asked who signed what.
func (s *Store) revoked(role Role) ([]x509.RevocationListEntry, error) {
	var entries []x509.RevocationListEntry
	for kind := range recordDirs {
		if kinds[kind].ca != role {
			continue
		}
		listed, err := s.listed(kind)
		if err != nil {
			return nil, err
		}
		for _, l := range listed {
			at, err := readRevoked(l.base + revokedSuffix)
			if err == nil && l.suffix == certSuffix {
				_, err = readCert(l.base)
			}
			if errors.Is(err, fs.ErrNotExist) { // as in records
				continue
			}
			if err != nil {
				return nil, err
			}
			if serial, ok := new(big.Int).SetString(l.Serial, 16); !at.IsZero() && ok {
				entries = append(entries, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: at})
			}
		}
	}
	slices.SortFunc(entries, func(a, b x509.RevocationListEntry) int { return a.SerialNumber.Cmp(b.SerialNumber) })
	return entries, nil
}

// Listless says that a CA is given for a role whose fields do not let it sign such a list.
func (s *Store) Listless(role Role) bool {
	g, ok := s.given[role]
	return ok && g.External == nil && g.cert != nil && !listsFit(g.cert)
}

// lists says whether a CA can sign such a list itself.
func (a *authority) lists() bool { return a.Signing && a.external == nil && listsFit(a.cert) }

// listsFit says whether the fields of a CA let it sign such a list.
func listsFit(cert *x509.Certificate) bool {
	return cert.KeyUsage&x509.KeyUsageCRLSign != 0 && len(cert.SubjectKeyId) > 0
}
