package inventory

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// RootUser is the user whom etcd lets administer it, and RootRole the role that lets a user do everything. A cluster
// with permissions always has both, and the user has the role.
const (
	RootUser = "root"
	RootRole = "root"
)

// ObserverUser is the user of an observer's certificate, which may only look as long as it has no roles.
const ObserverUser = "clusterup-observer"

var (
	authSchema = &hcl.BodySchema{
		Attributes: attributes("enabled"),
		Blocks: []hcl.BlockHeaderSchema{
			{Type: "user", LabelNames: []string{"name"}},
			{Type: "role", LabelNames: []string{"name"}},
		},
	}
	authUserSchema   = &hcl.BodySchema{Attributes: attributes(append(passwordWays, "roles", "password")...)}
	authRoleSchema   = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "permission"}}}
	permissionSchema = &hcl.BodySchema{Attributes: attributes("prefix", "key", "from", "to", "access")}

	authName = regexp.MustCompile(`^[!-~]{1,64}$`)
)

// authRead is an auth block with the places that checks across blocks point at.
type authRead struct {
	*Auth
	block hcl.Range
	users []hcl.Range // of their names
}

// readAuth reads the auth block; nil where there is none.
func (s scope) readAuth(b *hcl.Block) authRead {
	if b == nil {
		return authRead{}
	}
	v, content := s.newValues(b, authSchema)
	a := &Auth{Enabled: true, Range: rangeOf(b.DefRange)}
	v.flag("enabled", &a.Enabled)
	blocks := content.Blocks.ByType()
	roles := s.readRoles(blocks["role"], a)
	out := authRead{Auth: a, block: b.DefRange}
	first := map[string]hcl.Range{}
	for _, block := range blocks["user"] {
		name, at := block.Labels[0], block.LabelRanges[0]
		s.checkAuthName("user", name, at, first)
		if strings.Contains(name, ":") {
			s.problems.errorAt(at, "bad user name",
				"%q: a name with \":\" may be that of a member's certificate, as which requests to the JSON gateway can act.",
				clip(name))
		}
		user := s.readUser(block, roles)
		if name == ObserverUser && len(user.Roles) > 0 {
			s.problems.errorAt(at, "roles of the observer",
				"%q is the user of an observer's certificate, which is to look and no more: take its roles away.", name)
		}
		a.Users = append(a.Users, user)
		out.users = append(out.users, at)
	}
	return out
}

