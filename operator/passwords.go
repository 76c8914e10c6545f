package operator

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/quorum"
)

// passwords are those of users, as long as a run takes. They are in no file, message or argument.
type passwords struct {
	of map[string]string // by user

	mu     sync.Mutex
	proven map[string]bool // users that have logged in with theirs, or that this run gave it to
}

// maxPassword is the most that bcrypt takes, in bytes.
const maxPassword = 72

// ReadPasswords reads those of the inventory from their sources. From then on, each look tries whether users can log in
// with them, unless one has in this run. Without it nobody tries.
func (s *Session) ReadPasswords(ctx context.Context) error {
	auth := s.Cluster.Auth
	if auth == nil || !auth.Enabled || len(auth.Passwords()) == 0 {
		return nil
	}
	read := &passwords{of: map[string]string{}, proven: map[string]bool{}}
	for _, user := range auth.Passwords() {
		password, err := readPassword(ctx, *user.Password, s.Cluster.Dir)
		if err == nil {
			err = checkPassword(password)
		}
		if err != nil {
			return fmt.Errorf("read the password of the user %s from %s: %w", facts.Quoted(user.Name), user.Password.Source(), err)
		}
		read.of[user.Name] = password
	}
	s.passwords.Store(read)
	return nil
}

// readPassword is the first line of a source. No error shows any of it.
func readPassword(ctx context.Context, from inventory.Password, dir string) (string, error) {
	switch {
	case from.File != "":
		return passwordFile(from.File)
	case from.Env != "":
		text, set := os.LookupEnv(from.Env)
		if !set {
			return "", errors.New("it is not set")
		}
		return firstLine(strings.NewReader(text))
	}
	cmd := exec.CommandContext(ctx, from.Command[0], from.Command[1:]...) //nolint:gosec // the operator's own
	cmd.Dir = dir
	out, err := cmd.Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) { // what it wrote to stderr may be secret
		err = errors.New(exit.ProcessState.String())
	}
	if err != nil {
		return "", err
	}
	return firstLine(bytes.NewReader(out))
}

func passwordFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if mode := info.Mode(); mode.IsRegular() && mode.Perm()&0o077 != 0 {
		return "", fmt.Errorf("it has mode %04o, which lets others in: run chmod 0600 %s", mode.Perm(), path)
	}
	return firstLine(file)
}

func firstLine(from io.Reader) (string, error) {
	lines := bufio.NewScanner(from)
	lines.Scan() // nothing is an empty password, which is refused
	if lines.Err() != nil {
		return "", errors.New("its first line cannot be read")
	}
	return lines.Text(), nil
}

func checkPassword(password string) error {
	switch {
	case password == "":
		return errors.New("it is empty")
	case len(password) > maxPassword:
		return fmt.Errorf("it has %d bytes, and etcd takes %d", len(password), maxPassword)
	case strings.ContainsFunc(password, unicode.IsControl):
		return errors.New("it has a control character")
	}
	return nil
}

// get is the password of a user.
func (p *passwords) get(user string) (string, error) {
	if p != nil && p.of[user] != "" {
		return p.of[user], nil
	}
	return "", fmt.Errorf("the password of the user %s was not read", facts.Quoted(user))
}

func (p *passwords) works(user string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.proven[user]
}

func (p *passwords) prove(user string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.proven[user] = true
}

// logins says of users with a password in the inventory what becomes of a login. Those that have proven theirs are not
// asked again; while permissions are off, the others are left out.
func (p *passwords) logins(ctx context.Context, a *etcdAPI, endpoints []string,
	auth facts.Auth,
) (map[string]facts.Login, error) {
	found := map[string]facts.Login{}
	var ask []string
	for _, user := range auth.Users {
		switch {
		case p.of[user.Name] == "":
		case p.works(user.Name):
			found[user.Name] = facts.LoginWorks
		case auth.Enabled:
			ask = append(ask, user.Name)
		}
	}
	slices.Sort(ask)
	var mu sync.Mutex
	var wg sync.WaitGroup
	errs := make([]error, len(endpoints))
	for at, endpoint := range endpoints { // one at a time at each, since a login costs it a core
		wg.Go(func() {
			for i := at; i < len(ask) && errs[at] == nil; i += len(endpoints) {
				var login facts.Login
				login, errs[at] = p.login(ctx, a, endpoint, ask[i])
				mu.Lock()
				found[ask[i]] = login
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return found, errors.Join(errs...)
}

func (p *passwords) login(ctx context.Context, a *etcdAPI, endpoint, user string) (facts.Login, error) {
	var works bool
	err := a.tell(func(c *quorum.Cluster) (err error) {
		works, err = c.Login(ctx, endpoint, user, p.of[user])
		return err
	})
	switch {
	case err != nil:
		return "", err
	case works:
		p.prove(user)
		return facts.LoginWorks, nil
	}
	return facts.LoginRefused, nil
}

// logins is what a look asks; nil: nobody tries.
func (s *Session) logins() func(context.Context, []string, facts.Auth) (map[string]facts.Login, error) {
	read := s.passwords.Load()
	if read == nil {
		return nil
	}
	return func(ctx context.Context, endpoints []string, auth facts.Auth) (map[string]facts.Login, error) {
		return read.logins(ctx, s.Etcd, endpoints, auth)
	}
}

// SetPassword gives a user the password of its source.
func (a *etcdAPI) SetPassword(ctx context.Context, endpoint string, user facts.User) error {
	read := a.session.passwords.Load()
	password, err := read.get(user.Name)
	if err == nil {
		err = a.tell(func(c *quorum.Cluster) error { return c.SetPassword(ctx, endpoint, user, password) })
	}
	if err == nil {
		read.prove(user.Name)
	}
	return err
}

// PutUser makes a user where there is none, with the password of its source or without one, and changes its roles.
func (a *etcdAPI) PutUser(ctx context.Context, endpoint string, user facts.User, revoke []string, password bool) error {
	read, secret := a.session.passwords.Load(), ""
	if password {
		var err error
		if secret, err = read.get(user.Name); err != nil {
			return err
		}
	}
	err := a.tell(func(c *quorum.Cluster) error { return c.PutUser(ctx, endpoint, user, revoke, secret) })
	if err == nil && password {
		read.prove(user.Name)
	}
	return err
}
