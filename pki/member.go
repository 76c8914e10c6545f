package pki

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/clusterup/clusterup/durable"
)

// memberKinds are the kinds of leaves that members have.
var memberKinds = []string{"peer", "server"}

// IssueMember is Issue for a member, of kind peer or server, which leaves the certificate, but not its key, in
// peers/NAME-SERIAL.pem or servers/NAME-SERIAL.pem below the ca directory. It is recorded before it is returned, so
// that every key that a machine may hold can be revoked. Records of the member's certificates of this kind that have
// ended go, but for those that were revoked. Several goroutines may call it.
func (s *Store) IssueMember(name string, leaf Leaf, now time.Time, rand io.Reader) (Pair, error) {
	if !recordName.MatchString(name) || !slices.Contains(memberKinds, leaf.Kind) {
		return Pair{}, fmt.Errorf("issue %s certificate of member %q: there is no such kind or name", leaf.Kind, name)
	}
	pair, err := s.issueRecorded(name, leaf, now, rand)
	if err != nil {
		return Pair{}, err
	}
	if err := s.forget(name, leaf.Kind, now); err != nil {
		return Pair{}, fmt.Errorf("remove records of %s certificates of %s that have ended: %w", leaf.Kind, name, err)
	}
	return pair, nil
}

// ForgetEnded removes the records of a client's certificates that have ended, but for those that were revoked: nobody
// needs them any more to revoke. It is for whoever issues certificates again and again.
func (s *Store) ForgetEnded(client string, now time.Time) (err error) {
	defer explain(&err, "remove records of certificates of %s that have ended", client)
	return s.forget(client, "client", now)
}

// forget removes what nobody needs any more to revoke.
func (s *Store) forget(name, kind string, now time.Time) error {
	all, err := s.records(kind)
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.Name != name || !r.Revoked.IsZero() || !now.After(r.NotAfter) {
			continue
		}
		path := filepath.Join(s.dir, recordDirs[kind], r.Name+"-"+r.Serial+certSuffix)
		if err := durable.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// Members are the certificates of members that were recorded, those of peers first, each kind by name, age and serial
// number. Clusters of before have some that were not; they are recorded as they are renewed.
func (s *Store) Members() (all []Record, err error) {
	defer explain(&err, "list certificates of members")
	for _, kind := range memberKinds {
		some, err := s.records(kind)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// RevokeMember records that the certificate of a member with this kind, name and serial number is to be refused, even
// where it was not recorded when it was issued. Members refuse it once they have the new [Store.CRL] of the CA of that
// kind. It is no error when it was revoked before.
func (s *Store) RevokeMember(kind, name, serial string, now time.Time) (err error) {
	defer explain(&err, "revoke %s certificate %s of %s", kind, serial, name)
	if !slices.Contains(memberKinds, kind) || !recordName.MatchString(name) || !serialText.MatchString(serial) {
		return errors.New("there is no such kind, name or serial number")
	}
	return s.change(func() error {
		all, err := s.records(kind)
		if err != nil {
			return err
		}
		r := Record{Kind: kind, Name: name, Serial: serial}
		if i := slices.IndexFunc(all, func(is Record) bool { return is.Name == name && is.Serial == serial }); i >= 0 {
			r = all[i]
		}
		_, err = s.refuse(r, now)
		return err
	})
}
