package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/pki"
)

func newCert(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cert",
		Short: "Client certificates: issue and list them",
		Args:  noSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCertIssue(c), newCertList(c))
	return cmd
}

func newCertIssue(c *console) *cobra.Command {
	var flags clusterFlags
	var out string
	cmd := &cobra.Command{
		Use:   "issue NAME INVENTORY --out DIR",
		Short: "Issue a client certificate, with a new key",
		Long: "issue writes NAME.pem, NAME-key.pem and ca.pem into DIR, readable by their owner alone. The key exists nowhere else. How long the\n" +
			"certificate lives, and for which user, is in the inventory's block client \"NAME\"; without one it is as pki says, for the user NAME.",
		Args: usage(cobra.ExactArgs(2)),
		RunE: func(_ *cobra.Command, args []string) error {
			c.json = flags.json
			if out == "" {
				return usageError{errors.New("say where it is to go: --out DIR")}
			}
			s, err := c.open(args[1], flags, true)
			if err != nil {
				return err
			}
			defer s.close()
			return s.issueClient(args[0], out)
		},
	}
	flags.inventoryFlags(cmd)
	cmd.Flags().BoolVar(&flags.json, "json", false, "write one JSON object a line to stdout")
	cmd.Flags().StringVar(&out, "out", "", "the directory; it is made if need be")
	return cmd
}

// clientFiles are the names of a client's files in a directory.
func clientFiles(dir, name string) (cert, key, ca string) {
	return filepath.Join(dir, name+".pem"), filepath.Join(dir, name+"-key.pem"), filepath.Join(dir, "ca.pem")
}

// issuedObject is a client certificate with --json.
type issuedObject struct {
	Type    string    `json:"type"` // "client"
	Name    string    `json:"name"`
	User    string    `json:"user,omitempty"`
	Serial  string    `json:"serial"`
	Expires time.Time `json:"expires"`
	Issuer  string    `json:"issuer,omitempty"`
	Revoked time.Time `json:"revoked,omitzero"`
	Cert    string    `json:"cert,omitempty"`
	Key     string    `json:"key,omitempty"`
	CA      string    `json:"ca,omitempty"`
}

// issueClient makes sure that the files can be written before anything is signed, and writes the key first: a pair without its key would
// be of no use, and could not be had again.
func (s *session) issueClient(name, dir string) error {
	if name == "ca" {
		return usageError{errors.New("a client cannot be called ca: its certificate would have the name of the CA's")}
	}
	client := inventory.Client{Name: name, User: name, Lifetime: s.cluster.PKI.Lifetime}
	if i := slices.IndexFunc(s.cluster.Clients, func(c inventory.Client) bool { return c.Name == name }); i >= 0 {
		client = s.cluster.Clients[i]
	} else {
		s.console.say("note: the inventory has no block client %q; the certificate is made as pki says", name)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("issue certificate: %w", err)
	}
	certFile, keyFile, caFile := clientFiles(dir, name)
	for _, file := range []string{certFile, keyFile} {
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("issue certificate: %s is there already: choose another --out, or move it away", file)
		}
	}
	store, err := s.store()
	if err != nil {
		return err
	}
	trust := store.Trust(pki.RoleClient)
	if is, err := os.ReadFile(caFile); err == nil && !bytes.Equal(is, trust) || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("issue certificate: %s is there already, and is something else: choose another --out", caFile)
	}
	pair, err := store.IssueClient(name, pki.Leaf{
		CN: client.User, Organization: client.Organization, Lifetime: client.Lifetime, Algorithm: s.cluster.PKI.Algorithm,
	}, s.now(), rand.Reader)
	if err != nil {
		return fmt.Errorf("issue certificate: %w", err)
	}
	for _, file := range []struct {
		path string
		data []byte
	}{{keyFile, pair.Key}, {certFile, pair.Cert}, {caFile, trust}} {
		if err := writeFile(file.path, file.data); err != nil {
			return fmt.Errorf("issue certificate: %w", err)
		}
	}
	if s.console.json {
		s.console.object(issuedObject{
			Type: "client", Name: name, User: client.User, Serial: pair.Serial, Expires: pair.NotAfter, Cert: certFile, Key: keyFile, CA: caFile,
		})
		return nil
	}
	_, _ = fmt.Fprintf(s.console.out, "%s\n%s\n%s\n", certFile, keyFile, caFile) // a reader that went away is noticed by the shell
	s.console.say("The certificate is for the user %s, until %s. Its serial number is %s.", client.User, pair.NotAfter.Format(time.DateOnly), pair.Serial)
	return nil
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
