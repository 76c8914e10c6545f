package acceptance

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/clusterup/clusterup/pki"
)

// The passwords of the user old, none of which may be found anywhere.
const firstPassword, secondPassword = "Correct horse 1", "Battery staple 2"

// passwordBlock is authBlock, with a user that logs in, and the client of the JSON gateway that does.
func passwordBlock(more ...string) string {
	return authBlock(append(more, "user \"old\" {\n roles = [\"app\"]\n password_file = \"old.password\"\n}")...) +
		"\n  client \"old\" { common_name = false }\n"
}

// TestPasswords switches permissions on and off under clients that show a certificate and clients that log in, with all
// that becomes of passwords and of the key for tokens in between. No login is lost but where the key is replaced.
//
// A gRPC client whose certificate names no user is not told that it has none, only that it may not: etcd's own client
// does not log in then. So clients of etcd's own start when permissions are on.
func TestPasswords(t *testing.T) {
	t.Parallel()
	st := standsOf(t, "passwords", 3, 1)[0]
	s, inv := st.site, st.inv
	s.ok(t, "apply", "--yes", s.write(t, "prod.hcl", inv))
	s.password(t, firstPassword)
	t.Run("on", func(t *testing.T) { passwordsOn(t, s, &inv) })
	t.Run("keys", func(t *testing.T) { tokenKeysLie(t, s, inv, 1) })
	t.Run("given", func(t *testing.T) { passwordsGiven(t, s, &inv) })
	t.Run("roll", func(t *testing.T) { passwordsRoll(t, s, &inv) })
	t.Run("rotate", func(t *testing.T) { tokensRotate(t, s, inv) })
	t.Run("stale", func(t *testing.T) { tokensStale(t, s, inv) })
	t.Run("off", func(t *testing.T) { passwordsOff(t, s, &inv) })
	s.unknown(t, inv, firstPassword, secondPassword)
}

// password writes the one of old beside the inventory.
func (s *site) password(t *testing.T, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(s.dir, "old.password"), []byte(text+"\n"), 0o600))
}

// unnamed is the configuration of a client of the JSON gateway: its certificate has no common name.
func (s *site) unnamed(t *testing.T, inv inventory) *tls.Config {
	t.Helper()
	store := s.cas(t, inv.Cluster)
	pair, err := store.Issue(pki.Leaf{Kind: "client", OU: "old"}, time.Now(), rand.Reader)
	must(t, err)
	return secure(t, store, pki.RoleClient, pair.Cert, pair.Key)
}

// loggedIn is a client that logs in.
func (s *site) loggedIn(t *testing.T, inv inventory, password string, endpoints ...string) (*clientv3.Client, error) {
	t.Helper()
	return clientv3.New(clientv3.Config{
		Endpoints: endpoints, TLS: s.unnamed(t, inv), Logger: zap.NewNop(), Username: "old", Password: password,
		DialTimeout: patience, DialOptions: []grpc.DialOption{grpc.WithContextDialer(s.dialer())},
	})
}

// passwordsOn converges from no permissions at all.
func passwordsOn(t *testing.T, s *site, inv *inventory) {
	before := *inv
	inv.Settings = passwordBlock()
	file := s.write(t, "prod.hcl", *inv)
	s.ok(t, "plan", file).says(t, "create-token-key 1", "write-token-key", "to sign tokens with key 1", "+password").
		saysNot(t, "has to log in again")
	tr := startTraffic(t, s, before, everybody)
	g := s.gateway(t, before, firstPassword)
	s.ok(t, "apply", "--yes", file).says(t, "create-token-key/1", "write-token-key/1/etcd-1", "restart-member/",
		"put-user/old/", "enable-auth/etcd-")
	g.stop(t)
	tr.stop(t).unnoticed(t)
	if g.times == 0 {
		t.Error("the client of the gateway has not logged in")
	}
	s.run(t, "plan", "--exit-code", file).exits(t, 0).says(t, nothingToDo)
	s.ok(t, "check", file)
	s.writesAs(t, *inv, firstPassword)
}

