package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/view"
)

func newRotate(c *console) *cobra.Command {
	return group("rotate", "Replace certificates, CAs or the key for tokens of a running cluster", newRotateCerts(c), newRotateCA(c),
		newRotateTokens(c))
}

func newRotateCerts(c *console) *cobra.Command {
	var flags clusterFlags
	var end bool
	cmd := &cobra.Command{
		Use:   "certs INVENTORY",
		Short: "Replace the certificates and keys of all members now, and apply",
		Long: "Every member gets new keys and certificates, one member after the other. Nothing restarts: new handshakes with each port, from the\n" +
			"hosts of the other members, must show the new certificate; only a member that shows an older one of its own is restarted.",
		Args: oneInventory,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.rotate(cmd, args[0], flags, func(w etcd.Want, seen facts.Snapshot) etcd.Want {
				if end {
					w = etcd.EndConnections(w, seen)
				}
				return etcd.RotateCerts(w, seen)
			})
		},
	}
	flags.changeFlags(cmd)
	endFlag(cmd, &end)
	return cmd
}

func newRotateCA(c *console) *cobra.Command {
	var flags clusterFlags
	var peer, client, abort bool
	var pause string
	cmd := &cobra.Command{
		Use:   "ca INVENTORY",
		Short: "Replace the CAs, and apply: all members trust both, then take certificates of the new one, then drop the old one",
		Long: "A new CA is made for peers, for clients or for both, and the members are taken over to it in three phases: all trust it beside the\n" +
			"old one (each restarts, one at a time); their certificates are signed by it (nothing restarts); the old one is trusted no more\n" +
			"(each restarts again). It can be stopped anywhere: rotate ca or apply goes on with it, and without --peer or --client rotate ca\n" +
			"first ends what is under way. --pause-after leaves it waiting until rotate ca is called without: after trust, cert issue gives\n" +
			"clients certificates of the new CA, and a ca.pem with both; after leaves, they have time until the old one is dropped. That is not\n" +
			"done while the newest certificate of a client is of it, unless --accept=old-clients.",
		Args: oneInventory,
		RunE: func(cmd *cobra.Command, args []string) error {
			roles := []string{"peer", "client"}
			switch {
			case peer && !client:
				roles = roles[:1]
			case client && !peer:
				roles = roles[1:]
			}
			switch {
			case abort && pause != "":
				return view.Misuse(errors.New("--abort goes to the end: leave --pause-after out"))
			case pause != "" && pause != trust.HoldTrust && pause != trust.HoldLeaves:
				return view.Misuse(fmt.Errorf("--pause-after=%s: there are trust and leaves", pause))
			case abort:
				return c.rotate(cmd, args[0], flags,
					func(w etcd.Want, _ facts.Snapshot) etcd.Want { return etcd.AbortRotation(w, roles) })
			}
			return c.rotate(cmd, args[0], flags, func(w etcd.Want, s facts.Snapshot) etcd.Want {
				return etcd.RotateCA(w, s, etcd.Trust(w, s).Unfinished(roles), pause)
			})
		},
	}
	flags.changeFlags(cmd)
	cmd.Flags().BoolVar(&peer, "peer", false, "the CA of the peers alone")
	cmd.Flags().BoolVar(&client, "client", false, "the CA of the clients alone")
	cmd.Flags().StringVar(&pause, "pause-after", "", "wait after a phase: trust or leaves")
	cmd.Flags().BoolVar(&abort, "abort", false, "go back to the old CA, as long as it is not dropped")
	return cmd
}

func newRotateTokens(c *console) *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:   "tokens INVENTORY",
		Short: "Replace the key by which members sign tokens, and apply: users with a password log in again",
		Long: "Another key is made, and put on all hosts, and the members are restarted with it, one at a time. A token is good at members\n" +
			"with the key that it was signed with alone, so users with a password log in again; the plan names them. It can be stopped\n" +
			"anywhere: rotate tokens or apply goes on with it. Users that show a certificate notice nothing.",
		Args: oneInventory,
		RunE: func(cmd *cobra.Command, args []string) error { return c.rotate(cmd, args[0], flags, etcd.RotateTokens) },
	}
	flags.changeFlags(cmd)
	return cmd
}

// rotate applies what a verb of rotate wants.
func (c *console) rotate(
	cmd *cobra.Command, inventory string, flags clusterFlags, wish func(etcd.Want, facts.Snapshot) etcd.Want,
) error {
	return c.with(inventory, flags, func(s *session) error {
		s.verb, s.wish = "rotate "+cmd.Name(), wish
		return s.apply(cmd.Context(), nil)
	})
}
