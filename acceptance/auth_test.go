package acceptance

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/clusterup/clusterup/pki"
)

// authBlock is what an inventory says of permissions: those of the client that writes, and more lines.
func authBlock(more ...string) string {
	return `
  auth {
    user "app" { roles = ["app"] }
    role "app" {
      permission {
        prefix = ""
        access = "read"
      }
      permission {
        prefix = "traffic"
        access = "readwrite"
      }
    }
    ` + strings.Join(more, "\n    ") + `
  }
`
}

// manyUsers are so many users and roles besides.
func manyUsers(users, roles int) string {
	var all strings.Builder
	for i := range roles {
		fmt.Fprintf(&all, "role \"r%d\" {\n permission {\n prefix = \"/r%d/\"\n access = \"readwrite\"\n}\n}\n", i, i)
	}
	for i := range users {
		fmt.Fprintf(&all, "user \"u%d\" { roles = [\"r%d\"] }\n", i, i%roles)
	}
	return all.String()
}

// TestAuth switches permissions on under a client at work, has a cluster live with them, and switches them off. Before,
// runs that do so are killed.
func TestAuth(t *testing.T) {
	t.Parallel()
	st := standsOf(t, "auth", 3, 1)[0]
	followed(t, st.site, "../docs/permissions.md")
	st.file = st.write(t, "prod.hcl", st.inv)
	if whole() {
		t.Run("faults", func(t *testing.T) {
			disturb(t, switchingOn(), st)
			disturb(t, changingRoles(), st)
		})
	}
	s, inv := st.site, st.inv
	st.noPermissions(t)
	t.Run("on", func(t *testing.T) { authOn(t, s, &inv) })
	t.Run("denied", func(t *testing.T) { authDenies(t, s, inv) })
	t.Run("drift", func(t *testing.T) { authDrift(t, s, inv) })
	t.Run("life", func(t *testing.T) { authLife(t, s, &inv) })
	t.Run("off", func(t *testing.T) { authOff(t, s, inv) })
}

// authOn converges many users and roles at once, and finds nothing left to do.
func authOn(t *testing.T, s *site, inv *inventory) {
	inv.Settings = authBlock(manyUsers(200, 50))
	file := s.write(t, "prod.hcl", *inv)
	tr := startTraffic(t, s, *inv, everybody)
	p := s.start(t, "apply", "--yes", file)
	p.wait(t).exits(t, 0).says(t, "enable-auth/etcd-")
	tr.stop(t).unnoticed(t)
	t.Logf("201 users and 51 roles, and permissions on: %.1f s", p.took.Seconds())
	again := s.start(t, "plan", "--exit-code", file)
	again.wait(t).exits(t, 0).says(t, nothingToDo)
	t.Logf("a plan that finds nothing to do: %.1f s", again.took.Seconds())
	s.ok(t, "status", file).says(t, "Permissions: on; 202 users, 51 roles.")
	s.ok(t, "check", file)
}

// as is the configuration of a client by the name of a user.
func (s *site) as(t *testing.T, inv inventory, user string) *tls.Config {
	t.Helper()
	store := s.cas(t, inv.Cluster)
	pair := issue(t, store, user)
	return secure(t, store, pki.RoleClient, pair.Cert, pair.Key)
}

// authDenies proves who may do what, through every member.
func authDenies(t *testing.T, s *site, inv inventory) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, m := range inv.Members {
		for _, test := range []struct {
			user, key   string
			read, write bool
		}{
			{"app", "traffic/mine", true, true},
			{"app", "/r1/x", true, false},
			{"u1", "/r1/x", true, true},
			{"u1", "/r2/x", false, false},
			{"nobody", "traffic/mine", false, false},
			{"root", "/anything", true, true},
		} {
			c := s.client(t, s.as(t, inv, test.user), inv.url(m))
			_, errPut := c.Put(ctx, test.key, "x")
			_, errGet := c.Get(ctx, test.key)
			if (errPut == nil) != test.write || errPut != nil && !errors.Is(errPut, rpctypes.ErrPermissionDenied) {
				t.Errorf("%s writes %s through %s: %v", test.user, test.key, m.Name, errPut)
			}
			if (errGet == nil) != test.read || errGet != nil && !errors.Is(errGet, rpctypes.ErrPermissionDenied) {
				t.Errorf("%s reads %s through %s: %v", test.user, test.key, m.Name, errGet)
			}
			_ = c.Close()
		}
	}
}

