package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/snapshot"
)

// Latest is the newest snapshot in the operator directory.
func (s *Session) Latest() (string, error) {
	all, err := s.Snapshots()
	if err != nil {
		return "", err
	}
	// what a recovery has taken of one member is not what the cluster was
	all = slices.DeleteFunc(all, func(one facts.SavedSnapshot) bool { return one.Salvage != "" || one.Damage != "" })
	if len(all) == 0 {
		return "", fmt.Errorf("find the latest snapshot: there is none in %s: clusterup snapshot save makes one",
			s.snapshotDir())
	}
	return all[len(all)-1].Path, nil
}

// CheckSnapshot reads all of a snapshot, says whether it is whole, and notes that in its description, if it can. Its
// errors are those of [snapshot.Check].
func (s *Session) CheckSnapshot(path string) (snapshot.Checked, error) {
	c, err := snapshot.Check(path, s.unseal)
	s.noteChecked(c, err, false)
	return c, err
}

// DrillSnapshot is [Session.Drill], and notes the outcome in the description, if it can.
func (s *Session) DrillSnapshot(ctx context.Context, c snapshot.Checked) (Drilled, error) {
	d, err := s.Drill(ctx, c)
	s.noteChecked(c, err, true)
	return d, err
}

// noteChecked leaves out what is not known: a key that is not here, or a release that cannot be had, says nothing about
// the snapshot.
func (s *Session) noteChecked(c snapshot.Checked, err error, drilled bool) {
	if c.Described == nil {
		return
	}
	d, now := *c.Described, s.Now().UTC()
	switch {
	case err == nil && drilled:
		d.Verified, d.Drilled, d.Damage = now, now, ""
	case err == nil:
		d.Verified, d.Damage = now, ""
	case errors.Is(err, snapshot.ErrCut), errors.Is(err, snapshot.ErrAltered), errors.Is(err, snapshot.ErrForeign),
		errors.Is(err, snapshot.ErrMismatched):
		d.Damage = err.Error()
	default:
		return
	}
	_ = snapshot.Describe(d) // where nobody may write, the answer is what counts
}
