package apply

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// darkened is a cluster of three in which a member's unit is not enabled, and whose third host cannot be looked at.
func darkened(t *testing.T) *world {
	t.Helper()
	o := newWorld(t, wanted(t, 3))
	if _, err := o.run("zeroth").Converge(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.change("etcd-1", func(h *facts.Host) { h.Unit.Enabled = "disabled" })
	o.canary, o.dark = map[string]int{}, map[string]bool{"etcd-3": true}
	return o
}

// left is the error of a run that has done what it could without etcd-3.
func left(t *testing.T, err error, steps int) *DarkError {
	t.Helper()
	var dark *DarkError
	var refused *plan.Refused
	if !errors.As(err, &dark) || !errors.As(err, &refused) || !refused.Only(plan.Unreachable) || dark.Steps != steps ||
		dark.Refusals[0].Host != "etcd-3" {
		t.Fatalf("%v, want one of the host etcd-3 after %d steps", err, steps)
	}
	return dark
}

// A run does what it can without a dark host, verifies the others, and says in its error what is left.
func TestDark(t *testing.T) {
	inBubble(t, "what is done", func(t *testing.T) {
		o := darkened(t)
		r := o.run("first")
		var said string
		r.Emit = func(e Event) {
			if e.Type == Verified {
				said = e.Text
			}
		}
		_, err := r.Converge(t.Context())
		left(t, err, 1)
		if o.seen.Hosts["etcd-1"].Unit.Enabled != "enabled" || !strings.Contains(said, "2 of 3 members serve") {
			t.Errorf("etcd-1 is %s; %s", o.seen.Hosts["etcd-1"].Unit.Enabled, said)
		}
		through := slices.Sorted(maps.Keys(o.canary))
		if want := []string{"https://10.0.0.11:2379", "https://10.0.0.12:2379"}; !slices.Equal(through, want) {
			t.Errorf("keys were written through %v, want %v", through, want)
		}
		_, err = o.run("second").Converge(t.Context()) // which has nothing to do, and writes nothing
		left(t, err, 0)
		o.dark = nil
		settled(t, o, "third")
	})
	inBubble(t, "what is found", func(t *testing.T) {
		o := darkened(t)
		o.bad = "https://10.0.0.12:2379"
		_, err := o.run("first").Converge(t.Context())
		var wrong *VerifyError
		if !errors.As(err, &wrong) || len(wrong.Findings) != 1 || !slices.Equal(wrong.Dark, []string{"etcd-3"}) {
			t.Errorf("%v, want one finding, beside the dark host", err)
		}
	})
	inBubble(t, "a member that has lost its quorum", func(t *testing.T) {
		o := darkened(t)
		o.dark["etcd-2"] = true
		o.change("etcd-1", func(h *facts.Host) { h.Reads, h.ReadError, h.Etcd.Leader = false, "no leader", 0 })
		_, err := o.run("first").Converge(t.Context())
		if dark := new(DarkError); !errors.As(err, &dark) || dark.Steps > 0 || len(dark.Waits) == 0 {
			t.Errorf("%v, want one of dark hosts: nothing else is known to be wrong", err)
		}
	})
	inBubble(t, "there is no cluster", func(t *testing.T) {
		o := newWorld(t, wanted(t, 3))
		o.dark = map[string]bool{"etcd-3": true}
		_, err := o.run("first").Converge(t.Context())
		left(t, err, 0)
		if o.actions > 0 || len(o.canary) > 0 {
			t.Errorf("%d actions, keys through %v", o.actions, o.canary)
		}
	})
}

// A step that fails since its host went dark does not end the run: what is left is done on the others. One that fails
// on a host that can be looked at does.
func TestGoesDark(t *testing.T) {
	for name, at := range map[string]struct {
		dark string
		goes bool
	}{"its host": {"etcd-3", true}, "another host": {"etcd-2", false}, "no host": {"", false}} {
		inBubble(t, name, func(t *testing.T) {
			o := darkened(t)
			o.dark = nil
			o.change("etcd-3", func(h *facts.Host) { h.Unit.Enabled = "disabled" })
			r := o.run("first")
			failed := false
			r.Seam = o.seam(func(point string) error {
				if point != "before enable-unit/etcd-3" || failed {
					return nil
				}
				failed = true
				if at.dark != "" {
					o.dark = map[string]bool{at.dark: true}
				}
				return errFault
			})
			result, err := r.Converge(t.Context())
			if !failed || o.seen.Hosts["etcd-1"].Unit.Enabled != "enabled" {
				t.Errorf("failed: %t, etcd-1 is %s", failed, o.seen.Hosts["etcd-1"].Unit.Enabled)
			}
			if at.goes {
				if dark := left(t, err, 1); dark.Unfinished != "put files right" {
					t.Errorf("not finished was %q", dark.Unfinished)
				}
				return
			}
			if !errors.As(err, new(*StageError)) || errors.As(err, new(*DarkError)) {
				t.Errorf("%d steps, %v", result.Steps, err)
			}
		})
	}
}

// TestRestsOn has the hosts that a failed step rests on.
func TestRestsOn(t *testing.T) {
	seen := facts.Snapshot{Hosts: map[string]facts.Host{
		"a": {Machine: facts.Machine{Name: "a"}},
		"b": {Machine: facts.Machine{Name: "b"}}, "c": {Machine: facts.Machine{Name: "c"}},
	}}
	restart := plan.Step{Kind: plan.RestartMember, Host: "a", Needs: &plan.Needs{Serve: []string{"b", "c"}}}
	for name, c := range map[string]struct {
		failed StepError
		want   string
	}{
		"its own":                      {StepError{Step: restart}, "a"},
		"a gate: those who must serve": {StepError{Step: restart, Err: &GateError{Step: restart}}, "b c"},
		"the one who takes over":       {StepError{Step: plan.Step{Kind: plan.MoveLeader, Host: "a", To: "b"}}, "a b"},
		"the one who is asked":         {StepError{Step: plan.Step{Kind: plan.UpdateMember, Host: "a", Through: "b"}}, "a b"},
		"all agree on the version":     {StepError{Step: plan.Step{Kind: plan.AwaitVersion, Host: "a"}}, "a b c"},
		"this machine":                 {StepError{Step: plan.Step{Kind: plan.ListRevoked}}, ""},
	} {
		if got := strings.Join(restsOn(seen, &c.failed), " "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
