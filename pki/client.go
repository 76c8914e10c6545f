package pki

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/durable"
)

// Client is a client certificate that was issued here. Its key is not kept.
type Client struct {
	Name                string // what it was asked for by
	User                string // the common name
	Serial              string // as in [Pair]
	SHA256              string // of the certificate in DER, lower-case hexadecimal
	Issuer              string // the subject of the CA
	Generation          int    // of the CA; 0: a CA that is not here
	NotBefore, NotAfter time.Time
	Revoked             time.Time // zero: it is not
}

const (
	clientsDir    = "clients"
	revokedSuffix = ".revoked"
)

var (
	clientName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$`)
	serialText = regexp.MustCompile(`^[0-9a-f]{1,40}$`)
)

// IssueClient is Issue for a client, which leaves the certificate, but not its key, in clients/NAME-SERIAL.pem below
// the ca directory. The name is the common name unless the leaf says otherwise; the leaf's kind need not be said. It is
// recorded before it is returned, so that every certificate that a client may hold can be revoked.
func (s *Store) IssueClient(name string, leaf Leaf, now time.Time, rand io.Reader) (Pair, error) {
	if err := CheckClientName(name); err != nil {
		return Pair{}, fmt.Errorf("issue client certificate: %w", err)
	}
	leaf.Kind, leaf.CN = "client", cmp.Or(leaf.CN, name)
	pair, err := s.Issue(leaf, now, rand)
	if err != nil {
		return Pair{}, err
	}
	if err := s.record(name, pair); err != nil {
		return Pair{}, fmt.Errorf("record client certificate %q: %w", name, err)
	}
	return pair, nil
}

// CheckClientName says what is wrong with the name of a client.
func CheckClientName(name string) error {
	if !clientName.MatchString(name) {
		return fmt.Errorf(
			"client name %q: use at most 64 letters, digits and any of . _ @ -, beginning with a letter or digit", name)
	}
	return nil
}

func (s *Store) record(name string, pair Pair) error {
	dir := filepath.Join(s.dir, clientsDir)
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

// Clients are all client certificates that were recorded, revoked and expired ones too, by name, age and serial number.
func (s *Store) Clients() (all []Client, err error) {
	defer explain(&err, "list client certificates")
	dir := filepath.Join(s.dir, clientsDir)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		base, ok := strings.CutSuffix(e.Name(), certSuffix)
		dash := strings.LastIndex(base, "-")
		if !ok || dash < 1 || !serialText.MatchString(base[dash+1:]) {
			continue
		}
		c, err := s.client(filepath.Join(dir, base))
		if err != nil {
			return nil, err
		}
		c.Name = base[:dash]
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Client) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.NotBefore.Compare(b.NotBefore), cmp.Compare(a.Serial, b.Serial))
	})
	return all, nil
}

// client reads one record but for its name.
func (s *Store) client(base string) (Client, error) {
	data, err := os.ReadFile(base + certSuffix)
	if err != nil {
		return Client{}, err
	}
	cert, err := parseCert(data)
	if err != nil {
		return Client{}, fmt.Errorf("read %s: %w", base+certSuffix, err)
	}
	c := Client{
		User: cert.Subject.CommonName, Serial: cert.SerialNumber.Text(16), SHA256: fingerprint(cert.Raw),
		Issuer:    cert.Issuer.String(),
		NotBefore: cert.NotBefore, NotAfter: cert.NotAfter,
	}
	if !strings.HasSuffix(base, "-"+c.Serial) {
		return Client{}, fmt.Errorf("read %s: the certificate in it has the serial number %s", base+certSuffix, c.Serial)
	}
	for _, ca := range s.of(RoleClient) {
		if cert.CheckSignatureFrom(ca.cert) == nil {
			c.Generation = ca.Generation
		}
	}
	c.Revoked, err = readRevoked(base + revokedSuffix)
	return c, err
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
