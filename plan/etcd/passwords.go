package etcd

import (
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// Etcd tells of no user whether it has a password, or which. So a login is tried with the one of the source, while
// permissions are on, and the password is set where that is refused. While they are off nobody can log in: then all are
// set right before they are switched on, but for those that this run has set.

// setPasswords are the steps that set passwords of users that there are, where a login of theirs has become one of
// these.
func (v view) setPasswords(logins ...facts.Login) []plan.Step {
	var steps []plan.Step
	for _, wanted := range v.want.Cluster.Auth.Passwords() {
		if _, there := v.user(wanted.Name); !there || !slices.Contains(logins, v.seen.Auth.Logins[wanted.Name]) {
			continue
		}
		why := "a login with the password of its source is refused"
		if !v.seen.Auth.Enabled {
			why = "while permissions are off, nobody can see whether it has the password of its source"
		}
		steps = append(steps, plan.Step{
			Kind: plan.SetPassword, Why: why, User: &plan.UserChange{Name: wanted.Name, Password: true},
		})
	}
	return steps
}

// passwordsDue says that a user is to get a password.
func (v view) passwordsDue() bool {
	return slices.ContainsFunc(v.want.Cluster.Auth.Passwords(), func(wanted inventory.AuthUser) bool {
		_, there := v.user(wanted.Name)
		return !there || !v.seen.Auth.Enabled || v.seen.Auth.Logins[wanted.Name] == facts.LoginRefused
	})
}

// passwordsWait says that users are to get passwords while permissions are on, and not every voter was seen to sign
// tokens with the same key.
func (v view) passwordsWait() bool {
	wanted, seen := v.want.Cluster.Auth, v.seen.Auth
	return wanted != nil && wanted.Enabled && seen != nil && seen.Enabled && seen.Listed &&
		v.passwordsDue() && !v.allSign()
}

// passwordWaits: passwords that wait for voters on dark hosts.
func (v view) passwordWaits(unseen []string) []plan.Wait {
	if !v.passwordsWait() {
		return nil
	}
	return []plan.Wait{{
		What: "the passwords of users", For: unseen,
		Why: "every voter has to be seen to sign tokens with the same key",
	}}
}
