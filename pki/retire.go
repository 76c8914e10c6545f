package pki

import (
	"fmt"

	"github.com/clusterup/clusterup/durable"
)

// Retire has a CA sign no more, and says that nothing is to trust it any more. Nothing is deleted, not even its key,
// and who was told to trust it still does. Of the old CA it ends a rotation, of the new one it gives a rotation up:
// then the old one is the newest again. The last CA of a role that can sign is not retired. It is no error when it is
// retired already.
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
