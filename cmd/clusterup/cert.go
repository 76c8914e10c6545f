package main

import (
	"bytes"
	"slices"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/view"
)

func newCert(c *console) *cobra.Command {
	return group("cert", "Client certificates: issue, list and revoke them", newCertIssue(c), newCertList(c), newCertRevoke(c))
}

func newCertList(c *console) *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:   "list INVENTORY",
		Short: "List the client certificates that were issued from this operator directory",
		Args:  oneInventory("one inventory"),
		RunE: func(_ *cobra.Command, args []string) error {
			return c.with(args[0], flags, (*session).listClients)
		},
	}
	flags.inventoryFlags(cmd)
	cmd.Flags().BoolVar(&flags.json, "json", false, "write one JSON object a line to stdout")
	return cmd
}

func (s *session) listClients() error {
	store, err := s.OpenStore()
	if err != nil {
		return err
	}
	clients, err := store.Clients()
	if err != nil {
		return err
	}
	var known facts.Operator
	if err := s.Authorities(store, &known); err != nil {
		return err
	}
	list := make([]view.Issued, 0, len(clients))
	for _, one := range clients {
		list = append(list, view.Issued{
			Name: one.Name, User: one.User, Serial: one.Serial, Issued: one.NotBefore, Expires: one.NotAfter, Issuer: one.Issuer,
			Revoked: one.Revoked, Retired: dropped(known.CAs, one.Generation), Refused: refusal(one, known.CAs),
		})
	}
	return s.console.ShowClients(list, s.file, s.Now())
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
