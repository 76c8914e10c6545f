package main

import (
	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/operator"
)

func newHistory(c *console) *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:   "history INVENTORY",
		Short: "Show what was done to a cluster, by whom and when, from this operator directory's journal",
		Args:  oneInventory,
		RunE: func(_ *cobra.Command, args []string) error {
			cluster, err := c.load(args[0], nil, flags)
			if err != nil {
				return err
			}
			entries, err := operator.ReadEntries(cluster)
			if err != nil {
				return err
			}
			return c.ShowHistory(entries)
		},
	}
	flags.inventoryFlags(cmd)
	jsonFlag(cmd)
	return cmd
}
