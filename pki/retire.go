package pki

import (
	"fmt"

	"github.com/clusterup/clusterup/durable"
)

// Retire marks a CA: it signs no more, and nothing is to trust it any more. Nothing is deleted, not even its key, and
// members that trust it still do. To retire the old CA ends a rotation; to retire the new one gives the rotation up,
// and the old one is the newest again. The last CA of a role that can sign is not retired: that fails with [ErrNoCA].
// It is no error when the CA is retired already.
func (s *Store) Retire(role Role, generation int) (err error) {
	defer explain(&err, "retire %s CA %d", role, generation)
	return s.change(func() error { return s.retire(role, generation) })
}

func (s *Store) retire(role Role, generation int) error {
	a, ok := s.find(role, generation)
	switch {
	case !ok:
		return fmt.Errorf("%s has no such CA: %w", s.dir, ErrNoCA)
	case a.Retired:
		return nil
	}
	for _, other := range s.of(role) {
		if other.Signing && other.Generation != generation {
			return durable.WriteAlone(s.base(role, generation)+retiredSuffix, []byte("This CA signs no more.\n"), 0o644)
		}
	}
	return fmt.Errorf("no other CA could sign instead; make the next one first: %w", ErrNoCA)
}
