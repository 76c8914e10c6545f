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
		Args:  oneInventory("one inventory"),
		RunE: func(_ *cobra.Command, args []string) error {
			c.JSON = flags.json
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
	cmd.Flags().BoolVar(&flags.json, "json", false, "write one JSON object a line to stdout")
	return cmd
}