// checkAuthName reports a name that is no good, or that is there already.
func (s scope) checkAuthName(kind, name string, at hcl.Range, first map[string]hcl.Range) {
	old, twice := first[name]
	switch {
	case !authName.MatchString(name) || strings.ContainsAny(name, `"\`):
		s.problems.errorAt(at, "bad "+kind+" name",
			"%q: the name of a %s here has 1 to 64 printable characters of ASCII, without spaces, quotes and backslashes.",
			clip(name), kind)
	case twice:
		s.problems.errorAt(at, kind+" given twice", "The %s %q is already at %s:%d.", kind, name, old.Filename,
			old.Start.Line)
	}
	first[name] = at
}

func (s scope) readUser(b *hcl.Block, roles []string) AuthUser {
	v, _ := s.newValues(b, authUserSchema)
	return AuthUser{Name: b.Labels[0], Roles: v.grants(roles), Password: v.password(b)}
}

// grants are the roles of a user. Each is one of the block's, or root.
func (v values) grants(roles []string) []string {
	var granted []string
	items, _ := v.list("roles")
	for _, one := range items {
		switch {
		case slices.Contains(granted, one.text):
			v.badExpr(one.expr, "role given twice", "%q is already in roles.", clip(one.text))
			continue
		case one.text != RootRole && !slices.Contains(roles, one.text):
			v.badExpr(one.expr, "no such role", "There is no role %q in this auth block; write role %q { … }.%s",
				clip(one.text), clip(one.text), didYouMean(one.text, slices.Values(append(slices.Clone(roles), RootRole))))
			continue
		}
		granted = append(granted, one.text)
	}
	return granted
}

// readRoles reads the roles of a block into a, and returns their names.
func (s scope) readRoles(blocks hcl.Blocks, a *Auth) []string {
	var names []string
	first := map[string]hcl.Range{}
	for _, b := range blocks {
		name := b.Labels[0]
		s.checkAuthName("role", name, b.LabelRanges[0], first)
		names = append(names, name)
		permissions := s.problems.content(b.Body, authRoleSchema).Blocks
		if name == RootRole {
			if len(permissions) > 0 {
				s.problems.errorAt(permissions[0].DefRange, "permissions of root",
					"The role root may do everything, whatever it is given; take its permission blocks away.")
			}
			continue // it is always there
		}
		a.Roles = append(a.Roles, AuthRole{Name: name, Permissions: s.readPermissions(permissions)})
	}
	return names
}

func (s scope) readPermissions(blocks hcl.Blocks) []Permission {
	var all []Permission
	first := map[[2]string]hcl.Range{}
	for _, b := range blocks {
		v, _ := s.newValues(b, permissionSchema)
		p, ok := v.permission(b)
		if !ok {
			continue
		}
		span := [2]string{p.Key, p.End}
		if old, twice := first[span]; twice {
			s.problems.errorAt(b.DefRange, "permission given twice",
				"The same keys are already at %s:%d; give both accesses at once, with access = \"readwrite\".", old.Filename,
				old.Start.Line)
			continue
		}
		first[span] = b.DefRange
		all = append(all, p)
	}
	return all
}

// permission reads one permission; false: it has a mistake.
func (v values) permission(b *hcl.Block) (Permission, bool) {
	before := len(v.problems.list)
	var p Permission
	access := ""
	v.require("access", b.DefRange, `Say what is allowed: access = "read", "write" or "readwrite".`)
	v.checked("access", &access, checkAccess)
	p.Read, p.Write = strings.HasPrefix(access, "read"), strings.HasSuffix(access, "write")
	v.span(b, &p)
	return p, len(v.problems.list) == before && access != "" && p.Key != ""
}

func checkAccess(s string) error {
	words := []string{"read", "write", "readwrite"}
	if slices.Contains(words, s) {
		return nil
	}
	meant := map[string]string{"r": "read", "w": "write", "rw": "readwrite", "read-write": "readwrite"}[strings.ToLower(s)]
	if meant != "" {
		return fmt.Errorf("write %q", meant)
	}
	return errors.New(`write "read", "write" or "readwrite"`)
}

// span reads which keys a permission is about.
func (v values) span(b *hcl.Block, p *Permission) {
	var ways []string
	for _, name := range []string{"prefix", "key", "from"} {
		if v.has(name) {
			ways = append(ways, name)
		}
	}
	switch {
	case len(ways) == 0 && v.has("to"):
		v.problems.errorAt(v.attrs["to"].NameRange, "to without from", "Say where the keys begin: from = \"…\".")
	case len(ways) == 0 && !v.dirty:
		v.problems.errorAt(b.DefRange, "no keys", "Say which keys: prefix = \"/app/\", key = \"…\", or from = \"…\" and to = \"…\"; "+
			"prefix = \"\" is all keys.")
	case len(ways) > 1:
		v.problems.errorAt(v.attrs[ways[1]].NameRange, "keys given twice",
			"There is %s already; write a permission block for each.", ways[0])
	case len(ways) == 0:
	case ways[0] != "from" && v.has("to"):
		v.problems.errorAt(v.attrs["to"].NameRange, "to without from", "to goes with from, and not with %s.", ways[0])
	default:
		v.keys(ways[0], p)
	}
}

// keys reads the keys that are given in one way.
func (v values) keys(way string, p *Permission) {
	var text, to string
	if !v.text(way, &text) {
		return
	}
	switch {
	case way == "prefix":
		p.Key, p.End = prefixRange(text)
		return
	case text == "":
		v.bad(way, "empty "+way, "%s is not empty; prefix = \"\" is all keys.", way)
		return
	case way == "key":
		p.Key = text
		return
	}
	p.Key, p.End = text, openEnd
	if v.text("to", &to) {
		if to <= text {
			v.bad("to", "to before from", "The keys are those from %q on and before %q, and there are none.", clip(text), clip(to))
			return
		}
		p.End = to
	}
}

// openEnd is etcd's end of a range that has none. As a first key, it is before all others.
const openEnd = "\x00"

// prefixRange is a prefix as etcd knows it: as a range of keys.
func prefixRange(prefix string) (key, end string) {
	if prefix == "" {
		return openEnd, openEnd
	}
	last := []byte(prefix)
	for i := len(last) - 1; i >= 0; i-- {
		if last[i] < 0xff {
			last[i]++
			return prefix, string(last[:i+1])
		}
	}
	return prefix, openEnd
}

// checkAuth holds an auth block against the others of its cluster.
func (p *problems) checkAuth(a authRead, c *Cluster) {
	if a.Auth == nil {
		return
	}
	p.checkTokens(a, c)
	for i, user := range a.Users {
		if slices.ContainsFunc(c.Members, func(m Member) bool { return m.Name == user.Name }) {
			p.errorAt(a.users[i], "user called like a member",
				"%q is the name of a member, whose certificates may carry it; call the user otherwise.", user.Name)
		}
	}
	switch {
	case !a.Enabled:
	case !c.TLS.Clients:
		p.errorAt(a.block, "permissions without TLS",
			"clusterup is the user root by its certificate, and without TLS there is none. Take clients = false out of the tls "+
				"block, or set enabled = false here.")
	case c.TLS.HTTPClientPort != 0 && len(a.Passwords()) > 0:
		p.warnAt(a.block, "passwords over http",
			"Clients that speak http on port %d have no certificate, so etcd refuses those that do not log in, and others on the "+
				"way can read the passwords and tokens of those that do.", c.TLS.HTTPClientPort)
	case c.TLS.HTTPClientPort != 0:
		p.warnAt(a.block, "http beside permissions",
			"Clients that speak http on port %d have no certificate, so etcd refuses them once permissions are on.",
			c.TLS.HTTPClientPort)
	}
}
