package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/remote"
	"github.com/clusterup/clusterup/units"
)

// testHolder holds a lock until its connection is cut, or never gets one.
type testHolder struct {
	cut chan struct{}
	err error
}

func (h testHolder) Hold(context.Context, string) (string, <-chan struct{}, func() error, error) {
	return "held", h.cut, func() error { return nil }, h.err
}

// lockedSession is one with a cluster of three, whose look saw all; it holds the lock on all but those that are not to
// be had.
func lockedSession(t *testing.T, unreachable ...string) (*session, map[string]testHolder) {
	t.Helper()
	text := "cluster \"prod\" {\n  version = \"3.6.16\"\n"
	for i := range 3 {
		text += fmt.Sprintf("  member \"etcd-%d\" { address = \"10.0.0.1%d\" }\n", i+1, i+1)
	}
	file, diags := inventory.Parse([]byte(text+"}\n"), "test.hcl", inventory.Options{Home: "/home/op"})
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	s := &session{cluster: file.Clusters[0]}
	fakes, holders := map[string]testHolder{}, map[string]apply.Holder{}
	seen := facts.Snapshot{Hosts: map[string]facts.Host{}}
	for i, m := range s.cluster.Members {
		fakes[m.Name] = testHolder{cut: make(chan struct{})}
		holders[m.Name] = fakes[m.Name]
		born := units.Birth(plan.ConfigDir(s.cluster), units.Born{Cluster: "prod", Member: m.Name, ClusterID: "abc", MemberID: fmt.Sprint(i + 1)})
		seen.Hosts[m.Name] = facts.Host{Name: m.Name, Files: map[string]facts.File{born.Path: {Kind: facts.Regular, Content: born.Data}}}
		seen.Members = append(seen.Members, facts.Member{
			ID: facts.ID(i + 1), Name: m.Name, PeerURLs: []string{fmt.Sprintf("https://10.0.0.1%d:2380", i+1)},
		})
	}
	why := map[string]error{}
	for _, name := range unreachable {
		why[name] = &remote.Error{Host: name, Op: "connect", Kind: remote.ErrUnreachable, Err: errors.New("no route"), Remedy: "check routes"}
		holders[name] = testHolder{err: why[name]}
	}
	lock, err := apply.Acquire(t.Context(), "prod", lockOrder(s.cluster.Members), holders, apply.Owner{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.holding.Store(&holding{lock, why})
	s.last.Store(&seen)
	return s, fakes
}

// A run goes on while it holds the lock on the hosts of a majority, and ends when it does not.
func TestLockLost(t *testing.T) {
	s, hosts := lockedSession(t)
	err := s.holds(t.Context(), s.quorate, func(ctx context.Context) error {
		close(hosts["etcd-2"].cut)
		for _, host := range []string{"etcd-1", "etcd-3"} {
			if err := s.holding.Load().unheld(host); err != nil {
				t.Errorf("%s: %v", host, err)
			}
		}
		seen := s.holding.Load().darkened(*s.last.Load())
		if err := s.quorate(seen, s.holding.Load().lock.Held()); err != nil || !seen.Hosts["etcd-2"].Dark() || seen.Hosts["etcd-1"].Dark() || ctx.Err() != nil {
			t.Errorf("with one of three lost: %v, %v, hosts %v", err, ctx.Err(), seen.Hosts)
		}
		close(hosts["etcd-3"].cut)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Second):
			t.Error("the run goes on with one of three hosts locked")
			return nil
		}
	})
	var lost *lockLostError
	if !errors.As(err, &lost) || lost.host == "etcd-1" || exitCode(err) != exitPartWay {
		t.Errorf("ended with %v, exit %d", err, exitCode(err))
	}
}

// Too few hosts say which are missing, why, and what to do there; that is exit 12.
func TestTooFewLocked(t *testing.T) {
	s, _ := lockedSession(t, "etcd-1", "etcd-3")
	err := s.quorate(s.holding.Load().darkened(*s.last.Load()), s.holding.Load().lock.Held())
	if exitCode(err) != exitUnreachable {
		t.Errorf("exit %d of %v", exitCode(err), err)
	}
	saysLines(t, explain(err, false),
		"Error: the cluster's lock is held on the hosts of at least 2 of its 3 members, and 1 can be locked; nothing on a host is changed without that:",
		"  etcd-1: connect: no route  [unreachable]", "    → check routes",
		"  etcd-3: connect: no route  [unreachable]", "    → check routes")
}

func saysLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("said\n%q\nwant\n%q", got, want)
	}
}

// Nothing is sent to a host on which the lock is not held: not when it was dark before, not once the lock is lost
// there, and not without a lock.
func TestGuarded(t *testing.T) {
	s, hosts := lockedSession(t, "etcd-1")
	close(hosts["etcd-2"].cut)
	for _, name := range []string{"etcd-1", "etcd-2", "none"} {
		guard := guarded{unheld: func() error { return s.holding.Load().unheld(name) }}
		if name == "none" {
			guard.unheld = func() error { return (&session{}).holding.Load().unheld("etcd-3") }
		}
		_, err := guard.Script(t.Context(), "reboot")
		for _, err := range []error{err, guard.Write(t.Context(), nil), guard.Upload(t.Context(), apply.Upload{}, nil)} {
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
