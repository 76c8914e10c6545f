package pki

import (
	"io"
	"time"
)

// fit is an error when a CA cannot be taken over, as far as a copy of it shows that.
func (a *authority) fit(o Options, now time.Time, rand io.Reader) error {
	if err := a.checkDates(now); err != nil {
		return err
	}
	if err := a.checkKey(); err != nil {
		return err
	}
	if a.external == nil {
		if _, err := a.key(); err != nil {
			return err
		}
	}
	return a.tryCopy(o, now, rand)
}

func (a *authority) tryCopy(o Options, now time.Time, rand io.Reader) error {
	copied, err := a.copied(rand)
	if err != nil {
		return err
	}
	if a.external != nil { // no server signs lists
		return copied.tryKinds(kindsOf[a.Role], o.Names, now, rand)
	}
	return copied.try(o, now, rand)
}

// Unfit says why the CA that is given for a role cannot be taken over, or should not have been; "" when it can be, when
// none is given, and when only a server knows its certificate. Its key signs nothing for that; [Store.Try] has it sign.
func (s *Store) Unfit(role Role, now time.Time, rand io.Reader) string {
	g, ok := s.given[role]
	switch {
	case !ok:
		return ""
	case g.err != nil:
		return g.err.Error()
	}
	err := error(nil)
	if a, is := s.takenOver(role); is {
		if now.Before(a.NotAfter) { // that a CA has expired is said elsewhere
			if err = a.checkDates(now); err == nil {
				err = a.tryCopy(s.options, now, rand)
			}
		}
	} else if g.cert != nil {
		a, _ := g.authority(role, 0) // with a certificate no server is asked
		err = a.fit(s.options, now, rand)
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// Try has the CA that is given for a role sign what members need, in memory, with its own key or by its server. It
// fails with [ErrUnfit] where that, or the CA itself, would be of no use to them, and with another error where
// nothing can be signed now. Nothing is written.
func (s *Store) Try(role Role, now time.Time, rand io.Reader) error {
	g, ok := s.given[role]
	if !ok {
		return nil
	}
	a, is := s.takenOver(role)
	if !is {
		var err error
		if a, err = g.authority(role, 0); err == nil {
			err = a.fit(s.options, now, rand)
		}
		if err != nil {
			return err
		}
	}
	return a.try(s.options, now, rand)
}

// takenOver is the CA that signs now, if it is the one that is given.
func (s *Store) takenOver(role Role) (authority, bool) {
	a, err := s.pick(role, 0)
	return a, err == nil && a.Signing && s.given[role].is(&a, a.Generation)
}
