package pki

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/agext/levenshtein"
)

// Revoke records that a client certificate, or all of a name, is to be refused, and returns it as it now is. What was revoked before stays
// so from that time on. Members refuse it once they have the new [Store.CRL]. It fails with [ErrNoClient], and then says which names are
// like it.
func (s *Store) Revoke(nameOrSerial string, now time.Time) ([]Client, error) {
	var revoked []Client
	err := s.change(func() (err error) {
		revoked, err = s.revoke(nameOrSerial, now)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("revoke client certificate %q: %w", nameOrSerial, err)
	}
	return revoked, nil
}

func (s *Store) revoke(nameOrSerial string, now time.Time) ([]Client, error) {
	found, err := s.named(nameOrSerial)
	for i := range found {
		c := &found[i]
		if !c.Revoked.IsZero() {
			continue
		}
		c.Revoked = now.UTC().Truncate(time.Second)
		path := filepath.Join(s.dir, clientsDir, c.Name+"-"+c.Serial+revokedSuffix)
		if err := writeFile(path, []byte(c.Revoked.Format(time.RFC3339)+"\n"), 0o600); err != nil {
			return nil, err
		}
	}
	return found, err
}

// Named are the client certificates of a name, or the one with a serial number, in the order of [Store.Clients]. It fails with [ErrNoClient]
// as [Store.Revoke] does, and writes nothing.
func (s *Store) Named(nameOrSerial string) ([]Client, error) {
	found, err := s.named(nameOrSerial)
	if err != nil {
		return nil, fmt.Errorf("find client certificate %q: %w", nameOrSerial, err)
	}
	return found, nil
}

func (s *Store) named(nameOrSerial string) ([]Client, error) {
	all, err := s.clients()
	if err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(slices.Clone(all), func(c Client) bool { return c.Name != nameOrSerial && c.Serial != serialOf(nameOrSerial) })
	if len(found) == 0 {
		return nil, fmt.Errorf("%w%s", ErrNoClient, near(nameOrSerial, all))
	}
	return found, nil
}

// serialOf takes a serial number as openssl and browsers print it, too.
func serialOf(text string) string { return strings.ToLower(strings.ReplaceAll(text, ":", "")) }

func near(name string, all []Client) string {
	var like []string
	for _, c := range all {
		close := levenshtein.Distance(strings.ToLower(name), strings.ToLower(c.Name), nil) <= max(1, len(name)/3)
		if (close || strings.Contains(c.Name, name) && name != "") && !slices.Contains(like, c.Name) {
			like = append(like, c.Name)
		}
	}
	if len(like) == 0 {
		return "; clusterup cert list shows those there are"
	}
	return "; did you mean " + strings.Join(like, " or ") + "?"
}
