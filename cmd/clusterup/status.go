package main

import (
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

func newStatus(c *console) *cobra.Command {
	var flags clusterFlags
	var every time.Duration
	cmd := &cobra.Command{
		Use:   "status INVENTORY",
		Short: "Show every member as it is; changes nothing",
		Args: func(cmd *cobra.Command, args []string) error {
			for _, arg := range args {
				if _, err := time.ParseDuration(arg); err == nil && len(args) > 1 && cmd.Flags().Changed("watch") {
					return view.Misuse(fmt.Errorf("%s is not an inventory: the time in between stands after an equals sign, as in --watch=%s",
						arg, arg))
				}
			}
			return oneInventory(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case !cmd.Flags().Changed("watch"):
				return c.observing(cmd, args[0], flags, (*session).status)
			case every < leastWatch:
				return view.Misuse(fmt.Errorf("--watch=%s is too often; once in %s at the most", every, leastWatch))
			}
			return c.observing(cmd, args[0], flags,
				func(s *session, ctx context.Context) error { return s.watch(ctx, every) })
		},
	}
	flags.observerFlags(cmd)
	cmd.Flags().DurationVar(&every, "watch", 0, "look again and again until Ctrl-C, with so much time in between; without a value 2s")
	cmd.Flags().Lookup("watch").NoOptDefVal = "2s"
	return cmd
}

// leastWatch is how much time there is at least between two looks: each costs a host some processes.
const leastWatch = time.Second

// watch shows the cluster again and again, until somebody ends it, which is no error. What cannot be seen now may be
// seen by the next look.
func (s *session) watch(ctx context.Context, every time.Duration) error {
	w := s.console.NewWatch()
	defer w.End()
	for {
		l, err := s.lookAt(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			w.Failed(s.Now(), err)
		default:
			l.Vitals = s.Vitals(ctx, l.Seen)
			w.Show(l)
		}
		pause := time.NewTimer(every)
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil
		case <-pause.C:
		}
	}
}

// status shows what could be seen. Its error says that nothing could be seen, or which hosts could not.
func (s *session) status(ctx context.Context) error {
	l, err := s.lookAt(ctx)
	if err != nil {
		return err
	}
	l.Vitals = s.Vitals(ctx, l.Seen)
	s.console.ShowStatus(l)
	return s.unreached(l.Seen)
}

// lookAt is a look for status and check. If anything was seen, a failure to plan, such as a mirror that does not
// answer, is no error but becomes Look.Unknown.
func (s *session) lookAt(ctx context.Context) (view.Look, error) {
	if s.flags.noSSH {
		return s.lookAtPorts(ctx)
	}
	p, seen, err := s.plan(ctx)
	var refused *plan.Refused
	if errors.As(err, &refused) {
		err = nil
	}
	if err != nil && len(seen.Hosts) == 0 {
		return view.Look{}, err
	}
	l := s.looked(p, seen, refused)
	l.Unknown, l.Heard, l.Now, l.Versions = err, s.Heard(ctx, seen), s.Now(), s.versions
	s.judge(ctx, &l)
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
