package operator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/remote"
	"github.com/clusterup/clusterup/units"
	"github.com/clusterup/clusterup/view"
)

// testHolder holds a lock until its connection is cut, or never gets one.
type testHolder struct {
	cut chan struct{}
	err error
}

func (h testHolder) Hold(context.Context, string) (string, <-chan struct{}, func() error, error) {
	return "held", h.cut, func() error { return nil }, h.err
}

// lockedSession has a cluster of three hosts that were all seen, and holds the lock on all but the unreachable ones.
func lockedSession(t *testing.T, unreachable ...string) (*Session, map[string]testHolder) {
	t.Helper()
	text := "cluster \"prod\" {\n  version = \"3.6.16\"\n"
	for i := range 3 {
		text += fmt.Sprintf("  member \"etcd-%d\" { address = \"10.0.0.1%d\" }\n", i+1, i+1)
	}
	file, diags := inventory.Parse([]byte(text+"}\n"), "test.hcl", inventory.Options{Home: "/home/op"})
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	s := &Session{Cluster: file.Clusters[0]}
	fakes, holders := map[string]testHolder{}, map[string]apply.Holder{}
	seen := facts.Snapshot{Hosts: map[string]facts.Host{}}
	for i, m := range s.Cluster.Members {
		fakes[m.Name] = testHolder{cut: make(chan struct{})}
		holders[m.Name] = fakes[m.Name]
		born := units.Birth(etcd.ConfigDir(s.Cluster),
			units.Born{Cluster: "prod", Member: m.Name, ClusterID: "abc", MemberID: fmt.Sprint(i + 1)})
		seen.Hosts[m.Name] = facts.Host{Machine: facts.Machine{
			Name:  m.Name,
			Files: map[string]facts.File{born.Path: {Kind: facts.Regular, Content: born.Data}},
		}}
		seen.Members = append(seen.Members, facts.Listed{
			ID: facts.ID(i + 1), Name: m.Name, PeerURLs: []string{fmt.Sprintf("https://10.0.0.1%d:2380", i+1)},
		})
	}
	why := map[string]error{}
	for _, name := range unreachable {
		why[name] = &remote.Error{
			Host: name, Op: "connect", Kind: remote.ErrUnreachable, Err: errors.New("no route"),
			Remedy: "check routes",
		}
		holders[name] = testHolder{err: why[name]}
	}
	lock, err := apply.Acquire(t.Context(), "prod", lockOrder(s.Cluster), holders, apply.Owner{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.holding.Store(&holding{lock: lock, why: why})
	s.last.Store(&seen)
	return s, fakes
}

// A look is not taken again where every host was seen a moment before it was locked, and no run was there in between.
func TestUntouched(t *testing.T) {
	now := time.Now()
	for name, test := range map[string]struct {
		lost []string
		mend func(*facts.Snapshot)
		want bool
	}{
		"all seen, nobody since": {nil, func(*facts.Snapshot) {}, true},
		"a host is not locked":   {[]string{"etcd-2"}, func(*facts.Snapshot) {}, false},
		"a host was dark": {nil, func(s *facts.Snapshot) {
			s.Hosts["etcd-3"] = facts.Host{Machine: facts.Machine{Unreachable: "no route"}}
		}, false},
		"a run was there": {nil, func(s *facts.Snapshot) {
			s.Hosts["etcd-3"] = facts.Host{Machine: facts.Machine{Run: "ended {}"}}
		}, false},
		"somebody thought it over": {nil, func(s *facts.Snapshot) { s.Taken = now.Add(-moments) }, false},
	} {
		s, _ := lockedSession(t, test.lost...)
		s.Now = func() time.Time { return now }
		seen := *s.last.Load()
		seen.Taken = now
		test.mend(&seen)
		if got := s.Untouched(seen); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// A run goes on while it holds the lock on the hosts of a majority, and ends when it does not: as one whose hosts have
// gone dark, also if one of them answers again.
func TestLockLost(t *testing.T) {
	s, hosts := lockedSession(t)
	err := s.holds(t.Context(), s.Quorate, func(ctx context.Context) error {
		close(hosts["etcd-2"].cut)
		for _, host := range []string{"etcd-1", "etcd-3"} {
			if err := s.holding.Load().unheld(host); err != nil {
				t.Errorf("%s: %v", host, err)
			}
		}
		seen := s.holding.Load().darkened(*s.last.Load())
		if err := s.Quorate(seen, s.holding.Load().lock.Held()); err != nil || !seen.Hosts["etcd-2"].Dark() ||
			seen.Hosts["etcd-1"].Dark() || ctx.Err() != nil {
			t.Errorf("with one of three lost: %v, %v, hosts %v", err, ctx.Err(), seen.Hosts)
		}
		close(hosts["etcd-3"].cut)
		select {
		case <-ctx.Done():
			return s.Cut(ctx, 2, context.Cause(ctx))
		case <-time.After(10 * time.Second):
			t.Error("the run goes on with one of three hosts locked")
			return nil
		}
	})
	const why = "hold the cluster's lock: the connection was lost while this run was under way  [unreachable]"
	const then = "    → run the same command again when the host answers: it looks, and goes on from there"
	says(t, err, view.ExitUnreachable,
		"Error: 2 steps done; not every host could be looked at:", "  etcd-2: "+why, then, "  etcd-3: "+why, then,
		"  every change on hosts waits for etcd-2 and etcd-3: a run holds the lock on the hosts of 2 of 3 voters, so that no other run changes the cluster too",
		"  → when etcd-2 and etcd-3 can be looked at, run the same command again: what is needed there is not known before")
}

// TestCut has the ends of runs whose lock was not enough any more.
func TestCut(t *testing.T) {
	s, hosts := lockedSession(t)
	close(hosts["etcd-2"].cut)
	close(hosts["etcd-3"].cut)
	ctx, cancel := context.WithCancelCause(t.Context())
	lost := &apply.LockLostError{Host: "etcd-3"}
	cancel(lost)
	stage := func(errs ...error) error {
		return &apply.StageError{Stage: plan.Stage{Name: "prepare hosts"}, Errs: errs}
	}
	failed := func(host string, err error) error {
		return &apply.StepError{Step: plan.Step{Kind: plan.WriteTrust, Host: host}, Err: err}
	}
	gone := failed("etcd-3", &remote.Error{Host: "etcd-3", Kind: remote.ErrLost})
	ended, waited := failed("etcd-1", fmt.Errorf("etcd-1: put files: %w", lost)), failed("etcd-1", context.Canceled)
	broke := failed("etcd-1", errors.New("etcd-1: disk full"))
	for name, test := range map[string]struct {
		err  error
		code int
		head string
	}{
		"between stages": {lost, 12, "Error: 3 steps done; not every host could be looked at:"},
		"in the middle of one": {
			stage(ended, waited, gone), 12,
			`Error: 3 steps done, and "prepare hosts" was not finished; not every host could be looked at:`,
		},
		"one failed by itself": {
			stage(broke, gone), 14,
			`Error: etcd-3: the lock was lost with the connection; "prepare hosts" was not finished:`,
		},
		"it was stopped before": {
			&apply.Stopped{Done: 3, Next: "prepare hosts"}, 130,
			`Stopped: 3 steps done; "prepare hosts" was not finished.`,
		},
	} {
		err := s.Cut(ctx, 3, test.err)
		if code, lines := told(err); lines[0] != test.head || code != test.code {
			t.Errorf("%s: exit %d, %q", name, code, lines)
		}
	}
	if broke := stage(broke); !errors.Is(s.Cut(t.Context(), 3, broke), broke) || s.Cut(ctx, 3, nil) != nil {
		t.Error("what was not cut is taken for that")
	}
}

// A connection that breaks makes its host dark for the run, before the lock is known to be lost, and when the host
// answers again at once.
func TestNoticed(t *testing.T) {
	for kind, dark := range map[error]bool{
		remote.ErrLost: true, remote.ErrUnreachable: true, remote.ErrScript: false,
		nil: false,
	} {
		s, _ := lockedSession(t)
		fails := &failingHost{err: &remote.Error{Host: "etcd-2", Op: "run script", Kind: kind}}
		guard := guarded{fails, "etcd-2", &s.holding}
		if _, err := guard.Script(t.Context(), "true"); !errors.Is(err, fails.err) {
			t.Errorf("%v is told as %v", fails.err, err)
		}
		fails.err = nil
		_, err := guard.Script(t.Context(), "true")
		seen := s.holding.Load().darkened(*s.last.Load())
		if (err != nil) != dark || seen.Hosts["etcd-2"].Dark() != dark || seen.Hosts["etcd-1"].Dark() {
			t.Errorf("after %v: %v, dark: %t", kind, err, seen.Hosts["etcd-2"].Dark())
		}
	}
}

// failingHost is one on which everything ends with an error; nil: nothing does.
type failingHost struct {
	apply.Host
	err error
}

func (h *failingHost) Script(context.Context, string) ([]byte, error) { return nil, h.err }

// If too few hosts could be locked, the error says which are missing, why, and what to do there; it exits with 12.
func TestTooFewLocked(t *testing.T) {
	s, _ := lockedSession(t, "etcd-1", "etcd-3")
	err := s.Quorate(s.holding.Load().darkened(*s.last.Load()), s.holding.Load().lock.Held())
	says(t, err, view.ExitUnreachable,
		"Error: the cluster's lock is held on the hosts of at least 2 of its 3 members, and 1 can be locked; nothing on a host is changed without that:",
		"  etcd-1: connect: no route  [unreachable]", "    → check routes",
		"  etcd-3: connect: no route  [unreachable]", "    → check routes")
}

// told is the exit code of an error, and what the operator reads of it.
func told(err error) (code int, lines []string) {
	var said bytes.Buffer
	code = (&view.Console{Out: &said, Err: &said, Advice: Advice}).Report(err)
	return code, strings.Split(strings.TrimSuffix(said.String(), "\n"), "\n")
}

func says(t *testing.T, err error, code int, want ...string) {
	t.Helper()
	if got, lines := told(err); got != code || !slices.Equal(lines, want) {
		t.Errorf("exit %d, said\n%q\nwant\n%q", got, lines, want)
	}
}

// Nothing is sent to a host on which the lock is not held: not when it was dark before, not once the lock is lost
// there, and not without a lock.
func TestGuarded(t *testing.T) {
	s, hosts := lockedSession(t, "etcd-1")
	close(hosts["etcd-2"].cut)
	for _, name := range []string{"etcd-1", "etcd-2", "none"} {
		guard := guarded{nil, name, &s.holding}
		if name == "none" {
			guard = guarded{nil, "etcd-3", &(&Session{}).holding}
		}
		_, err := guard.Script(t.Context(), "reboot")
		_, _, errWrite := guard.Write(t.Context(), apply.Part{})
		for _, err := range []error{err, errWrite, guard.Feed(t.Context(), "", apply.Input{}, nil)} {
			if err == nil {
				t.Errorf("%s was changed", name)
			}
		}
	}
	if err := s.holding.Load().unheld("etcd-3"); err != nil {
		t.Error(err)
	}
}

// A run that holds the lock dials nothing from a host on which it does not.
func TestThrough(t *testing.T) {
	s, _ := lockedSession(t, "etcd-1")
	if _, err := s.through(t.Context(), "etcd-1", "10.0.0.12:2379"); !errors.Is(err, remote.ErrUnreachable) {
		t.Errorf("%v, want what stood against the lock", err)
	}
}
