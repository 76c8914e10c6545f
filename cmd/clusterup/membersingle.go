package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/view"
)

func newMemberPromote(c *console) *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:   "promote NAME INVENTORY",
		Short: "Give a learner its vote when it has caught up, and do nothing else",
		Args:  usage(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			return c.with(args[1], flags, func(s *session) error {
				s.verb, s.next = "member promote "+name, etcd.NextPromote(name)
				s.fits = func(_ context.Context, seen facts.Snapshot) error { return s.promotable(name, seen) }
				return s.apply(cmd.Context(), nil)
			})
		},
	}
	flags.singleFlags(cmd)
	cmd.Flags().DurationVar(&flags.timeout, "start-timeout", 90*time.Second,
		"how long the learner may stand still on its way")
	return cmd
}

// promotable says why a member cannot be promoted, or has a vote already.
func (s *session) promotable(name string, seen facts.Snapshot) error {
	one, err := s.found(name, seen)
	switch {
	case err != nil:
		return err
	case one.Class == etcd.ClassUnexpected && one.Learner:
		return view.Misuse(fmt.Errorf("%s is a learner that is not in the inventory, so nobody can see whether it has caught up: "+
			"put it there first, or take it out: clusterup member remove %s %s", name, name, s.file))
	case !one.Listed:
		return view.Misuse(fmt.Errorf("%s is not in the cluster (%s): clusterup apply %s adds it", name, one.Class, s.file))
	case one.Learner && one.Absent:
		return view.Misuse(fmt.Errorf("%s is a learner that is to leave: clusterup apply %s takes it out", name, s.file))
	}
	s.console.Idle = fmt.Sprintf("%s has a vote already.", name)
	return nil
}

func newMemberMoveLeader(c *console) *cobra.Command {
	var flags clusterFlags
	var to string
	cmd := &cobra.Command{
		Use:   "move-leader [--to NAME] INVENTORY",
		Short: "Have another member lead: the one that is named, or the one that has applied most; does nothing else",
		Long: "The leader hands over by itself, which takes no longer than a moment. It is done while all voters are seen to serve, and asked again\n" +
			"right before.",
		Args: oneInventory,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(args[0], flags, func(s *session) error {
				s.verb, s.next = "member move-leader", etcd.NextMoveLeader(to)
				s.fits = func(_ context.Context, seen facts.Snapshot) error { return s.mayLead(to, seen) }
				return s.apply(cmd.Context(), nil)
			})
		},
	}
	flags.singleFlags(cmd)
	cmd.Flags().StringVar(&to, "to", "", "the member that is to lead")
	return cmd
}

// mayLead says why a member cannot lead.
func (s *session) mayLead(to string, seen facts.Snapshot) error {
	if to == "" {
		return s.succeeded(seen)
	}
	one, err := s.found(to, seen)
	switch {
	case err != nil:
		return err
	case !one.Listed:
		return view.Misuse(fmt.Errorf("%s is not in the cluster (%s), so it cannot lead", to, one.Class))
	case one.Class == etcd.ClassUnexpected:
		return view.Misuse(fmt.Errorf("%s is not in the inventory: put it there first", to))
	case one.Learner:
		return view.Misuse(fmt.Errorf("%s is a learner: it has no vote, so it cannot lead", to))
	}
	s.console.Idle = to + " leads already."
	return nil
}

// succeeded settles who is to lead where none is named, once: the next look might name another.
func (s *session) succeeded(seen facts.Snapshot) error {
	all, err := s.listed(seen)
	if err != nil {
		return err
	}
	to := etcd.Successor(s.wanted(), seen)
	switch leads := slices.IndexFunc(all, func(one etcd.Standing) bool { return one.Leader }); {
	case to == "" && leads < 0:
		return errors.New("choose who is to lead: the members agree on no leader now; run it again when they do")
	case to == "":
		return fmt.Errorf("choose who is to lead: no other voter than %s serves", all[leads].Name)
	}
	s.next, s.fits = etcd.NextMoveLeader(to), nil
	return nil
}

// singleFlags are for commands that change one thing of a running cluster.
func (f *clusterFlags) singleFlags(cmd *cobra.Command) {
	f.hostFlags(cmd)
	f.lockFlags(cmd)
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&f.full, "full", false, "show the whole text of journals as well")
}
