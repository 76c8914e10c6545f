package pki

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/agext/levenshtein"
)

// Revoke records that the client certificate with a serial number, as in [Record], is to be refused, and returns it as
// it now is. One that was revoked before stays so from that time on. Members refuse it once they have the new
// [Store.CRL]. It fails with [errNoClient]. Names are for [Store.Named]: a client may be called like the serial number
// of another one's certificate.
func (s *Store) Revoke(serial string, now time.Time) (revoked Record, err error) {
	err = s.change(func() error {
		revoked, err = s.revoke(serial, now)
		return err
	})
	explain(&err, "revoke client certificate %q", serial)
	return revoked, err
}

func (s *Store) revoke(serial string, now time.Time) (Record, error) {
	all, err := s.Clients()
	if err != nil {
		return Record{}, err
	}
	i := slices.IndexFunc(all, func(c Record) bool { return c.Serial == serial })
	if i < 0 {
		return Record{}, errNoClient
	}
	return s.refuse(all[i], now)
}

// Named are the client certificates of a name, in the order of [Store.Clients]; where no client has that name, the one
// with that serial number. With colons in it, as openssl prints it, it is a serial number in any case. It fails with
// [errNoClient], and then says which names are like it; it writes nothing.
func (s *Store) Named(nameOrSerial string) (found []Record, err error) {
	defer explain(&err, "find client certificate %q", nameOrSerial)
	all, err := s.Clients()
	if err != nil {
		return nil, err
	}
	found = filter(all, func(c Record) bool { return c.Name == nameOrSerial })
	if len(found) == 0 {
		found = filter(all, func(c Record) bool { return c.Serial == serialOf(nameOrSerial) })
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w%s", errNoClient, near(nameOrSerial, all))
	}
	return found, nil
}

func filter(all []Record, keep func(Record) bool) []Record {
	return slices.DeleteFunc(slices.Clone(all), func(c Record) bool { return !keep(c) })
}

// serialOf takes a serial number as openssl and browsers print it, too.
func serialOf(text string) string { return strings.ToLower(strings.ReplaceAll(text, ":", "")) }

func near(name string, all []Record) string {
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
