package main

import (
	"bytes"
	"cmp"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/pki"
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
			s, err := c.open(args[0], flags)
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
	var known facts.Operator
	if err := s.authorities(store, &known); err != nil {
		return err
	}
	if s.console.json {
		for _, one := range clients {
			s.console.object(issuedObject{
				Type: "client", Name: one.Name, User: one.User, Serial: one.Serial, Issued: one.NotBefore, Expires: one.NotAfter,
				Issuer:  one.Issuer,
				Revoked: one.Revoked, Retired: dropped(known.CAs, one.Generation),
			})
		}
		return nil
	}
	if len(clients) == 0 {
		s.console.say("No client certificate was issued from this operator directory: clusterup cert issue NAME %s --out DIR",
			s.file)
		return nil
	}
	table := tabwriter.NewWriter(s.console.out, 0, 0, 2, ' ', 0)
	line := func(name, user string, rest ...string) {
		cells := []string{name}
		if slices.ContainsFunc(clients, func(one pki.Client) bool { return one.User != one.Name }) { // else it is the same column twice
			cells = append(cells, user)
		}
		row(table, append(cells, rest...)...)
	}
	line("NAME", "USER", "SERIAL", "ISSUED", "LEFT", "ISSUER")
	for _, one := range clients {
		left := cmp.Or(refusal(one, known.CAs), days(one.NotAfter, s.now()))
		line(one.Name, one.User, one.Serial, one.NotBefore.Format(time.DateOnly), left, one.Issuer)
	}
	return table.Flush()
}

// refusal is why members refuse a client's certificate, however long it would be good for; "": they do not.
func refusal(c pki.Client, cas []facts.CA) string {
	switch {
	case !c.Revoked.IsZero():
		return "revoked"
	case dropped(cas, c.Generation):
		return "its CA is retired"
	}
	return ""
}

// dropped says that members refuse whatever a generation of the client CA has signed: it is retired, and what was
// trusted for it is trusted for no other, as where intermediates share their root.
func dropped(cas []facts.CA, generation int) bool {
	i := slices.IndexFunc(cas, func(ca facts.CA) bool { return ca.Role == "client" && ca.Generation == generation })
	return i >= 0 && cas[i].Retired && !slices.ContainsFunc(cas, func(other facts.CA) bool {
		return other.Role == "client" && !other.Retired && bytes.Equal(other.Trusted(), cas[i].Trusted())
	})
}
