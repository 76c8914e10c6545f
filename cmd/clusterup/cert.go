package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func newCert(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cert",
		Short: "Client certificates: issue, list and revoke them",
		Args:  noSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCertIssue(c), newCertList(c), newCertRevoke(c))
	return cmd
}

func newCertList(c *console) *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:   "list INVENTORY",
		Short: "List the client certificates that were issued from this operator directory",
		Args:  oneInventory("one inventory"),
		RunE: func(_ *cobra.Command, args []string) error {
			c.json = flags.json
			s, err := c.open(args[0], flags, true)
			if err != nil {
				return err
			}
			defer s.close()
			return s.listClients()
		},
	}
	flags.inventoryFlags(cmd)
	cmd.Flags().BoolVar(&flags.json, "json", false, "write one JSON object a line to stdout")
	return cmd
}

func (s *session) listClients() error {
	store, err := s.openStore()
	if err != nil {
		return err
	}
	clients, err := store.Clients()
	if err != nil {
		return err
	}
	if s.console.json {
		for _, one := range clients {
			s.console.object(issuedObject{Type: "client", Name: one.Name, Serial: one.Serial, Expires: one.NotAfter, Issuer: one.Issuer, Revoked: one.Revoked})
		}
		return nil
	}
	if len(clients) == 0 {
		s.console.say("No client certificate was issued from this operator directory: clusterup cert issue NAME %s --out DIR", s.file)
		return nil
	}
	table := tabwriter.NewWriter(s.console.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "NAME\tSERIAL\tISSUED\tLEFT\tISSUER")
	for _, one := range clients {
		left := days(one.NotAfter, s.now())
		if !one.Revoked.IsZero() {
			left = "revoked"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", one.Name, one.Serial, one.NotBefore.Format(time.DateOnly), left, one.Issuer)
	}
	return table.Flush()
}
