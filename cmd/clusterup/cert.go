package main

import (
	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/view"
)

func newCert(c *console) *cobra.Command {
	return group("cert", "Client certificates: issue, list and revoke them", newCertIssue(c), newCertList(c),
		newCertRevoke(c))
}

func newCertList(c *console) *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:   "list INVENTORY",
		Short: "List the client certificates that were issued from this operator directory",
		Args:  oneInventory,
		RunE: func(_ *cobra.Command, args []string) error {
			return c.with(args[0], flags, (*session).listClients)
		},
	}
	flags.inventoryFlags(cmd)
	jsonFlag(cmd)
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
	known := s.Known(store, s.Now())
	list := make([]view.Issued, 0, len(clients))
	for _, one := range clients {
		fact := operator.ClientOf(one)
		list = append(list, view.Issued{
			Name: one.Name, User: one.User, Serial: one.Serial, Issued: one.NotBefore, Expires: one.NotAfter, Issuer: one.Issuer,
			Revoked: one.Revoked, Retired: known.CARetired(fact), Refused: known.Refused(fact),
		})
	}
	return s.console.ShowClients(list, s.file, s.Now())
}
