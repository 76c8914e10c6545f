package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

func newCertRevoke(c *console) *cobra.Command {
	var flags clusterFlags
	var end bool
	cmd := &cobra.Command{
		Use:   "revoke NAME|SERIAL INVENTORY",
		Short: "Have all members refuse a client certificate, or all that were issued for a name",
		Long: "revoke records it, and gives every member the list of revoked certificates anew, which is read at each new connection: nothing restarts.\n" +
			"Connections that are open stay open until they end by themselves; --end-connections restarts the members, one at a time.\n" +
			"Hosts that cannot be looked at get the list from the first apply that reaches them; the command then exits with 12.",
		Args: usage(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := c.with(args[1], flags, func(s *session) error {
				s.verb = "cert revoke"
				if err := s.toRevoke(args[0], end); err != nil {
					return err
				}
				return s.apply(cmd.Context(), nil)
			})
			if plan.GoesOn(err) || errors.As(err, new(*plan.NoMajority)) {
				c.Say("note: the revocation is recorded, and the list is signed. A member without that list accepts the certificate: " +
					"run clusterup apply when its host can be looked at")
			}
			return err
		},
	}
	flags.changeFlags(cmd)
	endFlag(cmd, &end)
	return cmd
}

func endFlag(cmd *cobra.Command, end *bool) {
	cmd.Flags().BoolVar(end, "end-connections", false,
		"restart the members afterwards, one at a time, which ends the connections that are open")
}

// toRevoke adds the revocation to what is wanted.
func (s *session) toRevoke(nameOrSerial string, end bool) error {
	store, err := s.OpenStore()
	if err != nil {
		return err
	}
	found, err := store.Named(nameOrSerial)
	if err != nil {
		return err
	}
	if given := s.Cluster.PKI.ClientCA; given != nil && given.External != nil {
		return fmt.Errorf(
			"revoke client certificate %q: the client CA is a server, %s, and clusterup cannot sign lists in its name: %w",
			nameOrSerial, given.External.URL, pki.ErrExternal)
	}
	if !s.Cluster.TLS.Clients {
		return errors.New("revoke client certificate: clients need none, since the inventory has tls { clients = false }")
	}
	var clients []facts.Client
	for _, c := range found {
		clients = append(clients, facts.Client{Name: c.Name, Serial: c.Serial})
	}
	s.wish = func(w etcd.Want, seen facts.Snapshot) etcd.Want {
		w = etcd.Revoke(w, clients)
		if end {
			w = etcd.EndConnections(w, seen)
		}
		return w
	}
	return nil
}
