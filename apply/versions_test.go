package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// running is a world with a cluster of a version, in which another one is wanted now.
func running(t *testing.T, n int, from, to string) *world {
	t.Helper()
	o := newWorld(t, wanted(t, n))
	o.want.Accept = plan.Risks()
	o.want.Cluster.Version = from
	if _, err := o.run("zeroth").Converge(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.lead("etcd-1")
	o.want.Cluster.Version = to
	return o
}

// followed is a run whose steps are noted, in the order in which they are done.
func followed(o *world, token string) (r *Run, done func() []string) {
	var mu sync.Mutex
	var steps []string
	r = o.run(token)
	r.Emit = func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Type == StepDone {
			steps = append(steps, e.Step)
		}
	}
	return r, func() []string { mu.Lock(); defer mu.Unlock(); return steps }
}

func versions(o *world) string {
	var all []string
	for _, m := range o.want.Cluster.Members {
		e := o.seen.Hosts[m.Name].Etcd
		if e == nil {
			all = append(all, "none")
			continue
		}
		all = append(all, e.Version)
	}
	return strings.Join(all, " ")
}

// Over two hops, and back over two: every member reaches each version before any goes on, and each move of the minor
// version has its snapshot, its agreement, and its downgrade.
func TestHops(t *testing.T) {
	for _, test := range []struct {
		from, to string
		kinds    map[string]int // steps of each kind
	}{
		{from: "3.5.35", to: "3.7.3", kinds: map[string]int{
			"save-snapshot": 2, "move-leader": 2, "await-version": 2,
			"enable-downgrade": 0,
		}},
		{from: "3.7.3", to: "3.5.35", kinds: map[string]int{"save-snapshot": 2, "move-leader": 2, "enable-downgrade": 2}},
	} {
		inBubble(t, test.from+" to "+test.to, func(t *testing.T) {
			o := running(t, 3, test.from, test.to)
			r, done := followed(o, "first")
			began := time.Now()
			if _, err := r.Converge(t.Context()); err != nil {
				t.Fatal(err)
			}
			for kind, want := range test.kinds {
				got := 0
				for _, step := range done() {
					if strings.HasPrefix(step, kind+"/") {
						got++
					}
				}
				if got != want {
					t.Errorf("%s: %d times, want %d: %q", kind, got, want, done())
				}
			}
			if took := time.Since(began); took < 6*time.Second ||
				versions(o) != strings.Join([]string{test.to, test.to, test.to}, " ") {
				t.Errorf("after %s: %s", took, versions(o))
			}
			settled(t, o, "second")
		})
	}
}

// A member on which a version does not start is taken back, and nothing else is restarted. The same holds for one that
// does not become ready in time. Another run tries again.
func TestBrokenVersion(t *testing.T) {
	for name, hangs := range map[string]bool{"exits": false, "hangs": true} {
		inBubble(t, name, func(t *testing.T) {
			o := running(t, 3, "3.6.16", "3.7.3")
			if hangs {
				o.block = func(ctx context.Context, step plan.Step) error {
					if step.Version != "3.7.3" {
						return nil
					}
					<-ctx.Done()
					o.change(step.Host, func(h *facts.Host) { h.Process, h.Etcd, h.Reads = nil, nil, false })
					return ctx.Err()
				}
			} else {
				o.broken = func(step plan.Step) error {
					if step.Version != "3.7.3" {
						return nil
					}
					return errors.New(step.Host + ": exit status 1")
				}
			}
			r, done := followed(o, "first")
			_, err := r.Converge(t.Context())
			var back *BackError
			var stage *StageError
			if !errors.As(err, &back) || back.Err != nil || !errors.As(err, &stage) {
				t.Fatalf("error %v", err)
			}
			var restarts []string
			for _, step := range done() {
				if strings.HasPrefix(step, "restart-member/") {
					restarts = append(restarts, step)
				}
			}
			host := back.Back.Steps[0].Host
			if !slices.Equal(restarts, []string{"restart-member/" + host}) || versions(o) != "3.6.16 3.6.16 3.6.16" ||
				!o.seen.Hosts[host].Reads {
				t.Errorf("restarts %q, now %s, %s serves: %v", restarts, versions(o), host, o.seen.Hosts[host].Reads)
			}
			if !strings.Contains(err.Error(), "take "+host+" back to etcd 3.6.16") {
				t.Errorf("error %v", err)
			}
			o.broken, o.block = nil, nil
			settled(t, o, "second")
		})
	}
}

