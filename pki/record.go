package pki

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/durable"
)

// Record is a certificate that was issued here. Its key is not kept.
type Record struct {
	Kind                string // client, peer or server: as in [Leaf]
	Name                string // of the client, as it was asked for; or of the member
	User                string // the common name; "": it has none
	Serial              string // as in [Pair]
	SHA256              string // of the certificate in DER, lower-case hexadecimal
	Issuer              string // the subject of the CA
	Generation          int    // of the CA; 0: a CA that is not here
	NotBefore, NotAfter time.Time
	Revoked             time.Time // zero: it is not
}

// recordDirs are where the certificates of each kind that is recorded lie, below the ca directory, each in
// NAME-SERIAL.pem, and in NAME-SERIAL.revoked when it was revoked.
var recordDirs = map[string]string{"client": "clients", "peer": "peers", "server": "servers"}

const revokedSuffix = ".revoked"

var (
	recordName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$`)
	serialText = regexp.MustCompile(`^[0-9a-f]{1,40}$`)
)

// record keeps a certificate, on the disk when it returns.
func (s *Store) record(kind, name string, pair Pair) error {
	dir := filepath.Join(s.dir, recordDirs[kind])
	if err := makeDir(dir); err != nil {
		return err
	}
	return durable.WriteAlone(filepath.Join(dir, name+"-"+pair.Serial+certSuffix), firstPEM(pair.Cert), 0o600)
}

// makeDir makes a directory in one that exists, or takes the one that is there.
func makeDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return durable.SyncDir(filepath.Dir(dir))
}

// recorded is a record by its name on the disk.
type recorded struct {
	base, suffix string // the path of its file
	Record              // its kind, name and serial number
}

// records are all certificates of a kind that were recorded, by name, age and serial number. One of a member may be
// recorded as revoked and not as issued: then its name and its serial number are all that is known of it.
func (s *Store) records(kind string) ([]Record, error) {
	listed, err := s.listed(kind)
	if err != nil {
		return nil, err
	}
	var all []Record
	for _, l := range listed {
		r, err := s.readRecord(kind, l.base, l.suffix)
		if errors.Is(err, fs.ErrNotExist) { // it had ended, and goes as the next one is issued
			continue
		}
		if err != nil {
			return nil, err
		}
		r.Kind, r.Name, r.Serial = l.Kind, l.Name, l.Serial
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.NotBefore.Compare(b.NotBefore), cmp.Compare(a.Serial, b.Serial))
	})
	return all, nil
}

// listed are the records of a kind, none of which is read.
func (s *Store) listed(kind string) ([]recorded, error) {
	dir := filepath.Join(s.dir, recordDirs[kind])
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []recorded
	issued := map[string]bool{}
	for _, e := range entries { // sorted, so that .pem comes before .revoked
		suffix := filepath.Ext(e.Name())
		base := strings.TrimSuffix(e.Name(), suffix)
		dash := strings.LastIndex(base, "-")
		wanted := suffix == certSuffix || suffix == revokedSuffix && kind != "client" && !issued[base]
		if !wanted || dash < 1 || !serialText.MatchString(base[dash+1:]) {
			continue
		}
		issued[base] = suffix == certSuffix
		all = append(all, recorded{
			filepath.Join(dir, base), suffix, Record{Kind: kind, Name: base[:dash], Serial: base[dash+1:]},
		})
	}
	return all, nil
}

// readRecord reads one record but for its kind, name and serial number.
func (s *Store) readRecord(kind, base, suffix string) (r Record, err error) {
	if suffix == certSuffix {
		cert, err := readCert(base)
		if err != nil {
			return Record{}, err
		}
		r = s.recordOf(kinds[kind].ca, cert)
	}
	r.Revoked, err = readRevoked(base + revokedSuffix)
	return r, err
}

// readCert reads the certificate of a record.
func readCert(base string) (*x509.Certificate, error) {
	data, err := os.ReadFile(base + certSuffix)
	if err != nil {
		return nil, err
	}
	cert, err := parseCert(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", base+certSuffix, err)
	}
	if serial := cert.SerialNumber.Text(16); !strings.HasSuffix(base, "-"+serial) {
		return nil, fmt.Errorf("read %s: the certificate in it has the serial number %s", base+certSuffix, serial)
	}
	return cert, nil
}

func readRevoked(path string) (time.Time, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(string(data)))
	if err != nil {
		return time.Time{}, fmt.Errorf("read %s: not a time such as 2026-11-21T12:00:00Z", path)
	}
	return at, nil
}

// refuse records that a certificate is to be refused; one that was revoked before stays so from that time on.
func (s *Store) refuse(r Record, now time.Time) (Record, error) {
	if !r.Revoked.IsZero() {
		return r, nil
	}
	r.Revoked = now.UTC().Truncate(time.Second)
	dir := filepath.Join(s.dir, recordDirs[r.Kind])
	if err := makeDir(dir); err != nil {
		return Record{}, err
	}
	path := filepath.Join(dir, r.Name+"-"+r.Serial+revokedSuffix)
	return r, durable.WriteAlone(path, []byte(r.Revoked.Format(time.RFC3339)+"\n"), 0o600)
}
