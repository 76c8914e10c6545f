package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/view"
)

// observing is looking for commands that ask members with an observer's certificate where there is one.
func (c *console) observing(
	cmd *cobra.Command, inventory string, flags clusterFlags, do func(*session, context.Context) error,
) error {
	return c.looking(cmd, inventory, flags, func(s *session, ctx context.Context) error {
		if err := s.observe(); err != nil {
			return err
		}
		return do(s, ctx)
	})
}

// observe takes the observer's certificate that the flags name, or the one in the usual place, unless the key of the
// client CA lies open here: that sees more. With --no-ssh nothing else will do; without, one that is of no use is only
// said.
func (s *session) observe() error {
	dir := cmp.Or(s.flags.observer, s.ObserverDir())
	needed := s.flags.observer != "" || s.flags.noSSH && s.Cluster.TLS.Clients
	if !needed && !s.flags.noSSH && s.KeyLiesOpen() {
		return nil
	}
	o, err := operator.ReadObserver(dir)
	switch {
	case err != nil:
	case o == nil && needed:
		err = fmt.Errorf("%s has no observer's certificate", dir)
	case o != nil && !s.Now().Before(o.Pair.NotAfter):
		err = fmt.Errorf("the observer's certificate in %s ended on %s", dir, o.Pair.NotAfter.Format(time.DateOnly))
	}
	if err != nil {
		err = fmt.Errorf("%w: clusterup cert issue --observer %s --out DIR --renew makes one, where the keys of the CAs are",
			err, s.file)
	}
	switch {
	case err != nil && needed:
		return err
	case err != nil:
		s.console.Say("note: %v", err)
		return nil
	}
	if o != nil || s.flags.noSSH {
		s.Observe(o, s.flags.noSSH)
	}
	return nil
}

// lookAtPorts is lookAt without a look at any host.
func (s *session) lookAtPorts(ctx context.Context) (view.Look, error) {
	seen, versions, err := s.Ports(ctx)
	if err != nil {
		return view.Look{}, err
	}
	l := view.Look{
		Want: etcd.Want{Cluster: s.Cluster}, Seen: seen, Ports: true, Advice: operator.Advice, File: s.file, Now: s.Now(),
		Versions: versions,
	}
	if s.judge(ctx, &l); l.Rights.Known {
		l.Seen.Auth = &facts.Auth{AuthState: facts.AuthState{Enabled: l.Rights.On}}
	}
	return l, nil
}

// judge finds out what the observer's certificate can do beyond looking, where one was used.
func (s *session) judge(ctx context.Context, l *view.Look) {
	if o := s.Observer(); o != nil {
		l.Observer, l.Rights = &o.Pair, s.Rights(ctx, l.Seen)
	}
}

// toObserve says of a new observer's certificate what it can do beyond looking, and where it cannot even look.
func (s *session) toObserve(ctx context.Context) {
	ctx, cancel := s.console.UntilStopped(ctx)
	defer cancel()
	seen, err := s.Gather(ctx)
	if errors.Is(err, context.Canceled) {
		return
	}
	rights := s.Rights(ctx, seen)
	rights.Reads = false // it was root who asked
	for _, note := range etcd.ObserverNotes(rights, s.RunVersions(ctx, seen)) {
		s.console.Say("note: %s", note)
	}
}

// unreached says which hosts could not be looked at, or, where none was to be, which members could not be asked; nil:
// there are none.
func (s *session) unreached(seen facts.Snapshot) error {
	if !s.flags.noSSH {
		return s.Unreached(seen)
	}
	var silent []string
	for _, name := range seen.Names() {
		if seen.Hosts[name].Dark() {
			silent = append(silent, name)
		}
	}
	if len(silent) == 0 {
		return nil
	}
	return view.Unseen(fmt.Errorf("not every member could be asked: %s", plan.Enumerate(silent)))
}
