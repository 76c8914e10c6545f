package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/view"
)

func newDefrag(c *console) *cobra.Command {
	var flags clusterFlags
	var member string
	cmd := &cobra.Command{
		Use:   "defrag [--member NAME] INVENTORY",
		Short: "Give the free room in databases back to the file systems, one member after the other",
		Long: "A database file does not shrink by itself: what is deleted and compacted leaves free room in it, which is used again. defrag has\n" +
			"members copy their databases into files without it, where that is worth it: half of the file is free, and that is 100 MiB of file at\n" +
			"least; or the file fills four fifths of its quota, and a tenth of the quota is free room in it. --member does so with one member,\n" +
			"whatever room there is. A member answers nobody meanwhile, so it is done while all the others serve, one after the other, and the\n" +
			"leader, which hands over before, comes last.",
		Args: oneInventory,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(args[0], flags, func(s *session) error {
				s.verb, s.next = "defrag", etcd.NextDefrag(member)
				s.fits = func(_ context.Context, seen facts.Snapshot) error { return s.defragments(member, seen) }
				return s.apply(cmd.Context(), nil)
			})
		},
	}
	flags.upkeepFlags(cmd)
	cmd.Flags().StringVar(&member, "member", "", "defragment this one alone, whatever room there is")
	return cmd
}

// upkeepFlags are for commands that have members pause one after the other.
func (f *clusterFlags) upkeepFlags(cmd *cobra.Command) {
	f.singleFlags(cmd)
	cmd.Flags().StringSliceVar(&f.accept, "accept", nil, "accept a risk by name: downtime, of a cluster of one or two")
	cmd.Flags().DurationVar(&f.timeout, "start-timeout", 90*time.Second, "how long a member may take to serve again")
}

// defragments says why a member cannot be defragmented, and what free room there is where none is worth giving back.
func (s *session) defragments(member string, seen facts.Snapshot) error {
	if member != "" {
		one, err := s.found(member, seen)
		switch {
		case err != nil:
			return err
		case one.Class == etcd.ClassUnexpected:
			return view.Misuse(errors.New(member + " is not in the inventory: put it there first"))
		case !one.Listed:
			return view.Misuse(fmt.Errorf("%s is not in the cluster (%s)", member, one.Class))
		}
	}
	var rooms []string
	for _, m := range s.Cluster.Members {
		if e := seen.Hosts[m.Name].Etcd; e != nil && (member == "" || m.Name == member) {
			rooms = append(rooms, fmt.Sprintf("%s has %s free of %s", m.Name, view.Size(max(0, e.DBSize-e.DBInUse)),
				view.Size(e.DBSize)))
		}
	}
	s.console.Idle = "nothing is worth defragmenting: " + strings.Join(rooms, ", ") + "."
	return nil
}
