package inventory

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Password says where the password of a user comes from. Exactly one field is set. The password is in no inventory, and
// clusterup keeps it nowhere.
type Password struct {
	File    string   // absolute path; its first line is the password
	Env     string   // name of an environment variable
	Command []string // a program and its arguments, without a shell; the first line of its stdout is the password
}

// passwordWays are the attributes that say so.
var passwordWays = []string{"password_file", "password_env", "password_command"}

// password reads where the password of a user comes from; nil: it has none.
func (v values) password(b *hcl.Block) *Password {
	if v.has("password") {
		v.problems.errorAt(v.attrs["password"].NameRange, "a password in the inventory",
			"A password does not belong in a file that others read. Name its source, with %s; and make another password, "+
				"if this was one.", strings.Join(passwordWays, ", "))
		return nil
	}
	var ways []string
	for _, name := range passwordWays {
		if v.has(name) {
			ways = append(ways, name)
		}
	}
	switch {
	case len(ways) == 0:
		return nil
	case len(ways) > 1:
		v.problems.errorAt(v.attrs[ways[1]].NameRange, "two passwords", "There is %s already; write one of the two.", ways[0])
		return nil
	case b.Labels[0] == RootUser:
		v.problems.errorAt(v.attrs[ways[0]].NameRange, "a password for root",
			"clusterup is the user root by its certificate, and a password would be a second way in. Give another user the role root.")
		return nil
	}
	out := &Password{}
	v.path("password_file", &out.File)
	if v.text("password_env", &out.Env) && !envName.MatchString(out.Env) {
		v.problems.errorAt(v.exprRange("password_env"), "bad password_env",
			"It is the name of an environment variable. A password itself does not belong in an inventory; if this is one, make another.")
	}
	items, _ := v.list("password_command")
	for _, one := range items {
		out.Command = append(out.Command, one.text)
	}
	if v.has("password_command") && (len(out.Command) == 0 || out.Command[0] == "" ||
		slices.ContainsFunc(out.Command, func(arg string) bool { return strings.ContainsRune(arg, 0) })) {
		v.problems.errorAt(v.exprRange("password_command"), "bad password_command",
			`Write the program and its arguments, such as ["pass", "show", "etcd/app"].`)
	}
	return out
}

// Source says where a password comes from, for people.
func (p Password) Source() string {
	switch {
	case p.File != "":
		return p.File
	case p.Env != "":
		return "the environment variable " + p.Env
	case len(p.Command) > 0:
		return fmt.Sprintf("what %q prints", clip(p.Command[0]))
	}
	return "nowhere"
}

// Passwords are the users that have one, in the order of the file; none without a block.
func (a *Auth) Passwords() []AuthUser {
	if a == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(a.Users), func(u AuthUser) bool { return u.Password == nil })
}

// checkTokens holds users with a password against what is said of tokens.
func (p *problems) checkTokens(a authRead, c *Cluster) {
	if len(a.Passwords()) == 0 {
		return
	}
	for _, flag := range []string{"auth-token", "auth-token-ttl"} {
		if _, set := c.Etcd.Flags[flag]; set {
			p.errorAt(a.block, "tokens said twice",
				"A user here has a password, so clusterup makes the key for tokens, and sets auth-token itself; take %s out of "+
					"the flags.", flag)
		}
	}
}
