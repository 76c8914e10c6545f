package etcd

import (
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// Users, roles and permissions come to be as the inventory's block auth says, and permissions are switched on after
// all of them are there. Until then a client may do everything, and from then on only what a role of its user allows.
// clusterup itself is the user root, by the name in its certificate; so root with its role comes first of all, and
// nothing is switched on before every voter was seen to ask for that certificate.
//
// Users and grants that are missing are added. Those that the inventory has not are only named, and taken away by
// consent: somebody may need them.

// permit is the next stage of that. It comes when the cluster is whole, and while it serves.
func (v view) permit() (*plan.Stage, error) {
	wanted, seen := v.want.Cluster.Auth, v.seen.Auth
	through := v.Which(func(m inventory.Member, host facts.Host) bool { return v.votes(m) && v.serves(host) })
	switch {
	case wanted == nil || !v.formed || len(through) == 0:
		return nil, nil
	case seen == nil || wanted.Enabled && !seen.Listed: // what is only simulated may be so
		return nil, v.notListed()
	case !wanted.Enabled && !seen.Enabled:
		return nil, nil
	case !wanted.Enabled:
		return v.switchOff(through[0]), nil
	}
	steps := v.grants(through[0])
	switch {
	case len(steps) == 0 && seen.Enabled:
		return nil, nil
	case v.raised("CORRUPT"):
		return nil, v.whileDiffering()
	case len(steps) > 0:
		return granting(steps), nil
	}
	return v.switchOn(through[0])
}

// askAgain is what to do where members that serve do not tell something.
const askAgain = "run the same command again; if it stays so, the journals of the members say why: journalctl -u, and the " +
	"name of the unit, on their hosts"

// notListed refuses to end as if all were as wanted, where users and roles are not known, or nothing is.
func (v view) notListed() error {
	const again = askAgain
	is := v.seen.Auth
	var found []plan.Refusal
	switch {
	case is == nil && v.seen.AuthError != "":
		found = plan.OneRefusal(plan.Permissions, "", again, "it is not known whether etcd's permissions are on: %s",
			v.seen.AuthError)
	case is == nil || is.Error == "":
		return nil
	case is.TooMuch:
		found = plan.OneRefusal(plan.Permissions, "",
			"take away those that nobody needs: "+etcdctl("user delete NAME")+", and "+etcdctl("role delete NAME"),
			"etcd has more users and roles than clusterup takes: %s", is.Error)
	default:
		found = plan.OneRefusal(plan.Permissions, "", again, "etcd's users and roles are not known: %s", is.Error)
	}
	return &plan.Refused{Refusals: found}
}

// whileDiffering refuses to change permissions while data of members differ, which users and roles are a part of.
func (v view) whileDiffering() error {
	alarm := v.alarms()[slices.IndexFunc(v.alarms(), func(a Alarm) bool { return a.Type == "CORRUPT" })]
	return &plan.Refused{Refusals: plan.OneRefusal(plan.Alarmed, "", alarm.Remedy,
		"%s; users and roles change, and permissions are switched on, when the alarm is gone", alarm.Text)}
}

// granting is the stage of changes of users and roles.
func granting(steps []plan.Step) *plan.Stage {
	gate := "nothing is taken away"
	if slices.ContainsFunc(steps, takesAway) {
		gate = "--accept=" + string(plan.DropGrants) + " was given; root stays, with its role"
	}
	return plan.SideBySide("users, roles and permissions", gate, steps)
}

func takesAway(step plan.Step) bool {
	return step.Kind == plan.DropRole || step.Kind == plan.DropUser ||
		step.Role != nil && len(step.Role.Revoke) > 0 || step.User != nil && len(step.User.Revoke) > 0
}

// switchOn switches permissions on, once every voter serves and asks its clients for certificates, and no member lets
// its users around them. That root has its role is seen to before.
func (v view) switchOn(through string) (*plan.Stage, error) {
	voters := v.voters()
	ready := v.Which(func(m inventory.Member, host facts.Host) bool {
		return v.votes(m) && v.serves(host) && asksForCertificates(host) && (!v.wantsTokens() || v.signs(host))
	})
	if len(ready) < len(voters) {
		if len(v.darkVoters()) > 0 {
			return nil, nil // it waits
		}
		not := slices.DeleteFunc(voters, func(name string) bool { return slices.Contains(ready, name) })
		signs := ""
		if v.wantsTokens() {
			signs = ", and signs tokens with the same key"
		}
		return nil, &plan.Refused{Refusals: plan.OneRefusal(plan.Permissions, "",
			"have it serve and run as the inventory says first: clusterup status shows what keeps it from that",
			"permissions are switched on while every voter serves, and asks its clients for certificates%s: %s does not",
			signs, plan.Enumerate(not))}
	}
	if old := v.unbounded(); old != "" {
		return nil, &plan.Refused{Refusals: plan.OneRefusal(plan.Permissions, "",
			"have them run etcd "+v.want.Cluster.Version+" first, without --hold-last; or set enabled = false in the block auth until then",
			"%s", old)}
	}
	steps := v.setPasswords("", facts.LoginRefused)
	for i := range steps {
		steps[i].Host = through
	}
	return plan.SideBySide("switch permissions on",
		fmt.Sprintf("the user root has its role; %d of %d voters serve, and know clusterup as root by its certificate",
			len(ready), len(voters)), append(steps, plan.Step{
			Kind: plan.EnableAuth, Host: through, Needs: &plan.Needs{Least: len(ready), Serve: ready},
			Why: "from then on clients may do what a role of their user allows, and nothing else",
		})), nil
}

// asksForCertificates says that a member takes the common name of a client's certificate for its user.
func asksForCertificates(host facts.Host) bool {
	return host.Process != nil && units.Flag(host.Process.Args, "client-cert-auth") == "true"
}

func (v view) switchOff(through string) *plan.Stage {
	return plan.SideBySide("switch permissions off", "--accept="+string(plan.NoAuth)+" was given", []plan.Step{{
		Kind: plan.DisableAuth, Host: through, Why: "from then on every client may do everything; users and roles stay",
	}})
}

// darkVoters are the voters whose hosts are dark.
func (v view) darkVoters() []string {
	return slices.DeleteFunc(v.Dark(), func(name string) bool { return !slices.Contains(v.voters(), name) })
}

// permitWaits: permissions that wait for voters on dark hosts.
func (v view) permitWaits() []plan.Wait {
	wanted, seen := v.want.Cluster.Auth, v.seen.Auth
	if wanted == nil || !wanted.Enabled || seen == nil || !v.formed {
		return nil
	}
	unseen := v.darkVoters()
	switch {
	case len(unseen) == 0:
		return nil
	case seen.Enabled:
		return v.passwordWaits(unseen)
	}
	return []plan.Wait{{
		What: "switching permissions on", For: unseen,
		Why: "every voter has to be seen to ask for the certificate by which clusterup is root",
	}}
}

// grants are the steps by which users and roles come to be as wanted: root, then roles, then the users that have them,
// then what goes.
func (v view) grants(through string) []plan.Step {
	drops, rooted := v.want.accepts(plan.DropGrants), false
	var steps []plan.Step
	add := func(step plan.Step) {
		step.Host = through
		steps = append(steps, step)
	}
	if root, has := v.user(inventory.RootUser); !slices.Contains(root.Roles, inventory.RootRole) {
		rooted = true
		add(plan.Step{
			Kind: plan.PutUser, Why: "clusterup is this user, by the name in its certificate",
			User: &plan.UserChange{Name: inventory.RootUser, New: !has, Grant: []string{inventory.RootRole}},
		})
	}
	for _, wanted := range v.want.Cluster.Auth.Roles {
		if change := v.roleChange(wanted, drops); change != nil {
			add(plan.Step{Kind: plan.PutRole, Role: change, Why: whyPut(change.New, "permissions", len(change.Revoke) > 0)})
		}
	}
	for _, wanted := range v.wantedUsers() {
		change := v.userChange(wanted, drops)
		if change != nil && wanted.Name == inventory.RootUser && rooted {
			change.New = false
			change.Grant = slices.DeleteFunc(change.Grant, func(role string) bool { return role == inventory.RootRole })
		}
		if change != nil && change.New && wanted.Password != nil {
			if change.Password = true; !v.allSign() { // it waits
				continue
			}
		}
		if change != nil && (change.New || len(change.Grant)+len(change.Revoke) > 0) {
			add(plan.Step{Kind: plan.PutUser, User: change, Why: whyPut(change.New, "roles", len(change.Revoke) > 0)})
		}
	}
	if v.seen.Auth.Enabled && v.allSign() {
		for _, step := range v.setPasswords(facts.LoginRefused) {
			add(step)
		}
	}
	if drops {
		for _, name := range v.strayUsers() {
			add(plan.Step{Kind: plan.DropUser, User: &plan.UserChange{Name: name}, Why: "it is not in the inventory"})
		}
		for _, name := range v.strayRoles() {
			add(plan.Step{Kind: plan.DropRole, Role: &plan.RoleChange{Name: name}, Why: "it is not in the inventory"})
		}
	}
	return steps
}

func whyPut(made bool, what string, drops bool) string {
	switch {
	case made:
		return "it is in the inventory, and not there"
	case drops:
		return "its " + what + " are others in the inventory"
	}
	return "it lacks " + what + " that the inventory has"
}

// user and role are those of a name, as they were seen; false: there is none.
func (v view) user(name string) (facts.User, bool) {
	at := slices.IndexFunc(v.seen.Auth.Users, func(u facts.User) bool { return u.Name == name })
	if at < 0 {
		return facts.User{}, false
	}
	return v.seen.Auth.Users[at], true
}

func (v view) role(name string) (facts.Role, bool) {
	at := slices.IndexFunc(v.seen.Auth.Roles, func(r facts.Role) bool { return r.Name == name })
	if at < 0 {
		return facts.Role{}, false
	}
	return v.seen.Auth.Roles[at], true
}

// wantedUsers are those of the inventory, and root, which has its role.
func (v view) wantedUsers() []inventory.AuthUser {
	users := slices.Clone(v.want.Cluster.Auth.Users)
	at := slices.IndexFunc(users, func(u inventory.AuthUser) bool { return u.Name == inventory.RootUser })
	if at < 0 {
		return append(users, inventory.AuthUser{Name: inventory.RootUser, Roles: []string{inventory.RootRole}})
	}
	if !slices.Contains(users[at].Roles, inventory.RootRole) {
		users[at].Roles = append([]string{inventory.RootRole}, users[at].Roles...)
	}
	return users
}

// userChange is what a user lacks, and with drops what it has too much; nil: nothing.
func (v view) userChange(wanted inventory.AuthUser, drops bool) *plan.UserChange {
	has, there := v.user(wanted.Name)
	change := &plan.UserChange{Name: wanted.Name, New: !there}
	for _, role := range wanted.Roles {
		if !slices.Contains(has.Roles, role) {
			change.Grant = append(change.Grant, role)
		}
	}
	for _, role := range has.Roles {
		if drops && !slices.Contains(wanted.Roles, role) {
			change.Revoke = append(change.Revoke, role)
		}
	}
	if there && len(change.Grant)+len(change.Revoke) == 0 {
		return nil
	}
	return change
}

// roleChange is what a role lacks, and with drops what it has too much; nil: nothing. Etcd has one permission for a
// range of keys, so what is allowed there already stays allowed, unless it is to go.
func (v view) roleChange(wanted inventory.AuthRole, drops bool) *plan.RoleChange {
	has, there := v.role(wanted.Name)
	change := &plan.RoleChange{Name: wanted.Name, New: !there}
	for _, p := range wanted.Permissions {
		to := facts.Permission(p)
		is := over(has.Permissions, to)
		if !drops {
			to.Read, to.Write = to.Read || is.Read, to.Write || is.Write
		}
		if is != to {
			change.Grant = append(change.Grant, to)
		}
	}
	for _, is := range has.Permissions {
		if drops && !wants(wanted, is) {
			change.Revoke = append(change.Revoke, is)
		}
	}
	if there && len(change.Grant)+len(change.Revoke) == 0 {
		return nil
	}
	return change
}

// over is the permission among some that is for the same keys as another; the zero value: none is.
func over(all []facts.Permission, other facts.Permission) facts.Permission {
	at := slices.IndexFunc(all, other.SameKeys)
	if at < 0 {
		return facts.Permission{}
	}
	return all[at]
}

// wants says whether the inventory has a permission of a role for these keys.
func wants(role inventory.AuthRole, is facts.Permission) bool {
	return slices.ContainsFunc(role.Permissions, func(p inventory.Permission) bool {
		return is.SameKeys(facts.Permission(p))
	})
}

// strayUsers and strayRoles are those that the inventory has not. Root is never among them.
func (v view) strayUsers() []string {
	var names []string
	wanted := v.wantedUsers()
	for _, has := range v.seen.Auth.Users {
		if !slices.ContainsFunc(wanted, func(u inventory.AuthUser) bool { return u.Name == has.Name }) {
			names = append(names, has.Name)
		}
	}
	return names
}

func (v view) strayRoles() []string {
	var names []string
	for _, has := range v.seen.Auth.Roles {
		if has.Name != inventory.RootRole && !slices.ContainsFunc(v.want.Cluster.Auth.Roles,
			func(r inventory.AuthRole) bool { return r.Name == has.Name }) {
			names = append(names, has.Name)
		}
	}
	return names
}
