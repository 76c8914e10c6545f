package main

import (
	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan/etcd"
)

func newRecover(c *console) *cobra.Command {
	var flags clusterFlags
	var confirm string
	cmd := &cobra.Command{
		Use:   "recover INVENTORY",
		Short: "Make a cluster that has lost its quorum for good from what is left of it",
		Long: "recover shows what each host has left, and refuses where bringing machines back is enough. Else all members stop, etcd runs on a copy of\n" +
			"the data of each that has its own, and gives a snapshot of it; the cluster is restored from the one that has come furthest, as snapshot\n" +
			"restore does it, with a token and a peer CA of its own, on all hosts that can be looked at. Where no data is left, it is restored from\n" +
			"the newest snapshot. No data is deleted. Asks for the cluster's name; --confirm=NAME answers. A run that was cut short is gone on with by\n" +
			"the same command.",
		Args: oneInventory,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(args[0], flags, func(s *session) error {
				s.verb = etcd.VerbRecover
				if err := s.flags.check(); err != nil {
					return err
				}
				return s.remake(cmd.Context(), remaking{
					next: etcd.NextRecover, confirm: confirm,
					show: func(seen facts.Snapshot) { s.console.ShowEvidence(etcd.EvidenceOf(s.wanted(), seen)) },
				})
			})
		},
	}
	flags.hostFlags(cmd)
	flags.lockFlags(cmd)
	flags.startFlag(cmd)
	cmd.Flags().StringSliceVar(&flags.accept, "accept", nil,
		"accept a risk by name: gone:NAME gives a host up that cannot be looked at; foreign-ca")
	cmd.Flags().StringVar(&confirm, "confirm", "", "the cluster's name, instead of typing it")
	return cmd
}
