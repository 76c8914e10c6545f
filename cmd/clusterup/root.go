package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/view"
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

		SuggestionsMinimumDistance: 2,
		Args:                       noSuchCommand,
		PersistentPreRunE:          func(cmd *cobra.Command, _ []string) error { return c.given(cmd.Flags()) },
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(c.Stdout())
	root.SetErr(c.Stderr())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return view.Misuse(err) })
	root.AddCommand(
		newInit(c), newValidate(c), newFmt(c), newPreflight(c), newPlan(c), newApply(c), newUpgrade(c), newRotate(c),
		newStatus(c), newCheck(c), newDestroy(c), newRecover(c), newHistory(c), newCert(c), newMember(c), newBackend(c),
		newDefrag(c), newDisarm(c), newEnv(c), newEtcdctl(c), newSnapshot(c), newMonitoring(c), newPKI(c),
		newVersion(c), newLab(c),
	)
	return root
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: noSuchCommand, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(commands...)
	return cmd
}

// dashes gives -var and -var-file, as they are often written, the second dash that they need here.
func dashes(args []string) []string {
	out := slices.Clone(args)
	for i, arg := range out {
		name, _, _ := strings.Cut(arg, "=")
		switch name {
		case "--":
			return out
		case "-var", "-var-file":
			out[i] = "-" + arg
		}
	}
	return out
}

// noSuchCommand is for words that are no command.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no command %q; %s --help lists them", args[0], cmd.CommandPath())
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text = fmt.Sprintf("there is no command %q; did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return view.Misuse(errors.New(text))
}

// usage makes mistakes in the number of arguments usage errors.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return view.Misuse(fmt.Errorf("%w; usage: %s", err, cmd.UseLine()))
		}
		return nil
	}
}

// oneInventory wants exactly one argument.
func oneInventory(cmd *cobra.Command, args []string) error { return one("one inventory", cmd, args) }

func one(what string, cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return view.Misuse(fmt.Errorf("expected %s, got %s; usage: %s", what, view.Plural(len(args), "argument"),
		cmd.UseLine()))
}
