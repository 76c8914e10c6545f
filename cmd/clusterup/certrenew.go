package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/view"
)

// renewal is what a client has, and what it is to have.
type renewal struct {
	operator.ClientFiles
	signing
	client inventory.Client
	to     issueFlags
	is     *facts.ClientPair // nil: it has none
	trusts []byte            // the CAs in ca.pem, in PEM

	wanting string // why there has to be another pair; "": what is there stays
	bundles bool   // the PKCS #12 file is to be made
	why     string // why anything changes; "": nothing does
}

// renewClient gives a client in place what it is to have by now, and nothing where it has that.
func (s *session) renewClient(ctx context.Context, client inventory.Client, to issueFlags) (issued bool, err error) {
	ctx, cancel := s.console.UntilStopped(ctx)
	defer cancel()
	store, err := s.Store()
	if err != nil {
		return false, err
	}
	if len(s.Known(store, s.Now()).Live("client")) == 0 {
		return false, pki.ErrNoCA
	}
	forget, err := makeDirs(to.out)
	defer forget() // where nothing lies there
	if err != nil {
		return false, err
	}
	r := renewal{ClientFiles: operator.ClientFiles{Dir: to.out, Name: client.Name, Before: seam()}, client: client, to: to}
	unlock, err := r.Lock(ctx, func() { s.console.Say("note: another run is at work in %s, and is waited for", to.out) })
	if err != nil {
		return false, err
	}
	defer unlock()
	if err = s.decide(ctx, store, &r); err == nil && r.why != "" {
		err = s.replace(ctx, store, &r)
	}
	if err != nil {
		return false, err
	}
	s.console.ShowRenewed(r.shown())
	if to.reload != "" && r.Changed() {
		err = s.reload(ctx, r.ClientFiles, to)
	}
	return r.wanting != "", err
}

// decide looks at what the client has, and says what is to change.
func (s *session) decide(ctx context.Context, store *pki.Store, r *renewal) (err error) {
	if r.is, err = r.Read(store); err != nil {
		return err
	}
	if r.trusts, err = r.Trusts(); err != nil {
		return err
	}
	if r.signing, err = s.clientSigning(ctx, store, r.trusts); err != nil {
		return err
	}
	if err := r.kept(store); err != nil {
		return err
	}
	r.wanting = r.ClientWanting(r.is, trust.ClientLeaf{
		User: r.client.User, Organization: r.client.Organization, Algorithm: s.Cluster.PKI.Algorithm,
	}, r.signer)
	r.bundles = r.to.pkcs12 && (r.wanting != "" || !bytes.Equal(r.Bundled(), r.bundle))
	switch {
	case r.wanting != "":
		r.why = r.wanting
	case !bytes.Equal(r.trusts, r.bundle):
		r.why = "other CAs are to be trusted"
	case r.bundles:
		r.why = fmt.Sprintf("%s is missing, or not up to date", r.PKCS12())
	}
	return nil
}

// kept is an error where what lies there is not to be replaced.
func (r *renewal) kept(store *pki.Store) error {
	all, err := store.Clients()
	if err != nil {
		return err
	}
	var issued []facts.Client
	for _, one := range all {
		if one.Name == r.Name {
			issued = append(issued, operator.ClientOf(one))
		}
	}
	if err := r.ClientKept(r.is, issued); err != nil {
		return fmt.Errorf("%s: %w", r.Cert(), err)
	}
	if err := r.ClientBundleKept(r.trusts); err != nil {
		return fmt.Errorf("%s %w: choose another --out", r.CA(), err)
	}
	if _, err := os.Lstat(r.PKCS12()); !r.to.pkcs12 && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there, and would not be renewed: give --pkcs12 --password-file FILE, or take it away",
			r.PKCS12())
	}
	return nil
}

// replace puts what the client is to have in place of what it has. What can fail is tried before anything is signed.
func (s *session) replace(ctx context.Context, store *pki.Store, r *renewal) (err error) {
	var password string
	if r.bundles {
		password, err = s.console.newPassword(ctx, r.to.passwordFile, r.PKCS12())
	}
	if err == nil {
		err = r.Prepare()
	}
	if err != nil {
		return err
	}
	if err := r.Step("before sign"); err != nil {
		return err
	}
	set := operator.ClientSet{CA: r.bundle}
	if r.wanting != "" || r.bundles {
		if err := s.pair(store, r, &set, password); err != nil {
			return err
		}
	}
	if r.wanting != "" && r.note != "" {
		s.console.Say("note: %s", r.note)
	}
	if err := r.Put(set); err != nil {
		return err
	}
	if r.is, err = r.Read(store); err == nil && r.is == nil {
		err = fmt.Errorf("%s was taken away by somebody else meanwhile: run again", r.Cert())
	}
	if err != nil {
		return err
	}
	return store.ForgetEnded(r.Name, s.Now())
}

// pair adds to a set the pair that the client has, or another one.
func (s *session) pair(store *pki.Store, r *renewal, set *operator.ClientSet, password string) (err error) {
	pair, err := r.Pair()
	if r.wanting != "" {
		pair, err = store.IssueClient(r.Name, s.leafFor(r.client, r.signer.Generation), s.Now(), rand.Reader)
	}
	if err != nil {
		return err
	}
	set.Cert, set.Key, set.Serial = pair.Cert, pair.Key, pair.Serial
	if r.bundles {
		set.PKCS12, err = pair.PKCS12(r.bundle, password)
	}
	return err
}

// shown is what is said of it in the end.
func (r *renewal) shown() view.Renewed {
	done := view.Renewed{Why: r.why, Due: r.ClientDue(*r.is)}
	done.Issued = view.Issued{
		Name: r.Name, User: r.is.User, Serial: r.is.Serial, Issued: r.is.NotBefore, Expires: r.is.NotAfter,
		Cert: r.Cert(), Key: r.Key(), CA: r.CA(),
	}
	if r.to.pkcs12 {
		done.PKCS12 = r.PKCS12()
	}
	add := func(is bool, files ...string) {
		if is {
			done.Replaced = append(done.Replaced, files...)
		}
	}
	add(r.wanting != "", r.Cert(), r.Key())
	add(!bytes.Equal(r.trusts, r.bundle), r.CA())
	add(r.bundles, r.PKCS12())
	return done
}

// reload runs the command of the operator by the shell, word for word; where the files lie is in its environment. While
// it fails, the next run calls it again.
func (s *session) reload(ctx context.Context, files operator.ClientFiles, to issueFlags) error {
	if err := files.Step("before reload"); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", to.reload) //nolint:gosec // what the operator asked for
	cmd.Env = append(os.Environ(), "CLUSTERUP_CLIENT="+files.Name)
	for name, path := range map[string]string{"CERT": files.Cert(), "KEY": files.Key(), "CA": files.CA()} {
		path, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		cmd.Env = append(cmd.Env, "CLUSTERUP_"+name+"="+path)
	}
	cmd.Stdout, cmd.Stderr = s.console.Stderr(), s.console.Stderr() // stdout is for the result
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("the files are in place, and the reload command has failed: %w: the next run calls it again", err)
	}
	if err := files.Step("after reload"); err != nil {
		return err
	}
	return files.Told()
}
