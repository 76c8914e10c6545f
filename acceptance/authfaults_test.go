package acceptance

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

const (
	onFaults   = "permissions are switched on"
	roleFaults = "users and roles change, and others go"
)

// noPermissions switches permissions off, and deletes all users and roles.
func (s *stand) noPermissions(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := s.client(t, s.as(t, s.inv, "root"), s.inv.url(s.inv.Members[0]))
	defer c.Close()
	_, err := c.AuthDisable(ctx)
	must(t, err)
	users, err := c.UserList(ctx)
	must(t, err)
	for _, user := range users.Users {
		_, err := c.UserDelete(ctx, user)
		must(t, err)
	}
	roles, err := c.RoleList(ctx)
	must(t, err)
	for _, role := range roles.Roles {
		_, err := c.RoleDelete(ctx, role)
		must(t, err)
	}
}

// permitted checks that permissions are on, and let app do what it may, and nobody else anything.
func (s *stand) permitted(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for user, allowed := range map[string]map[string]bool{
		"app": {"traffic": true, "/secret": false}, "nobody": {"traffic": false},
	} {
		c := s.client(t, s.as(t, s.inv, user), s.inv.url(s.inv.Members[1]))
		for key, may := range allowed {
			_, err := c.Put(ctx, key, "x")
			if (err == nil) != may || err != nil && !errors.Is(err, rpctypes.ErrPermissionDenied) {
				t.Errorf("%s writes %s: %v", user, key, err)
			}
		}
		_ = c.Close()
	}
}

// madeOnce makes a cluster where there is none.
func (s *stand) madeOnce(t *testing.T) {
	t.Helper()
	if _, err := s.try(t, s.hosts()[0], "test -d /etc/etcd/prod"); err != nil {
		inv := s.inv
		inv.Settings = ""
		s.ok(t, "apply", "--yes", s.write(t, "prod.hcl", inv))
	}
}

// changesAuth are the points around steps that change users, roles and permissions.
func changesAuth(verb string, points []string) []string {
	return slices.DeleteFunc(steps(points, ""), func(point string) bool {
		kind, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(point, "before "), "after "), "/")
		changes := []string{"put-role", "put-user", "drop-role", "drop-user", "enable-auth"}
		return !slices.Contains(changes, kind) || verb == "fail" && strings.HasPrefix(point, "before ")
	})
}

// switchingOn gives a cluster without users all that the inventory has.
func switchingOn() operation {
	return operation{
		name: onFaults, args: []string{"apply", "--yes"},
		telling: only("after enable-auth/etcd-1"),
		prepare: func(t *testing.T, s *stand) {
			s.madeOnce(t)
			s.noPermissions(t)
			inv := s.inv
			inv.Settings = authBlock()
			s.write(t, "prod.hcl", inv)
		},
		ends: func(t *testing.T, s *stand, end []picture) {
			s.served(t, end)
			s.permitted(t)
		},
		whole: changesAuth,
		part:  partOfAuth,
	}
}

var partOfAuth = map[string]string{
	"kill": "around every step that changes a user, a role or permissions", "fail": "after each of them",
}

// changingRoles takes a cluster whose permissions are on to other ones.
func changingRoles() operation {
	return operation{
		name: roleFaults, args: []string{"apply", "--yes", "--accept=drop-grants"},
		telling: only("after put-role/app/etcd-1"),
		prepare: func(t *testing.T, s *stand) {
			s.madeOnce(t)
			inv := s.inv
			inv.Settings = strings.Replace(authBlock(`user "old" { roles = ["old"] }`, `role "old" {}`),
				`prefix = "traffic"`, `prefix = "/secret"`, 1)
			s.ok(t, "apply", "--yes", "--accept=drop-grants", s.write(t, "prod.hcl", inv))
			inv.Settings = authBlock()
			s.write(t, "prod.hcl", inv)
		},
		ends: func(t *testing.T, s *stand, end []picture) {
			s.served(t, end)
			s.permitted(t)
		},
		whole: changesAuth,
		part:  partOfAuth,
	}
}
