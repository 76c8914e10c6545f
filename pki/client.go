package pki

import (
	"cmp"
	"fmt"
	"io"
	"time"
)

// IssueClient is Issue for a client, which leaves the certificate, but not its key, in clients/NAME-SERIAL.pem below
// the ca directory. The name is the common name unless the leaf has one, or an organizational unit instead; the leaf's
// kind need not be said. It is recorded before it is returned, so that every certificate that a client may hold can be
// revoked.
func (s *Store) IssueClient(name string, leaf Leaf, now time.Time, rand io.Reader) (Pair, error) {
	if err := CheckClientName(name); err != nil {
		return Pair{}, fmt.Errorf("issue client certificate: %w", err)
	}
	leaf.Kind = "client"
	if leaf.OU == "" {
		leaf.CN = cmp.Or(leaf.CN, name)
	}
	return s.issueRecorded(name, leaf, now, rand)
}

func (s *Store) issueRecorded(name string, leaf Leaf, now time.Time, rand io.Reader) (Pair, error) {
	pair, err := s.Issue(leaf, now, rand)
	if err != nil {
		return Pair{}, err
	}
	if err := s.record(leaf.Kind, name, pair); err != nil {
		return Pair{}, fmt.Errorf("record %s certificate %q: %w", leaf.Kind, name, err)
	}
	return pair, nil
}

// CheckClientName says what is wrong with the name of a client.
func CheckClientName(name string) error {
	if !recordName.MatchString(name) {
		return fmt.Errorf(
			"client name %q: use at most 64 letters, digits and any of . _ @ -, beginning with a letter or digit", name)
	}
	return nil
}

// Clients are all client certificates that were recorded, revoked and expired ones too, by name, age and serial number.
func (s *Store) Clients() (all []Record, err error) {
	defer explain(&err, "list client certificates")
	return s.records("client")
}
