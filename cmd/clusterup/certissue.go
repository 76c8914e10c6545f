package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/durable"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/view"
)

// issueFlags say where a client's files go, and which there are.
type issueFlags struct {
	out          string
	pkcs12       bool
	passwordFile string
	renew        bool
	reload       string // command; "": none
	observer     bool
}

func newCertIssue(c *console) *cobra.Command {
	var flags clusterFlags
	var to issueFlags
	cmd := &cobra.Command{
		Use:   "issue NAME|--observer INVENTORY --out DIR",
		Short: "Issue a client certificate, with a new key",
		Long: "issue writes NAME.pem, NAME-key.pem and ca.pem into DIR, readable by their owner alone. The key exists nowhere else. How long the\n" +
			"certificate lives, and for which user, is in the inventory's block client \"NAME\"; without one it is as pki says, for the user NAME.\n\n" +
			"With --pkcs12 there is also NAME.p12, with all three in it, for clients that read nothing else. It is encrypted with a password, which is\n" +
			"asked for twice, or is the first line of the file that --password-file names.\n\n" +
			"With --renew it is made for a timer: files that are there are replaced, in one step, when the certificate ends soon, is not as the\n" +
			"inventory says, or is of a CA that is being replaced; otherwise nothing is done. After a change, --reload-command is run by sh -c, with\n" +
			"CLUSTERUP_CLIENT, CLUSTERUP_CERT, CLUSTERUP_KEY and CLUSTERUP_CA in its environment. If it fails, the next run calls it again.\n\n" +
			"With --observer, and no NAME, it is for status and check on a machine without the keys of the CAs: of the user clusterup-observer,\n" +
			"who can neither read nor write keys while etcd's permissions are on.",
		Args: func(cmd *cobra.Command, args []string) error {
			if to.observer {
				return usage(cobra.ExactArgs(1))(cmd, args)
			}
			return usage(cobra.ExactArgs(2))(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := to.check(c); err != nil {
				return err
			}
			name := args[0]
			if to.observer {
				name = etcd.Observer
			}
			return c.with(args[len(args)-1], flags,
				func(s *session) error { return s.issueOrRenew(cmd.Context(), name, to) })
		},
	}
	flags.inventoryFlags(cmd)
	jsonFlag(cmd)
	cmd.Flags().StringVar(&to.out, "out", "", "the directory; it is made if need be")
	cmd.Flags().BoolVar(&to.pkcs12, "pkcs12", false, "write NAME.p12 too, encrypted with a password")
	cmd.Flags().StringVar(&to.passwordFile, "password-file", "",
		"the password is the first line of this file, which only its owner may read; - is stdin")
	cmd.Flags().BoolVar(&to.observer, "observer", false, "for status and check, with less than all power")
	cmd.Flags().BoolVar(&to.renew, "renew", false, "replace files that are there, if need be")
	cmd.Flags().StringVar(&to.reload, "reload-command", "", "with --renew: what to run after a change")
	return cmd
}

func (f issueFlags) check(c *console) error {
	switch {
	case f.out == "":
		return view.Misuse(errors.New("name the directory for it: --out DIR"))
	case f.reload != "" && !f.renew:
		return view.Misuse(errors.New("--reload-command is for --renew: without it nothing is replaced"))
	case f.pkcs12:
		return c.passwordSource(f.passwordFile)
	case f.passwordFile != "":
		return view.Misuse(errors.New("--password-file is for --pkcs12: the other files have no password"))
	}
	return nil
}

// clientFiles are the names of a client's files in a directory.
func clientFiles(dir, name string) (cert, key, ca string) {
	files := operator.ClientFiles{Dir: dir, Name: name}
	return files.Cert(), files.Key(), files.CA()
}

// issueOrRenew checks the name of a client, and gives it what it asks for.
func (s *session) issueOrRenew(ctx context.Context, name string, to issueFlags) error {
	if name == "ca" {
		return view.Misuse(errors.New("a client cannot be called ca: its certificate would have the name of the CA's"))
	}
	if err := pki.CheckClientName(name); err != nil {
		return view.Misuse(err)
	}
	client, known := s.clientNamed(name)
	if to.observer {
		client.User = name
	}
	do, verb := s.issueClient, "issue"
	if to.renew {
		do, verb = s.renewClient, "renew"
	}
	changed, err := do(ctx, client, to)
	if err != nil {
		return fmt.Errorf("%s certificate: %w", verb, err)
	}
	if changed && to.observer {
		s.toObserve(ctx)
	} else if changed && !known {
		s.console.Say("note: the inventory has no block client %q; the certificate is made as pki says", name)
	}
	return nil
}

// issueClient makes sure that the files can be written before anything is signed, and writes the key first: a pair
// without its key would be of no use, and could not be had again.
func (s *session) issueClient(ctx context.Context, client inventory.Client, to issueFlags) (bool, error) {
	done := view.Issued{Name: client.Name, User: client.User}
	done.Cert, done.Key, done.CA = clientFiles(to.out, client.Name)
	store, err := s.Store()
	if err != nil {
		return false, err
	}
	ca := trust.PEM(s.Known(store, s.Now()).Live("client"))
	var password string
	if to.pkcs12 {
		done.PKCS12 = filepath.Join(to.out, client.Name+".p12")
	}
	if err = free(done, to.out, ca); err == nil && to.pkcs12 {
		password, err = s.console.newPassword(ctx, to.passwordFile, done.PKCS12)
	}
	var now signing
	if err == nil {
		now, err = s.clientSigning(ctx, store, nil)
	}
	if err != nil {
		return false, err
	}
	if now.note != "" {
		s.console.Say("note: %s", now.note)
	}
	forget, err := makeDirs(to.out)
	var pair pki.Pair
	if err == nil {
		pair, err = store.IssueClient(client.Name, s.leafFor(client, now.signer.Generation), s.Now(), rand.Reader)
	}
	if err == nil {
		err = writePair(done, pair, ca, password)
	}
	if err != nil {
		forget()
		return false, err
	}
	done.Serial, done.Issued, done.Expires = pair.Serial, pair.NotBefore, pair.NotAfter
	s.console.ShowIssued(done)
	return true, nil
}

// leafFor is what a client's certificate is to be like.
func (s *session) leafFor(client inventory.Client, generation int) pki.Leaf {
	leaf := pki.Leaf{
		Generation: generation, CN: client.User, Organization: client.Organization, Lifetime: client.Lifetime,
		Algorithm: s.Cluster.PKI.Algorithm,
	}
	if client.User == "" {
		leaf.OU = client.Name // so that people see whose it is
	}
	return leaf
}

// clientNamed is the client as the inventory has it, or else, where it has no such, as pki says.
func (s *session) clientNamed(name string) (client inventory.Client, known bool) {
	if i := slices.IndexFunc(s.Cluster.Clients, func(c inventory.Client) bool { return c.Name == name }); i >= 0 {
		return s.Cluster.Clients[i], true
	}
	return inventory.Client{Name: name, User: name, Lifetime: s.Cluster.PKI.Lifetime}, false
}

// makeDirs makes a directory, and those above it that are missing. forget removes what was made, as long as nothing is
// in it.
func makeDirs(dir string) (forget func(), err error) {
	var missing []string // the lowest first
	for at := filepath.Clean(dir); at != filepath.Dir(at); at = filepath.Dir(at) {
		if _, err := os.Lstat(at); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		missing = append(missing, at)
	}
	forget = func() {
		for _, made := range missing {
			_ = os.Remove(made) // fails, rightly, if something is in it
		}
	}
	return forget, os.MkdirAll(dir, 0o700)
}

// free makes sure that no file would be overwritten, but for a ca.pem that is the same already.
func free(o view.Issued, dir string, ca []byte) error {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is not a directory: choose another --out", dir)
	}
	for _, file := range []string{o.Cert, o.Key, o.PKCS12} {
		if file == "" {
			continue
		}
		switch _, err := os.Lstat(file); {
		case err == nil:
			return fmt.Errorf("%s is there already: --renew replaces it when that is due; or choose another --out, or move it away",
				file)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	switch is, err := os.ReadFile(o.CA); {
	case err == nil && !bytes.Equal(is, ca):
		return fmt.Errorf("%s is there already, and is something else: choose another --out", o.CA)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

func writePair(o view.Issued, pair pki.Pair, ca []byte, password string) error {
	files := []struct {
		path string
		data []byte
	}{{o.Key, pair.Key}, {o.Cert, pair.Cert}, {o.CA, ca}, {o.PKCS12, nil}}
	if o.PKCS12 == "" {
		files = files[:3]
	} else {
		var err error
		if files[3].data, err = pair.PKCS12(ca, password); err != nil {
			return err
		}
	}
	for _, file := range files {
		if err := durable.Write(file.path, file.data, 0o600); err != nil {
			return err
		}
	}
	return nil
}
