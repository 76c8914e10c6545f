package main

import (
	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/view"
)

func newPKI(c *console) *cobra.Command {
	return group("pki", "The keys of the CAs", newReseal(c))
}

func newReseal(c *console) *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:   "reseal INVENTORY",
		Short: "Encrypt the CA keys to the recipients in pki { seal_to }, and to nobody else",
		Long: "reseal writes every CA key anew, encrypted to the keys in pki { seal_to }; without any it writes them plain, mode 0600. Sealed keys\n" +
			"are opened with your SSH key, or with what CLUSTERUP_IDENTITY names. It looks at no host.",
		Args: oneInventory,
		RunE: func(_ *cobra.Command, args []string) error {
			return c.with(args[0], flags, (*session).reseal)
		},
	}
	flags.inventoryFlags(cmd)
	return cmd
}

func (s *session) reseal() error {
	store, err := s.OpenStore()
	if err != nil {
		return err
	}
	wanted := s.Cluster.PKI.SealTo
	switch {
	case len(store.CAs()) == 0:
		s.console.Say("There are no CAs yet: apply makes them, sealed as the inventory says.")
		return nil
	case store.IsSealedTo(wanted):
		s.console.Say("Nothing to do: the CA keys are sealed as the inventory says.")
		return nil
	}
	if err := store.Reseal(wanted, s.Unlock()); err != nil {
		return err
	}
	if len(wanted) == 0 {
		s.console.Say("The CA keys are plain files now, mode 0600: keep %s out of version control.", s.CADir())
		return nil
	}
	s.console.Say("The CA keys are sealed to %s. Whoever could open them before, and has a copy, still can.",
		view.Plural(len(wanted), "recipient"))
	return nil
}
