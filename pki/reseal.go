package pki

import (
	"crypto"
	"errors"
	"fmt"

	"github.com/clusterup/clusterup/durable"
)

const nextSuffix = ".next"

// Reseal encrypts all keys here to these recipients, and to nobody else; without any it writes them plain. Keys that
// are sealed now are opened with unlock. All keys are written anew before the first takes its place, so that an error
// changes nothing, and after a kill every key is still there; it is then run again. Old recipients can still open the
// copies that they have: if one of them is no longer trusted, make new CAs. Keys of [Given] CAs are left alone.
func (s *Store) Reseal(recipients []string, unlock Unlock) (err error) {
	defer explain(&err, "reseal CA keys")
	to, err := parseRecipients(recipients)
	if err == nil {
		err = s.change(func() error { return s.reseal(to, &unlocker{Unlock: unlock}) })
	}
	if err == nil {
		s.sealTo = to
	}
	return err
}

func (s *Store) reseal(to []recipient, unlock *unlocker) (err error) {
	if err := s.mayHold(to); err != nil {
		return err
	}
	next := map[string][]keyFile{}
	for _, a := range s.cas {
		if a.key == nil && !a.Given && !a.Retired {
			return fmt.Errorf("the key of %s is not in %s: put it back first, or it would stay as it is",
				baseName(a.Role, a.Generation), s.dir)
		}
		if a.key == nil || a.Given {
			continue
		}
		base := s.base(a.Role, a.Generation)
		var signer crypto.Signer
		if a.Sealed {
			signer, err = unlock.key(base+sealedSuffix, a.cert)
		} else {
			signer, err = a.key()
		}
		if err != nil {
			return err
		}
		if next[base], err = keyFiles(signer, to); err != nil {
			return err
		}
	}
	for _, k := range s.tokens {
		if !k.Here {
			continue
		}
		plain, err := s.openTokenKey(k, unlock)
		if err != nil {
			return err
		}
		signer, err := parseTokenKey(plain)
		if err != nil {
			return err
		}
		if next[s.tokenBase(k.Generation)], err = keyFiles(signer, to); err != nil {
			return err
		}
	}
	defer func() {
		for base := range next { // nothing is left of them unless this went wrong
			for _, suffix := range []string{keySuffix, sealedSuffix} {
				err = errors.Join(err, durable.Remove(base+suffix+nextSuffix))
			}
		}
	}()
	for base, files := range next {
		s.reached("write the new key")
		if err := durable.WriteAlone(base+files[0].suffix+nextSuffix, files[0].data, files[0].mode); err != nil {
			return err
		}
	}
	for base, files := range next {
		if err := s.swap(base, files); err != nil {
			return err
		}
	}
	return nil
}

// swap puts the new key in its place before it removes the old one, if that has another name. Until it has ended, no
// file names the recipients, so that after a kill another Reseal is known to be due.
func (s *Store) swap(base string, files []keyFile) error {
	s.reached("forget the recipients")
	if err := durable.Remove(base + recipientsSuffix); err != nil {
		return err
	}
	key := files[0]
	s.reached("put the new key in place")
	if err := durable.Rename(base+key.suffix+nextSuffix, base+key.suffix); err != nil {
		return err
	}
	s.reached("take the old key away")
	for _, suffix := range []string{keySuffix, sealedSuffix} {
		if suffix == key.suffix {
			continue
		}
		if err := durable.Remove(base + suffix); err != nil {
			return err
		}
	}
	for _, f := range files[1:] {
		s.reached("name the recipients")
		if err := durable.WriteAlone(base+f.suffix, f.data, f.mode); err != nil {
			return err
		}
	}
	return nil
}

// reached is where tests kill the process.
func (s *Store) reached(step string) {
	if s.before != nil {
		s.before(step)
	}
}
