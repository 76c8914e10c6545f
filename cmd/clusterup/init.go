package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/view"
)

func newInit(c *console) *cobra.Command {
	var options inventory.StarterOptions
	cmd := &cobra.Command{
		Use:     "init [INVENTORY]",
		Short:   "Write a commented starter inventory",
		Long:    "Write a commented starter inventory to INVENTORY (default inventory.hcl; - is stdout). It never overwrites a file.",
		Example: "  clusterup init\n  clusterup init --host 10.0.0.11 --host 10.0.0.12 --host 10.0.0.13 --user ops --sudo prod.hcl",
		Args:    usage(cobra.MaximumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			path := "inventory.hcl"
			if len(args) == 1 {
				path = args[0]
			}
			return c.init(path, inventory.Starter(options))
		},
	}
	cmd.Flags().StringVar(&options.Cluster, "name", "", "the cluster's name (default prod)")
	cmd.Flags().StringVar(&options.Version, "version", "", "the etcd version (default "+inventory.DefaultVersion+")")
	cmd.Flags().StringArrayVar(&options.Hosts, "host", nil, "a member: ADDRESS or NAME=ADDRESS (repeatable)")
	cmd.Flags().StringVar(&options.User, "user", "", "the SSH user (default: the current user)")
	cmd.Flags().BoolVar(&options.Sudo, "sudo", false, "become root with sudo -n")
	cmd.Flags().StringVar(&options.IdentityFile, "identity-file", "",
		"the SSH private key (default: the agent, then the usual files)")
	cmd.Flags().StringVar(&options.Mirror, "mirror", "", "where etcd releases come from (default: GitHub)")
	return cmd
}

func (c *console) init(path string, text []byte) error {
	if path == "-" {
		_, err := c.Stdout().Write(text)
		return err
	}
	if _, diags := inventory.Parse(text, path, inventory.Options{Env: os.Environ(), Home: "/"}); diags.HasErrors() {
		if err := c.mistakes(diags); err != nil {
			return err
		}
		return view.ErrInventory
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return view.Misuse(fmt.Errorf("%s is there already, and is left as it is: choose another name", path))
	}
	if err != nil {
		return fmt.Errorf("write the starter inventory: %w", err)
	}
	if _, err := file.Write(text); err != nil {
		_ = file.Close() // the write error is the one to tell
		return fmt.Errorf("write the starter inventory: %w", err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("write the starter inventory: %w", err)
	}
	c.Say("%s is written. Put your hosts' addresses into it, then: clusterup plan %s", path, path)
	return nil
}
