package etcd

import (
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// lawAuth: users and roles change while a quorum serves, and root with its role comes first. Permissions are switched
// on only when that was seen, by a run that no voter is missing for, and each has to ask for certificates. Nothing is
// taken away, and they are not switched off, unless the operator has agreed; root never goes.
func lawAuth(w Want, s facts.Snapshot, stage plan.Stage) error {
	up, voters := serving(w, s), electorate(w, s)
	rooted, roles := isRooted(s), map[string]bool{"root": true}
	if s.Auth != nil {
		for _, role := range s.Auth.Roles {
			roles[role.Name] = true
		}
	}
	for _, step := range stage.Steps {
		kinds := []plan.Kind{
			plan.PutRole, plan.PutUser, plan.SetPassword, plan.DropRole, plan.DropUser, plan.EnableAuth,
			plan.DisableAuth,
		}
		if !slices.Contains(kinds, step.Kind) {
			continue
		}
		serve := 0
		for name := range up {
			if voters[name] {
				serve++
			}
		}
		switch {
		case serve < len(voters)/2+1 || !up[step.Host]:
			return fmt.Errorf("permissions: %s while %d of %d voters serve", step.ID(), serve, len(voters))
		case w.Cluster.Auth == nil || s.Auth == nil:
			return fmt.Errorf("permissions: %s, and nobody has asked for it, or told what there is", step.ID())
		case w.Cluster.Auth.Enabled == (step.Kind == plan.DisableAuth):
			return fmt.Errorf("permissions: %s, and the inventory says the opposite", step.ID())
		}
		if err := lawGrant(w, s, step, roles); err != nil {
			return err
		}
		if step.User != nil && step.User.Name == "root" && slices.Contains(step.User.Grant, "root") {
			rooted = true
		}
		switch {
		case step.Kind == plan.DisableAuth:
			if !slices.Contains(w.Accept, plan.NoAuth) {
				return fmt.Errorf("permissions: %s without consent", step.ID())
			}
		case !rooted:
			return fmt.Errorf("permissions: %s before root has its role", step.ID())
		case step.Kind == plan.EnableAuth:
			if err := lawSwitchOn(w, s, step); err != nil {
				return err
			}
		}
	}
	return nil
}

// isRooted says that the user root was seen with the role root.
func isRooted(s facts.Snapshot) bool {
	return s.Auth != nil && slices.ContainsFunc(s.Auth.Users, func(u facts.User) bool {
		return u.Name == "root" && slices.Contains(u.Roles, "root")
	})
}

func lawSwitchOn(w Want, s facts.Snapshot, step plan.Step) error {
	up, voters := serving(w, s), electorate(w, s)
	for name := range voters {
		host := s.Hosts[name]
		if !up[name] || host.Process == nil || !slices.Contains(host.Process.Args, "--client-cert-auth=true") ||
			!slices.Contains(step.Needs.Serve, name) {
			return fmt.Errorf("permissions: %s, and %s was not seen to serve, and to ask for certificates", step.ID(), name)
		}
	}
	if !isRooted(s) || step.Needs.Least != len(voters) {
		return fmt.Errorf("permissions: %s without root, or on less than all voters: %+v", step.ID(), step.Needs)
	}
	return nil
}

// lawGrant is about one user or role. roles are those that there are by then.
func lawGrant(w Want, s facts.Snapshot, step plan.Step, roles map[string]bool) error {
	drops := slices.Contains(w.Accept, plan.DropGrants)
	switch step.Kind {
	case plan.DropRole, plan.DropUser:
		if !drops || step.Role != nil && step.Role.Name == "root" || step.User != nil && step.User.Name == "root" {
			return fmt.Errorf("permissions: %s", step.ID())
		}
	case plan.PutUser:
		if len(step.User.Revoke) > 0 && (!drops || step.User.Name == "root" && slices.Contains(step.User.Revoke, "root")) {
			return fmt.Errorf("permissions: %s takes %q away", step.ID(), step.User.Revoke)
		}
		for _, role := range step.User.Grant {
			if !roles[role] {
				return fmt.Errorf("permissions: %s gives the role %s, which is not there yet", step.ID(), role)
			}
		}
	case plan.PutRole:
		roles[step.Role.Name] = true
		for _, role := range s.Auth.Roles {
			for _, is := range role.Permissions {
				if role.Name != step.Role.Name || drops {
					continue
				}
				for _, to := range step.Role.Grant {
					if to.Key == is.Key && to.End == is.End && (is.Read && !to.Read || is.Write && !to.Write) {
						return fmt.Errorf("permissions: %s narrows %s to %s", step.ID(), is, to)
					}
				}
			}
		}
		if len(step.Role.Revoke) > 0 && !drops {
			return fmt.Errorf("permissions: %s takes %v away", step.ID(), step.Role.Revoke)
		}
	}
	return nil
}

// lawSettledAuth: where there is nothing left to do, permissions are as the inventory has them.
func lawSettledAuth(w Want, s facts.Snapshot) error {
	wanted := w.Cluster.Auth
	switch {
	case wanted == nil:
		return nil
	case s.Auth == nil || s.Auth.Enabled != wanted.Enabled:
		return fmt.Errorf("settled: permissions are %+v", s.Auth)
	case !wanted.Enabled:
		return nil
	case !isRooted(s):
		return fmt.Errorf("settled: no root among %+v", s.Auth.Users)
	}
	drops := slices.Contains(w.Accept, plan.DropGrants)
	for _, role := range wanted.Roles {
		if err := lawSettledRole(s, role, drops); err != nil {
			return err
		}
	}
	for _, user := range wanted.Users {
		at := slices.IndexFunc(s.Auth.Users, func(u facts.User) bool { return u.Name == user.Name })
		if at < 0 {
			return fmt.Errorf("settled: no user %s", user.Name)
		}
		for _, role := range user.Roles {
			if !slices.Contains(s.Auth.Users[at].Roles, role) {
				return fmt.Errorf("settled: %s has not the role %s", user.Name, role)
			}
		}
		if drops && user.Name != "root" && len(s.Auth.Users[at].Roles) != len(user.Roles) {
			return fmt.Errorf("settled: %s has the roles %q", user.Name, s.Auth.Users[at].Roles)
		}
	}
	extra := len(wanted.Users)
	if !slices.ContainsFunc(wanted.Users, func(u inventory.AuthUser) bool { return u.Name == "root" }) {
		extra++
	}
	if drops && len(s.Auth.Users) != extra {
		return fmt.Errorf("settled: there are %d users, and %d are wanted", len(s.Auth.Users), extra)
	}
	return nil
}

func lawSettledRole(s facts.Snapshot, role inventory.AuthRole, drops bool) error {
	at := slices.IndexFunc(s.Auth.Roles, func(r facts.Role) bool { return r.Name == role.Name })
	if at < 0 {
		return fmt.Errorf("settled: no role %s", role.Name)
	}
	has := s.Auth.Roles[at].Permissions
	for _, p := range role.Permissions {
		if !slices.ContainsFunc(has, func(is facts.Permission) bool {
			exact := is.Read == p.Read && is.Write == p.Write
			return is.Key == p.Key && is.End == p.End && (is.Read || !p.Read) && (is.Write || !p.Write) && (exact || !drops)
		}) {
			return fmt.Errorf("settled: %s allows %v, and %+v is wanted", role.Name, has, p)
		}
	}
	if drops && len(has) != len(role.Permissions) {
		return fmt.Errorf("settled: %s allows %v", role.Name, has)
	}
	return nil
}
