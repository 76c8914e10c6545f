package etcd

import (
	"cmp"
	"maps"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// simulateAuth is the effect of the steps that change users, roles and permissions.
func simulateAuth(s facts.Snapshot, step plan.Step) facts.Snapshot {
	auth := facts.Auth{Listed: true}
	if s.Auth != nil {
		auth = *s.Auth
	}
	switch step.Kind {
	case plan.PutRole:
		auth.Roles = withRole(auth.Roles, *step.Role)
	case plan.PutUser:
		auth.Users = withUser(auth.Users, *step.User)
		auth.Logins = withLogin(auth.Logins, *step.User)
	case plan.SetPassword:
		auth.Logins = withLogin(auth.Logins, *step.User)
	case plan.DropRole:
		auth.Roles = lacking(auth.Roles, func(r facts.Role) bool { return r.Name == step.Role.Name })
		auth.Users = slices.Clone(auth.Users)
		for i, user := range auth.Users {
			auth.Users[i].Roles = lacking(user.Roles, func(role string) bool { return role == step.Role.Name })
		}
	case plan.DropUser:
		auth.Users = lacking(auth.Users, func(u facts.User) bool { return u.Name == step.User.Name })
		auth.Logins = maps.Clone(auth.Logins)
		delete(auth.Logins, step.User.Name)
	case plan.EnableAuth, plan.DisableAuth:
		auth.Enabled = step.Kind == plan.EnableAuth
	}
	if step.Kind != plan.EnableAuth { // which etcd does not count as a change
		auth.Revision++
	}
	s.Auth = &auth
	return s
}

// withLogin are logins after one user got the password of its source.
func withLogin(logins map[string]facts.Login, change plan.UserChange) map[string]facts.Login {
	if !change.Password {
		return logins
	}
	all := map[string]facts.Login{change.Name: facts.LoginWorks}
	for name, login := range logins {
		if name != change.Name {
			all[name] = login
		}
	}
	return all
}

// lacking is a copy of a list that lacks what a function holds for.
func lacking[T any](list []T, which func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), which)
}

// withRole are roles after one of them has changed, sorted.
func withRole(roles []facts.Role, change plan.RoleChange) []facts.Role {
	role := facts.Role{Name: change.Name}
	for _, r := range roles {
		if r.Name == change.Name {
			role = r
		}
	}
	for _, p := range slices.Concat(change.Grant, change.Revoke) {
		role.Permissions = lacking(role.Permissions, p.SameKeys)
	}
	role.Permissions = append(role.Permissions, change.Grant...)
	slices.SortFunc(role.Permissions, func(a, b facts.Permission) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.End, b.End))
	})
	roles = append(lacking(roles, func(r facts.Role) bool { return r.Name == change.Name }), role)
	slices.SortFunc(roles, func(a, b facts.Role) int { return cmp.Compare(a.Name, b.Name) })
	return roles
}

// withUser are users after one of them has changed, sorted.
func withUser(users []facts.User, change plan.UserChange) []facts.User {
	user := facts.User{Name: change.Name}
	for _, u := range users {
		if u.Name == change.Name {
			user = u
		}
	}
	roles := lacking(user.Roles, func(role string) bool { return slices.Contains(change.Revoke, role) })
	user.Roles = slices.Compact(slices.Sorted(slices.Values(append(roles, change.Grant...))))
	users = append(lacking(users, func(u facts.User) bool { return u.Name == change.Name }), user)
	slices.SortFunc(users, func(a, b facts.User) int { return cmp.Compare(a.Name, b.Name) })
	return users
}
