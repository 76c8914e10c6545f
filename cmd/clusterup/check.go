package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/durable"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/view"
)

func newCheck(c *console) *cobra.Command {
	var flags clusterFlags
	var prometheus string
	cmd := &cobra.Command{
		Use:   "check INVENTORY",
		Short: "Say whether anything wants doing: drift, health, what is about to expire; for cron and CI",
		Long: "check looks at everything and changes nothing. It exits with 0 when all is well, with 3 when something wants doing, and with 12 when\n" +
			"not every host could be looked at. When it could not look at all: 1 where the operator directory cannot be read or the file for Prometheus\n" +
			"not written, 2 for mistakes in the command line, 10 for mistakes in the inventory, and 130 when it was interrupted.",
		Args: oneInventory,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.observing(cmd, args[0], flags,
				func(s *session, ctx context.Context) error { return s.check(ctx, prometheus) })
		},
	}
	flags.observerFlags(cmd)
	cmd.Flags().StringVar(&prometheus, "prometheus", "",
		"write the findings to a file for the textfile collector of Prometheus' node exporter")
	return cmd
}

// check looks, and says what it found.
func (s *session) check(ctx context.Context, prometheus string) error {
	l, err := s.lookAt(ctx)
	if err != nil {
		return err
	}
	l.Vitals = s.Vitals(ctx, l.Seen)
	result := l.Check()
	if prometheus != "" {
		// For all to read: it holds what monitoring shows.
		if err := durable.Write(prometheus, result.Metrics(), 0o644); err != nil {
			return fmt.Errorf("write metrics: %w", err)
		}
	}
	s.console.ShowCheck(result)
	if err := s.unreached(l.Seen); err != nil {
		return view.Shown(err)
	}
	if result.OK {
		return nil
	}
	return view.ErrPending
}

// mutedRemedy is what to do when members could not be asked. There are members, so a missing CA was lost: the usual
// remedy, to have apply make one, would be wrong.
func mutedRemedy(err error) string {
	if errors.Is(err, pki.ErrNoCA) {
		return "put ca/ back from the backup of the operator directory"
	}
	return operator.Remedy(err)
}
