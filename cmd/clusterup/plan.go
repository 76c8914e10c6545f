package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/view"
)

func newPlan(c *console) *cobra.Command {
	var flags clusterFlags
	var out string
	var exitCode, full bool
	cmd := &cobra.Command{
		Use:   "plan INVENTORY",
		Short: "Show what apply would do; changes nothing on any host",
		Args:  oneInventory,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.looking(cmd, args[0], flags, func(s *session, ctx context.Context) error {
				if err := s.ReadPasswords(ctx); err != nil {
					return err
				}
				p, seen, err := s.plan(ctx)
				c.ShowPlan(p, full, err)
				if err != nil && !plan.GoesOn(err) {
					return err
				}
				if out != "" {
					if err := s.savePlan(out, p, seen); err != nil {
						return err
					}
				}
				if err != nil { // its exit code comes before that of pending changes
					return err
				}
				if exitCode && !p.Empty() {
					return view.ErrPending
				}
				return nil
			})
		},
	}
	flags.planFlags(cmd)
	cmd.Flags().StringVar(&out, "out", "", "save the plan in a file, for apply")
	cmd.Flags().BoolVar(&exitCode, "exit-code", false,
		"exit with 3 when changes are pending, and all hosts could be looked at")
	cmd.Flags().BoolVar(&full, "full", false, "show the whole text of new files as well")
	return cmd
}

// plan looks, and builds what would be shown. With an error the plan holds the stages before it.
func (s *session) plan(ctx context.Context) (plan.Plan, facts.Snapshot, error) {
	if err := s.flags.check(); err != nil {
		return plan.Plan{}, facts.Snapshot{}, err
	}
	if s.flags.holdLast && len(s.Cluster.Present()) == 1 {
		return plan.Plan{}, facts.Snapshot{}, view.Misuse(errors.New("--hold-last needs more than one member"))
	}
	_, errSigning := s.Etcd.Connect()
	if errors.Is(errSigning, pki.ErrPassphrase) {
		return plan.Plan{}, facts.Snapshot{}, errSigning // else it would be asked for again
	}
	seen, err := s.Gather(ctx)
	if err != nil {
		return plan.Plan{}, seen, err
	}
	if errSigning != nil && !errors.Is(errSigning, pki.ErrNoCA) && !errors.Is(errSigning, pki.ErrExpired) {
		return plan.Plan{}, seen, errSigning // a sealed key, a CA's server that is down: what members would say is not known
	}
	if s.Observer() != nil {
		if len(seen.Operator.CAs) == 0 {
			return plan.Plan{}, seen, fmt.Errorf("no certificate of a CA is here: copy .clusterup/%s, without ca/*.key, "+
				"beside the inventory", s.Cluster.Name)
		}
		s.versions = s.RunVersions(ctx, seen)
		seen = s.AtHand(seen, s.versions)
	}
	if s.see != nil {
		s.see(ctx, &seen)
	}
	if s.fits != nil {
		if err := s.fits(ctx, seen); err != nil {
			return plan.Plan{}, seen, err
		}
	}
	w, err := s.want(ctx, seen, "")
	if err != nil {
		return plan.Plan{}, seen, err
	}
	p, err := s.build(w, seen)
	return p, seen, operator.Remedied(err, seen)
}

// build is the plan of what the command does. A verb that does one thing leaves versions as they are.
func (s *session) build(w etcd.Want, seen facts.Snapshot) (plan.Plan, error) {
	if s.next == nil {
		rules, err := s.NodeRules(w, seen)
		if err != nil {
			return plan.Plan{}, err
		}
		return etcd.BuildThen(w, seen, rules)
	}
	p, err := etcd.BuildWith(s.next, w, seen)
	p.Route = nil
	return p, err
}