// authDrift has somebody grant by hand, beside the inventory.
func authDrift(t *testing.T, s *site, inv inventory) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	file := s.write(t, "prod.hcl", inv)
	s.ok(t, "etcdctl", file, "--", "role", "grant-permission", "app", "readwrite", "/by-hand/", "--prefix=true")
	c := s.client(t, s.as(t, inv, "root"), inv.url(inv.Members[0]))
	_, errAdd := c.UserAddWithOptions(ctx, "eve", "", &clientv3.UserAddOptions{NoPassword: true})
	_, errGrant := c.UserGrantRole(ctx, "eve", "r7")
	_, errRevoke := c.UserRevokeRole(ctx, "u3", "r3")
	_, errRole := c.RoleAdd(ctx, "hand")
	must(t, errors.Join(errAdd, errGrant, errRevoke, errRole))
	const strays = `user "eve" with role "r7"; role "hand", which allows nothing; ` +
		`of role "app" readwrite on prefix "/by-hand/"`
	s.run(t, "check", file).exits(t, 3).says(t, `user "eve" with role "r7"…[permissions]`, "put-user u3…[drift]")
	s.ok(t, "status", file).says(t, "permissions: put-user u3: ")
	s.ok(t, "apply", "--yes", file).says(t, "put-user/u3/", strays+"…--accept=drop-grants").saysNot(t, "drop-user/",
		"put-role/")
	s.ok(t, "plan", "--exit-code", file).says(t, strays)
	s.ok(t, "apply", "--yes", "--accept=drop-grants", file).
		says(t, "drop-user/eve/", "drop-role/hand/", "put-role/app/")
	s.ok(t, "check", file)
}

// authLife does what a cluster goes through, with permissions on and a client at work. A write that is under way while
// a role changes may be refused; everything else goes on as without.
func authLife(t *testing.T, s *site, inv *inventory) {
	inv.Settings = authBlock(manyUsers(200, 50), `role "more" {}`) +
		"\n  etcd { flags = { \"max-txn-ops\" = \"150\" } }\n"
	tr := startTraffic(t, s, *inv, unhurried(everybody))
	file := s.write(t, "prod.hcl", *inv)
	s.ok(t, "snapshot", "save", file)
	s.ok(t, "rotate", "certs", "--yes", file).says(t, "restart-member/etcd-1", "put-role/more/")
	r := tr.stop(t)
	r.sound(t)
	old := 0
	for _, why := range r.errors {
		if strings.Contains(why, rpctypes.ErrAuthOldRevision.Error()) {
			old++
		}
	}
	if r.unexplained > old {
		t.Errorf("%d writes failed for no good reason, and %d as a role changed", r.unexplained, old)
	}
	if whole() {
		s.ok(t, "snapshot", "verify", "--drill", "latest", file).says(t, "revision, keys and hash are as described")
		s.lose(t, "etcd-2")
		s.ok(t, "member", "replace", "--yes", "etcd-2", file)
		s.inSync(t, file, *inv)
	}
}

// authOff takes the block out, which is refused, and then switches permissions off by consent.
func authOff(t *testing.T, s *site, inv inventory) {
	block := inv.Settings
	inv.Settings = ""
	s.run(t, "apply", "--yes", s.write(t, "gone.hcl", inv)).exits(t, 13).says(t, "no block auth…[permissions]",
		"→ …auth {}…--accept=no-auth")
	inv.Settings = "\n  auth {}\n"
	s.ok(t, "plan", s.write(t, "empty.hcl", inv)).
		says(t, `user "app" with role "app"; `, "the block auth has no user \"app\"").saysNot(t, "drop-user", "drop-role")
	inv.Settings = strings.Replace(block, "auth {", "auth {\n    enabled = false", 1)
	file := s.write(t, "prod.hcl", inv)
	s.run(t, "apply", "--yes", file).exits(t, 13).says(t,
		"every client could read and write everything…[needs-consent]",
		"→ …--accept=no-auth")
	tr := startTraffic(t, s, inv, everybody)
	s.ok(t, "apply", "--yes", "--accept=no-auth", file).says(t, "disable-auth/")
	tr.stop(t).unnoticed(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := s.client(t, s.as(t, inv, "nobody"), inv.url(inv.Members[2])).Get(ctx, "", clientv3.WithPrefix(),
		clientv3.WithCountOnly()); err != nil {
		t.Errorf("nobody reads: %v", err)
	}
	s.ok(t, "check", file)
	users, err := s.client(t, s.as(t, inv, "root"), inv.url(inv.Members[0])).UserGet(ctx, "u1")
	if err != nil || !slices.Equal(users.Roles, []string{"r1"}) {
		t.Errorf("u1 has %v, %v: users and roles are to stay", users, err)
	}
}
