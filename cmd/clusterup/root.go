package main

import (
	"github.com/spf13/cobra"
)

// newRoot is the command tree.
func newRoot(c *console) *cobra.Command {
	root := &cobra.Command{
		Use:           "clusterup",
		Short:         "Turn bare Linux machines into an etcd cluster, and keep it that way",
		Long:          "clusterup turns bare Linux machines into a TLS etcd cluster over SSH, from one inventory file, and keeps it as that file says.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
	}
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		newInit(c), newValidate(c), newFmt(c), newPlan(c), newApply(c), newStatus(c), newDestroy(c), newHistory(c), newVersion(c), newLab(c),
	)
	return root
}

// oneInventory wants exactly one argument.
func oneInventory(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{argsError{cmd.UseLine(), what, len(args)}}
		}
		return nil
	}
}
