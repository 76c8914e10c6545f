package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// Errors that no waiting mends end it at once; those that a member may show as it starts end it after a moment.
func TestAwaitByClass(t *testing.T) {
	for _, test := range []struct {
		err  error
		took time.Duration // until it is given up
	}{
		{facts.ErrPermission, 0},
		{facts.ErrNoMember, 0},
		{facts.ErrPeerURLs, 0},
		{facts.ErrLearners, 0},
		{facts.ErrNoAccess, 0},
		{facts.ErrNoForwarding, 0},
		{facts.ErrCorrupt, 0},
		{facts.ErrNoSpace, 0},
		{facts.ErrDowngradeTarget, 0},
		{facts.ErrTLS, settles},
		{facts.ErrLearner, settles},
		{errors.New("connection refused"), 90 * time.Second},
	} {
		inBubble(t, test.err.Error(), func(t *testing.T) {
			began := time.Now()
			ask := func(context.Context) error { return fmt.Errorf("ask etcd-1: %w", test.err) }
			err := (&Run{}).await(t.Context(), "nothing", ask)
			if took := time.Since(began); !errors.Is(err, test.err) || took != test.took {
				t.Errorf("%v after %s, want it after %s", err, took, test.took)
			}
		})
	}
	inBubble(t, "a moment", func(t *testing.T) {
		began := time.Now()
		err := (&Run{}).await(t.Context(), "nothing", func(context.Context) error {
			if since := time.Since(began); since < 20*time.Second && since%(2*settles) < settles-time.Second {
				return facts.ErrTLS // again and again, but never for long
			} else if since < 20*time.Second {
				return errors.New("connection refused")
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// A member that dies after a restart was decided, and before it is done, takes nobody with it: the restart is not done,
// and nothing is taken back. The next run goes on once it is there again.
func TestGate(t *testing.T) {
	for _, n := range []int{2, 3} {
		inBubble(t, fmt.Sprint(n), func(t *testing.T) {
			o := running(t, n, "3.6.16", "3.6.16")
			o.want.Cluster.Etcd.Flags = map[string]string{"max-txn-ops": "7"}
			r, done := followed(o, "first")
			var died string
			r.Seam = o.seam(func(point string) error {
				host, restarts := strings.CutPrefix(point, "before restart-member/")
				if !restarts || died != "" || strings.Contains(host, "#") {
					return nil
				}
				o.mu.Lock()
				defer o.mu.Unlock()
				for name := range o.seen.Hosts {
					if name != host {
						died = name
					}
					o.change(name, func(h *facts.Host) { h.Reads = name != died && n > 2 })
				}
				return nil
			})
			_, err := r.Converge(t.Context())
			var gate *GateError
			if !errors.As(err, &gate) || gate.Step.Needs.Least != n-1 || errors.As(err, new(*BackError)) {
				t.Fatalf("error %v", err)
			}
			for _, step := range done() {
				if strings.HasPrefix(step, "restart-member/") {
					t.Errorf("%s although %s had died", step, died)
				}
			}
			for name := range o.seen.Hosts {
				o.change(name, func(h *facts.Host) { h.Reads = true })
			}
			settled(t, o, "second")
		})
	}
}

// A stage has no more hosts at work than it is wide, and hosts whose turn has not come are left alone once one has
// failed.
func TestWidth(t *testing.T) {
	stage := plan.Stage{Name: "put files right", Gate: "none", Width: 1}
	for i := range 3 {
		stage.Steps = append(stage.Steps, plan.Step{Kind: plan.ReloadUnits, Host: fmt.Sprintf("etcd-%d", i+1), Why: "none"})
	}
	for fails, want := range map[string]string{"": "etcd-1 etcd-2 etcd-3", "etcd-2": "etcd-1 etcd-2"} {
		inBubble(t, "fails: "+fails, func(t *testing.T) {
			var mu sync.Mutex
			at, most := 0, 0
			var came []string
			w := wanted(t, 3)
			r := &Run{Want: w, Now: time.Now, Hosts: map[string]Host{}}
			for _, m := range w.Cluster.Members {
				r.Hosts[m.Name] = scripted(func() error {
					mu.Lock()
					at++
					most, came = max(most, at), append(came, m.Name)
					mu.Unlock()
					<-time.After(time.Second) // of the bubble: room for others to come, too
					mu.Lock()
					defer mu.Unlock()
					if at--; m.Name == fails {
						return errors.New("disk full")
					}
					return nil
				})
			}
			_, err := r.stage(t.Context(), stage)
			if got := strings.Join(came, " "); most != 1 || got != want || (err != nil) != (fails != "") {
				t.Errorf("%q fails: %s, %d at once, %v", fails, got, most, err)
			}
		})
	}
}

// scripted is a host on which one thing happens.
type scripted func() error

func (s scripted) Script(context.Context, string) ([]byte, error) { return nil, s() }

func (scripted) Write(context.Context, ...Part) (done, failed int, err error) {
	return 0, 0, errors.New("not to be expected")
}

func (scripted) Feed(context.Context, string, Input, func(done, total int64)) error {
	return errors.New("not to be expected")
}
