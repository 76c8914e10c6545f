package etcd

import (
	"slices"
	"testing"
)

// Words about voters do not depend on their IDs, by which etcd lists them.
func TestVotersByName(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	s.Members = slices.Clone(s.Members)
	slices.Reverse(s.Members)
	if got := newView(w, s).voters(); !slices.IsSorted(got) || len(got) != 3 {
		t.Errorf("voters %q", got)
	}
}
