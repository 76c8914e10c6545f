package etcd

import (
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
)

// Permitted is how the permissions of a cluster stand, for people.
type Permitted struct {
	Wanted  bool // the inventory has them on
	Known   bool // whether they are on was told
	Enabled bool
	Listed  bool // users and roles were told; the rest is zero otherwise
	Users   int
	Roles   int
	Stray   []string // what the inventory has not, in words
	Gaps    string   // which members let users around permissions that are on, and how; "": none
	// roles of an observer that allow something: it is to look, and no more. They are not among Stray
	Observer []string
}

// Permissions says how they stand.
func Permissions(w Want, s facts.Snapshot) Permitted {
	v := glance(w, s)
	a := w.Cluster.Auth
	p := Permitted{Wanted: a != nil && a.Enabled, Known: s.Auth != nil}
	if !p.Known {
		return p
	}
	p.Enabled, p.Gaps = s.Auth.Enabled, v.gaps()
	if p.Listed = p.Wanted && s.Auth.Listed; p.Listed {
		p.Users, p.Roles, p.Stray = len(s.Auth.Users), len(s.Auth.Roles), v.stray()
		p.Observer = v.observerRoles()
	}
	return p
}

// observerRoles are those roles of the observer's user that allow something.
func (v view) observerRoles() []string {
	user, _ := v.user(Observer)
	return slices.DeleteFunc(slices.Clone(user.Roles), func(name string) bool {
		role, _ := v.role(name)
		return name != inventory.RootRole && len(role.Permissions) == 0
	})
}

// ObserverPower says what is wrong with an observer that has roles, and what to do about it.
func ObserverPower(roles []string) (text, do string) {
	var revoke []string
	for _, name := range roles {
		revoke = append(revoke, etcdctl("user revoke-role "+Observer+" "+facts.Shown(name)))
	}
	return fmt.Sprintf("the user %s, as which an observer's certificate is to look and no more, has %s", Observer,
		enumerated("role", roles)), some(revoke, "; ")
}

// stray is what the inventory has not, in words: users, roles, and what those have too much that it has.
func (v view) stray() []string {
	var found []string
	for _, name := range v.strayUsers() {
		user, _ := v.user(name)
		if name == Observer && len(v.observerRoles()) > 0 {
			continue // which is said in words of its own
		}
		text := enumerated("user", []string{name})
		if len(user.Roles) > 0 {
			text += " with " + enumerated("role", user.Roles)
		}
		found = append(found, text)
	}
	for _, wanted := range v.wantedUsers() {
		if wanted.Name == Observer && len(v.observerRoles()) > 0 {
			continue
		}
		if change := v.userChange(wanted, true); change != nil && len(change.Revoke) > 0 {
			found = append(found, fmt.Sprintf("%s of user %q", enumerated("role", change.Revoke), wanted.Name))
		}
	}
	for _, name := range v.strayRoles() {
		role, _ := v.role(name)
		found = append(found, enumerated("role", []string{name})+", "+allowed(role.Permissions))
	}
	for _, wanted := range v.want.Cluster.Auth.Roles {
		found = append(found, v.strayPermissions(wanted)...)
	}
	return found
}

// strayPermissions are what a role of the inventory allows that it is not to allow.
func (v view) strayPermissions(wanted inventory.AuthRole) []string {
	has, _ := v.role(wanted.Name)
	var all []facts.Permission
	for _, is := range has.Permissions {
		for _, p := range wanted.Permissions {
			if is.SameKeys(facts.Permission(p)) {
				is.Read, is.Write = is.Read && !p.Read, is.Write && !p.Write
			}
		}
		if is.Read || is.Write {
			all = append(all, is)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("of role %q %s", wanted.Name, allowed(all))}
}

// allowed are permissions in words.
func allowed(all []facts.Permission) string {
	if len(all) == 0 {
		return "which allows nothing"
	}
	texts := make([]string, 0, len(all))
	for _, p := range all {
		texts = append(texts, p.String())
	}
	return some(texts, ", ")
}

// enumerated are names with what they are: `role "a"`, `roles "a", "b"`.
func enumerated(what string, names []string) string {
	if len(names) > 1 {
		what += "s"
	}
	quoted := make([]string, 0, len(names))
	for _, name := range names {
		quoted = append(quoted, facts.Quoted(name))
	}
	return what + " " + some(quoted, ", ")
}
