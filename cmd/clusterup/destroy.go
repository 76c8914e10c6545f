package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/view"
)

func newDestroy(c *console) *cobra.Command {
	var flags clusterFlags
	var confirm string
	var purge bool
	cmd := &cobra.Command{
		Use:   "destroy INVENTORY",
		Short: "Stop a cluster and remove it from its hosts; its data is put aside, or deleted with --purge",
		Long: "Stop all members, put their data directories aside (DIR.aside-TIME), and remove units, certificates and keys from the hosts.\n" +
			"The CAs in the operator directory stay. Asks for the cluster's name; --confirm=NAME answers.",
		Args: oneInventory,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.Destroying = true
			return c.with(args[0], flags, func(s *session) error {
				s.verb = "destroy"
				return s.destroy(cmd.Context(), confirm, purge)
			})
		},
	}
	flags.hostFlags(cmd)
	flags.lockFlags(cmd)
	cmd.Flags().StringSliceVar(&flags.accept, "accept", nil,
		"accept a risk by name: foreign-ca; gone:NAME leaves a host out that cannot be looked at")
	cmd.Flags().StringVar(&confirm, "confirm", "", "the cluster's name, instead of typing it")
	cmd.Flags().BoolVar(&purge, "purge", false, "delete the data instead of putting it aside")
	return cmd
}

func (s *session) destroy(ctx context.Context, confirm string, purge bool) error {
	looking, looked := s.console.UntilStopped(ctx)
	defer looked()
	seen, err := s.Gather(looking)
	if err != nil {
		return err
	}
	next := etcd.NextDestroy(purge)
	if err := s.flags.check(); err != nil {
		return err
	}
	w := etcd.Want{Cluster: s.Cluster, Writer: version(), Accept: s.flags.accepted()}
	p, err := etcd.BuildWith(next, w, seen)
	s.console.ShowPlan(p, false, err)
	for _, n := range s.Cluster.Nodes() {
		if !n.Absent && err == nil {
			s.console.Say("note: nodes of balancers stay as they are, with their certificates: have them absent first " +
				"(state = \"absent\", and clusterup apply)")
			break
		}
	}
	if err != nil {
		return goneRemedy(operator.Remedied(err, seen))
	}
	if p.Empty() {
		return s.left(seen)
	}
	if err := s.typed(looking, confirm); err != nil {
		return err
	}
	err = s.Locked(ctx, seen, s.claim(operator.AnyHosts), func(ctx context.Context) error {
		run := s.run(w)
		run.Next = next
		return s.recorded(s.verb, true, run, func() (apply.Result, error) {
			result, err := run.Converge(ctx)
			if err == nil {
				err = s.left(result.Snapshot)
			}
			return result, view.Late(goneRemedy(operator.Remedied(err, result.Snapshot)), result.Steps)
		})
	})
	if err == nil || errors.As(err, new(*view.LeftError)) {
		s.kept(purge)
	}
	return err
}

// left is a *view.LeftError for the hosts that could not be looked at; nil: there are none.
func (s *session) left(seen facts.Snapshot) error {
	refused := &plan.Refused{}
	for _, m := range s.Cluster.Members {
		host := seen.Hosts[m.Name]
		if host.Unreachable == "" {
			continue
		}
		paths := []string{etcd.UnitPath(s.Cluster), etcd.ConfigDir(s.Cluster), m.DataDir}
		if m.WALDir != "" {
			paths = append(paths, m.WALDir)
		}
		refused.Refusals = append(refused.Refusals, plan.Refusal{
			Kind: plan.Unreachable, Host: m.Name,
			Reason: "its member may go on running, and what lies there was not removed: " + strings.Join(paths, ", "),
			Remedy: fmt.Sprintf("when it can be looked at again: clusterup destroy %s", s.file),
		})
	}
	if len(refused.Refusals) == 0 {
		return nil
	}
	return &view.LeftError{Refused: refused}
}

// goneRemedy adds to the remedies of dark hosts that a cluster can be destroyed without them.
func goneRemedy(err error) error {
	if errors.As(err, new(*view.LeftError)) {
		return err
	}
	refusals := plan.RefusalsOf(err)
	for i, r := range refusals {
		if r.Kind == plan.Unreachable {
			refusals[i].Remedy = strings.TrimPrefix(r.Remedy+
				fmt.Sprintf("; or leave the host as it is, and destroy the rest: --accept=%s", plan.Gone(r.Host)), "; ")
		}
	}
	return err
}

// kept says what a destroy leaves behind.
func (s *session) kept(purge bool) {
	if !purge {
		s.console.Say("The data is kept on the hosts, in DIR.aside-TIME.")
	}
	if _, err := os.Stat(s.CADir()); err == nil {
		s.console.Say("The CAs are kept in %s: another apply makes a new cluster with them.", s.CADir())
	}
}

// typed wants the cluster's name, so that nothing is destroyed by a habit.
func (s *session) typed(ctx context.Context, confirm string) error {
	if confirm == "" {
		if !s.console.Terminal() {
			return view.Misuse(fmt.Errorf("there is no terminal to ask on: look at the plan, then run again with --confirm=%s",
				s.Cluster.Name))
		}
		answer, err := s.console.Ask(ctx, fmt.Sprintf("This ends cluster %s. Type its name to go ahead: ", s.Cluster.Name))
		if err != nil {
			return err
		}
		if answer != s.Cluster.Name {
			return view.ErrDeclined
		}
		return nil
	}
	if confirm != s.Cluster.Name {
		return view.Misuse(errors.New("--confirm=" + confirm + " is not the cluster's name, " + s.Cluster.Name))
	}
	return nil
}
