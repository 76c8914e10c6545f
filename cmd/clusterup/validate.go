package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/view"
)

func newValidate(c *console) *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:   "validate INVENTORY",
		Short: "Check an inventory, without looking at any host",
		Args:  oneInventory,
		RunE: func(_ *cobra.Command, args []string) error {
			return c.validate(args[0], flags)
		},
	}
	flags.inventoryFlags(cmd)
	jsonFlag(cmd)
	return cmd
}

func (c *console) validate(path string, flags clusterFlags) error {
	file, diags, err := read(path, nil, flags)
	if err != nil {
		return err
	}
	if err := c.mistakes(diags); err != nil {
		return err
	}
	if diags.HasErrors() {
		return view.ErrInventory
	}
	if flags.cluster != "" {
		if _, err := file.Cluster(flags.cluster); err != nil {
			return view.Misuse(err)
		}
	}
	for _, cluster := range file.Clusters {
		if !c.JSON {
			c.Print("%s: cluster %s, etcd %s, %s: good\n", path, cluster.Name, cluster.Version, size(cluster))
		}
	}
	return nil
}

// size says how many members a cluster is to have, and how many are to leave it.
func size(c *inventory.Cluster) string {
	present := len(c.Present())
	text := view.Plural(present, "member")
	if absent := len(c.Members) - present; absent > 0 {
		text += fmt.Sprintf(" and %d absent", absent)
	}
	return text
}

func newFmt(c *console) *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "fmt INVENTORY...",
		Short: "Bring inventories into the canonical format",
		Args:  usage(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			var changed []string
			for _, path := range args {
				differs, err := c.format(path, check)
				if err != nil {
					return err
				}
				if differs {
					changed = append(changed, path)
					c.Print("%s\n", path)
				}
			}
			if check && len(changed) > 0 {
				return view.ErrPending
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "only list files that would change; exit with 3 if there are any")
	return cmd
}

// format says whether a file's layout differs from the canonical one, and changes it unless check is set.
func (c *console) format(path string, check bool) (bool, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return false, fmt.Errorf("format: %w", err)
	}
	out, diags := inventory.Format(src, path)
	if diags.HasErrors() {
		if err := c.mistakes(diags); err != nil {
			return false, err
		}
		return false, view.ErrInventory
	}
	if bytes.Equal(src, out) || check {
		return !bytes.Equal(src, out), nil
	}
	if err := rewrite(path, out); err != nil {
		return false, fmt.Errorf("format: %w", err)
	}
	return true, nil
}