// Going back may fail too: the error has both failures.
func TestBackFails(t *testing.T) {
	inBubble(t, "", func(t *testing.T) {
		o := running(t, 3, "3.6.16", "3.7.3")
		o.broken = func(step plan.Step) error { return fmt.Errorf("%s: no %s", step.Host, step.Version) }
		_, err := o.run("first").Converge(t.Context())
		var back *BackError
		if !errors.As(err, &back) || back.Err == nil || !strings.Contains(err.Error(), "no 3.7.3") ||
			!strings.Contains(err.Error(), "no 3.6.16") {
			t.Fatalf("error %v", err)
		}
		o.broken = nil
		settled(t, o, "second")
	})
}

// A member that comes up after the deadline is not taken back.
func TestLateVersion(t *testing.T) {
	inBubble(t, "", func(t *testing.T) {
		o := running(t, 3, "3.6.16", "3.7.3")
		o.block = func(ctx context.Context, step plan.Step) error {
			<-ctx.Done()
			o.took(step, nil)
			return ctx.Err()
		}
		_, err := o.run("first").Converge(t.Context())
		var back *BackError
		var stage *StageError
		if errors.As(err, &back) || !errors.As(err, &stage) || !strings.Contains(versions(o), "3.7.3") {
			t.Fatalf("error %v, now %s", err, versions(o))
		}
		o.block = nil
		settled(t, o, "second")
	})
}

// Without a snapshot nothing is restarted, nor is the cluster told of a downgrade.
func TestSnapshotFails(t *testing.T) {
	for _, to := range []string{"3.5.35", "3.7.3"} {
		inBubble(t, to, func(t *testing.T) {
			o := running(t, 3, "3.6.16", to)
			o.refuses = map[plan.Kind]func() error{plan.SaveSnapshot: func() error { return errFault }}
			r, done := followed(o, "first")
			_, err := r.Converge(t.Context())
			var step *StepError
			if !errors.As(err, &step) || step.Step.Kind != plan.SaveSnapshot || !errors.Is(err, errFault) {
				t.Fatalf("error %v", err)
			}
			for _, id := range done() {
				for _, kind := range []string{"restart-member", "write-unit", "move-leader", "enable-downgrade"} {
					if strings.HasPrefix(id, kind) {
						t.Errorf("%s without a snapshot", id)
					}
				}
			}
			o.refuses = nil
			settled(t, o, "second")
		})
	}
}

// Members whose data differs after a change of version are a finding; where no version has changed, nobody compares.
func TestHashesDiffer(t *testing.T) {
	inBubble(t, "", func(t *testing.T) {
		o := running(t, 3, "3.6.16", "3.7.3")
		o.hash = map[string]uint32{"https://10.0.0.12:2379": 5}
		_, err := o.run("first").Converge(t.Context())
		var verify *VerifyError
		if !errors.As(err, &verify) || len(verify.Findings) != 1 ||
			!strings.Contains(verify.Findings[0], "data differs at revision 7") {
			t.Errorf("error %v", err)
		}
		settled(t, o, "second")
	})
}

// Waiting for a version ends when the members agree, and not before; when they never do, at the deadline, with what is
// missing.
func TestAwaitVersion(t *testing.T) {
	inBubble(t, "never", func(t *testing.T) {
		o := running(t, 3, "3.5.35", "3.6.16")
		r := o.run("first")
		seam := r.Seam
		r.Seam = func(point string) error {
			err := seam(point)
			o.mu.Lock()
			defer o.mu.Unlock()
			o.agrees = time.Time{}
			return err
		}
		began := time.Now()
		_, err := r.Converge(t.Context())
		var step *StepError
		if took := time.Since(began); took != 90*time.Second || !errors.As(err, &step) ||
			step.Step.Kind != plan.AwaitVersion ||
			!strings.Contains(err.Error(), "its data is of version 3.5.0") {
			t.Errorf("after %s: %v", took, err)
		}
		settled(t, o, "second")
	})
}

// Leadership that has gone elsewhere before it was handed over is as good; one that stays is a failure.
func TestMoveLeaderFails(t *testing.T) {
	for name, moved := range map[string]bool{"another leads": true, "it still leads": false} {
		inBubble(t, name, func(t *testing.T) {
			o := running(t, 3, "3.6.16", "3.7.3")
			o.refuses = map[plan.Kind]func() error{plan.MoveLeader: func() error {
				if moved {
					o.took(plan.Step{Kind: plan.MoveLeader, Host: "etcd-1", To: "etcd-3"}, nil)
				}
				return errFault
			}}
			_, err := o.run("first").Converge(t.Context())
			if moved != (err == nil) || !moved && !errors.Is(err, errFault) {
				t.Errorf("error %v", err)
			}
			o.refuses = nil
			settled(t, o, "second")
		})
	}
}
