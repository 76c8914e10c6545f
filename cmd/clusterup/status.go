package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/view"
)

func newStatus(c *console) *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:   "status INVENTORY",
		Short: "Show every member as it is; changes nothing",
		Args:  oneInventory,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.looking(cmd, args[0], flags, (*session).status)
		},
	}
	flags.hostFlags(cmd)
	return cmd
}

// status shows what could be seen. Its error says that nothing could be seen, or which hosts could not.
func (s *session) status(ctx context.Context) error {
	l, err := s.lookAt(ctx)
	if err != nil {
		return err
	}
	l.Vitals = s.Vitals(ctx, l.Seen)
	s.console.ShowStatus(l)
	return s.Unreached(l.Seen)
}

// lookAt is a look for status and check. If anything was seen, a failure to plan, such as a mirror that does not
// answer, is no error but becomes Look.Unknown.
func (s *session) lookAt(ctx context.Context) (view.Look, error) {
	p, seen, err := s.plan(ctx)
	var refused *plan.Refused
	if errors.As(err, &refused) {
		err = nil
	}
	if err != nil && len(seen.Hosts) == 0 {
		return view.Look{}, err
	}
	l := s.looked(p, seen, refused)
	l.Unknown, l.Heard, l.Now = err, s.Heard(ctx, seen), s.Now()
	return l, nil
}

// looked is what was seen and planned, for view.
func (s *session) looked(p plan.Plan, seen facts.Snapshot, refused *plan.Refused) view.Look {
	l := view.Look{
		Want: etcd.Want{Cluster: s.Cluster}, Seen: seen, Plan: p, Refused: refused, Advice: operator.Advice, File: s.file,
	}
	if l.Muted = s.Etcd.Muted(); l.Muted != nil {
		l.Unmute = mutedRemedy(l.Muted)
	}
	return l
}