// writesAs proves that old may log in with a password at every member, write what it may and nothing else, and that a
// token of one member is good at the others.
func (s *site) writesAs(t *testing.T, inv inventory, password string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, m := range inv.Members {
		c, err := s.loggedIn(t, inv, password, inv.url(m))
		if err != nil {
			t.Errorf("old cannot log in at %s: %v", m.Name, err)
			continue
		}
		_, may := c.Put(ctx, "traffic/old", "x")
		_, mayNot := c.Put(ctx, "/secret", "x")
		if may != nil || !errors.Is(mayNot, rpctypes.ErrPermissionDenied) {
			t.Errorf("old writes through %s: %v, and what it may not: %v", m.Name, may, mayNot)
		}
		_ = c.Close()
		if c, err := s.loggedIn(t, inv, "wrong "+password, inv.url(m)); err == nil || !errors.Is(rpctypes.Error(err), rpctypes.ErrAuthFailed) {
			t.Errorf("a wrong password at %s: %v, %v", m.Name, c, err)
		}
	}
}

// tokenKeysLie checks how the key lies on the hosts and here, and that there is just the one of a generation.
func tokenKeysLie(t *testing.T, s *site, inv inventory, generation int) {
	key := filepath.Join(s.dir, ".clusterup", "prod", "ca", fmt.Sprintf("token-%d.key", generation))
	info, err := os.Stat(key)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %04o", key, info.Mode().Perm())
	}
	for _, m := range inv.Members {
		lies := s.on(t, m.Name, "cd /etc/etcd/prod && stat -c '%a %U:%G' token-*.pem && cat token-*.pem")
		mode, text, _ := strings.Cut(lies, "\n")
		if mode != "640 root:etcd-prod" || strings.TrimSpace(text) != strings.TrimSpace(read(t, key)) {
			t.Errorf("%s: the key for tokens is %s", m.Name, mode)
		}
	}
}

// passwordsGiven: another password is set, and one is given to a user that was made without.
func passwordsGiven(t *testing.T, s *site, inv *inventory) {
	s.password(t, secondPassword)
	file := s.write(t, "prod.hcl", *inv)
	s.ok(t, "status", file).saysNot(t, "set-password") // which logs nobody in
	s.ok(t, "apply", "--yes", file).says(t, "set-password/old/").saysNot(t, "restart-member", "put-user")
	s.writesAs(t, *inv, secondPassword)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	root := s.client(t, s.as(t, *inv, "root"), inv.url(inv.Members[0]))
	_, err := root.UserDelete(ctx, "old")
	must(t, err)
	_, err = root.UserAddWithOptions(ctx, "old", "", &clientv3.UserAddOptions{NoPassword: true})
	must(t, err)
	_, err = root.UserGrantRole(ctx, "old", "app")
	must(t, err)
	s.ok(t, "apply", "--yes", file).says(t, "set-password/old/").saysNot(t, "put-user")
	s.writesAs(t, *inv, secondPassword)
	s.run(t, "plan", "--exit-code", file).exits(t, 0).says(t, nothingToDo)
	s.ok(t, "plan", s.write(t, "more.hcl", inventoryWith(*inv, passwordBlock(`role "more" {}`)))).
		says(t, `"old" of the JSON gateway has to log in again`)
	must(t, os.Chmod(filepath.Join(s.dir, "old.password"), 0o644))
	s.run(t, "apply", "--yes", file).exits(t, 1).says(t, `read the password of the user "old"…chmod 0600`)
	s.password(t, secondPassword)
	must(t, os.Chmod(filepath.Join(s.dir, "old.password"), 0o600))
}

func inventoryWith(inv inventory, settings string) inventory {
	inv.Settings = settings
	return inv
}

// passwordsRoll restarts all members under clients that log in: their tokens stay good.
func passwordsRoll(t *testing.T, s *site, inv *inventory) {
	inv.Settings = passwordBlock() + "\n  etcd { flags = { \"max-txn-ops\" = \"150\" } }\n"
	l, g := s.logIn(t, *inv, secondPassword), s.gateway(t, *inv, secondPassword)
	s.ok(t, "apply", "--yes", s.write(t, "prod.hcl", *inv)).says(t, "restart-member/etcd-1", "restart-member/etcd-2",
		"restart-member/etcd-3").saysNot(t, "token-key")
	l.stop(t)
	if g.stop(t); g.times != 1 {
		t.Errorf("the client of the gateway has logged in %d times: its token was lost", g.times)
	}
}

