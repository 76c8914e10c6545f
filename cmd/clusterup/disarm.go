package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan/etcd"
)

func newDisarm(c *console) *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:   "disarm INVENTORY",
		Short: "Do away with the cause of an alarm, and end it",
		Long: "NOSPACE: says what fills the database; drops the history of keys, where half of the quota is in use; has one member after the other\n" +
			"give the free room back, the leader last; and ends the alarm once every database is below nine tenths of its quota. Where the keys\n" +
			"alone are too much, it says what to do next. CORRUPT: compares the data of all members, says which one has to be made anew, and ends\n" +
			"the alarm only once all have the same.",
		Args: oneInventory,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(args[0], flags, func(s *session) error {
				s.verb, s.next, s.see, s.fits = "disarm", etcd.NextDisarm, s.hashed, s.alarmed
				return s.apply(cmd.Context(), nil)
			})
		},
	}
	flags.upkeepFlags(cmd)
	return cmd
}

func raised(seen facts.Snapshot, kind string) bool {
	return slices.ContainsFunc(seen.Alarms, func(a facts.Alarm) bool { return a.Type == kind })
}

// hashed has the data of all members compared, as long as they may differ.
func (s *session) hashed(ctx context.Context, seen *facts.Snapshot) {
	own := etcd.Own(s.wanted(), *seen)
	if seen.Hashes = nil; raised(own, "CORRUPT") {
		seen.Hashes = s.Hashes(ctx, own)
	}
}

// alarmed says once what fills the database. That it cannot be read stands against nothing.
func (s *session) alarmed(ctx context.Context, seen facts.Snapshot) error {
	s.fits = nil
	s.console.Idle = "no alarm is raised."
	seen = etcd.Own(s.wanted(), seen)
	if !raised(seen, "NOSPACE") {
		return nil
	}
	filling, err := s.Filling(ctx, seen)
	if err != nil {
		s.console.Say("note: what fills the database is not known: %v", err)
		return nil
	}
	s.console.ShowFilling(filling, seen.Hosts[filling.Member].Etcd.DBInUse)
	return nil
}
