package hosttest

import (
	"testing"
	"time"
)

// patience is how long the end of a held script may take to be noticed.
const patience = 30 * time.Second

const holding = "echo held by $((40 + 2)); exec cat >/dev/null"

// hold holds the script of the tests.
func (s Subject) hold(t *testing.T) (lost <-chan struct{}, release func() error) {
	t.Helper()
	line, lost, release, err := s.Host.Hold(t.Context(), holding)
	if err != nil || line != "held by 42" {
		t.Fatalf("says %q, %v", line, err)
	}
	select {
	case <-lost:
		t.Fatal("lost at once")
	default:
	}
	return lost, release
}

func ends(t *testing.T, what string, lost <-chan struct{}) {
	t.Helper()
	select {
	case <-lost:
	case <-time.After(patience):
		t.Fatalf("%s was not noticed within %s", what, patience)
	}
}

// holds: the line comes back, others can use the host meanwhile, and release ends it, however often it is called.
func holds(t *testing.T, s Subject) {
	lost, release := s.hold(t)
	other, releaseOther := s.hold(t)
	s.runs(t.Context(), t, "echo well", "well\n")
	for range 2 {
		if err := release(); err != nil {
			t.Error(err)
		}
	}
	ends(t, "the release", lost)
	select {
	case <-other:
		t.Error("the other one was lost with it")
	default:
	}
	if err := releaseOther(); err != nil {
		t.Error(err)
	}
	ends(t, "the other release", other)
}

// holdFails: a script that ends instead of staying holds nothing.
func holdFails(t *testing.T, s Subject) {
	for script, says := range map[string]string{"echo no room >&2; exit 1": "no room", "exit 0": ""} {
		_, _, _, err := s.Host.Hold(t.Context(), script)
		s.fails(t, script, err, says)
	}
	s.runs(t.Context(), t, "echo well", "well\n")
}

// holdIsLost: the loss of the connection is noticed, release does no harm afterwards, and the host can be used and
// held again.
func holdIsLost(t *testing.T, s Subject) {
	lost, release := s.hold(t)
	s.Cut(t)
	ends(t, "the cut", lost)
	_ = release() // there may be nothing left to let go
	s.runs(t.Context(), t, "echo well", "well\n")
	lost, release = s.hold(t)
	if err := release(); err != nil {
		t.Error(err)
	}
	ends(t, "the release", lost)
}