// tokensRotate replaces the key. Clients of etcd log in again by themselves, but where a key is at one member and not
// at the next, they may be refused in between.
func tokensRotate(t *testing.T, s *site, inv inventory) {
	file := s.write(t, "prod.hcl", inv)
	tr := startTraffic(t, s, inv, nobody)
	l, g := s.logIn(t, inv, secondPassword), s.gateway(t, inv, secondPassword)
	s.ok(t, "rotate", "tokens", "--yes", file).says(t, "create-token-key/2", `user "old" logs in again`,
		"write-token-key/2/etcd-3", "restart-member/etcd-1", "restart-member/etcd-2", "restart-member/etcd-3", "prune-trust/")
	l.stop(t, rpctypes.ErrInvalidAuthToken)
	g.stop(t)
	tr.stop(t).sound(t)
	tokenKeysLie(t, s, inv, 2)
	s.writesAs(t, inv, secondPassword)
	s.run(t, "plan", "--exit-code", file).exits(t, 0).says(t, nothingToDo)
}

// tokensStale has somebody work with an old copy of the operator directory, and with one that has lost the key.
func tokensStale(t *testing.T, s *site, inv inventory) {
	ca, file := filepath.Join(s.dir, ".clusterup", "prod", "ca"), s.write(t, "prod.hcl", inv)
	away := func(name string) func() {
		must(t, os.Rename(filepath.Join(ca, name), filepath.Join(s.dir, name)))
		return func() { must(t, os.Rename(filepath.Join(s.dir, name), filepath.Join(ca, name))) }
	}
	back := away("token-2.sha256")
	s.run(t, "apply", "--yes", file).exits(t, 13).says(t, "a key for tokens that is not in this operator directory…[foreign-ca]",
		"→ …clusterup rotate tokens")
	back()
	back = away("token-2.key")
	s.ok(t, "apply", "--yes", file) // nobody needs it
	s.on(t, "etcd-2", "rm /etc/etcd/prod/token-*.pem")
	s.run(t, "apply", "--yes", file).exits(t, 13).says(t, "but not the key, and a host needs it…[ca-key-missing]")
	back()
	s.on(t, "etcd-3", "cd /etc/etcd/prod && for f in token-*.pem; do echo other >$f; chmod 644 $f; done")
	s.ok(t, "apply", "--yes", file).says(t, "write-token-key/2/etcd-2", "write-token-key/2/etcd-3").
		saysNot(t, "restart-member")
	tokenKeysLie(t, s, inv, 2)
}

// passwordsOff switches permissions off, and takes the block out: then there is no token and no key.
func passwordsOff(t *testing.T, s *site, inv *inventory) {
	off := *inv
	off.Settings = strings.Replace(inv.Settings, "auth {", "auth {\n    enabled = false", 1)
	tr := startTraffic(t, s, *inv, nobody)
	l, g := s.logIn(t, *inv, secondPassword), s.gateway(t, *inv, secondPassword)
	s.ok(t, "apply", "--yes", "--accept=no-auth", s.write(t, "prod.hcl", off)).says(t, "disable-auth/").
		saysNot(t, "restart-member")
	l.stop(t)
	g.stop(t)
	tr.stop(t).unnoticed(t)
	file := s.write(t, "prod.hcl", inventoryWith(*inv, ""))
	s.run(t, "rotate", "tokens", "--yes", file).exits(t, 13).says(t, "no user of the inventory has a password…[permissions]")
	s.ok(t, "apply", "--yes", file).says(t, "restart-member/etcd-1", "prune-trust/etcd-1")
	for _, m := range inv.Members {
		if left := s.on(t, m.Name, "ls /etc/etcd/prod; grep -c auth-token /etc/systemd/system/etcd-prod.service || true"); strings.Contains(left, "token-") ||
			!strings.HasSuffix(strings.TrimSpace(left), "0") {
			t.Errorf("%s has a key for tokens: %s", m.Name, left)
		}
	}
}

// unknown proves that no password can be found on a host, in what was said or in the operator directory.
func (s *site) unknown(t *testing.T, inv inventory, passwords ...string) {
	t.Helper()
	for _, password := range passwords {
		if strings.Contains(s.said.String(), password) {
			t.Errorf("clusterup said the password %s", password)
		}
		s.operatorFiles(t, func(where, text string) {
			if strings.Contains(text, password) && filepath.Base(where) != "old.password" {
				t.Errorf("%s holds the password %s", where, password)
			}
		})
		for _, m := range inv.Members {
			found := s.on(t, m.Name, fmt.Sprintf("grep -rlF %q /etc /var/lib /var/log /run /opt/clusterup 2>/dev/null | head -3; "+
				"journalctl --no-pager 2>/dev/null | grep -cF %[1]q || true", password))
			if strings.TrimSpace(found) != "0" {
				t.Errorf("%s holds the password %s: %s", m.Name, password, found)
			}
		}
	}
}
