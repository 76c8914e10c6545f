package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/probe"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/plan/preflight"
	"github.com/clusterup/clusterup/view"
)

func newPreflight(c *console) *cobra.Command {
	var flags clusterFlags
	var quick bool
	cmd := &cobra.Command{
		Use:   "preflight INVENTORY",
		Short: "Say whether hosts are fit for a bootstrap; leaves nothing behind",
		Long: "preflight looks at every host, writes to its disk for a second to see how fast that is, and has every host connect to the ports of\n" +
			"every other, where something stands in for members that do not run yet. Nothing of it is left when it ends, however it ends.",
		Args: oneInventory,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.looking(cmd, args[0], flags,
				func(s *session, ctx context.Context) error { return s.showPreflight(ctx, quick) })
		},
	}
	flags.hostFlags(cmd)
	flags.warns = true
	cmd.Flags().BoolVar(&quick, "quick", false, "leave out what takes a second: how fast disks and the network are")
	return cmd
}

// showPreflight looks, probes and shows. Its error is only an exit code: what is wrong has been shown.
func (s *session) showPreflight(ctx context.Context, quick bool) error {
	seen, err := s.Gather(ctx)
	if err != nil {
		return err
	}
	findings, err := s.probe(ctx, seen, quick)
	if err != nil {
		return err
	}
	return s.console.ShowPreflight(s.Cluster.Name, len(s.Cluster.Present()), findings)
}

// preflight runs the probes that can end in a refusal before a bootstrap, and before members are added or move; its
// error is then a view.Unfit around a *plan.Refused. Where no member is to be made it does nothing: there is nothing to
// probe.
func (s *session) preflight(ctx context.Context, seen facts.Snapshot) error {
	w := s.WithAnyRelease(s.wanted(), seen)
	fresh, joining, moving := etcd.Fresh(w, seen), etcd.Joining(w, seen), etcd.Moving(w, seen)
	if !fresh && len(joining)+len(moving) == 0 {
		return nil
	}
	findings, err := s.probe(ctx, seen, true)
	if err != nil {
		return err
	}
	if !fresh {
		findings = preflight.Concerning(findings, joining, moving)
	}
	if err := preflight.Unfit(findings); err != nil {
		return view.Unfit(err)
	}
	return nil
}

// probe probes the hosts that could be looked at, and gives the findings.
func (s *session) probe(ctx context.Context, seen facts.Snapshot, quick bool) ([]preflight.Finding, error) {
	nonce, err := randomHex(16)
	if err != nil {
		return nil, err
	}
	probes, err := s.Probes(ctx, seen, probe.Source{Asks: preflight.Asks(s.Cluster, seen, quick), Nonce: nonce})
	if err != nil {
		return nil, err
	}
	findings := preflight.Findings(s.WithAnyRelease(s.wanted(), seen), seen, probes)
	for i, f := range findings {
		if f.Check == preflight.CheckConnection && f.Do == "" {
			findings[i].Do = operator.Remedy(seen.Hosts[f.Host].Err)
		}
	}
	return findings, nil
}
