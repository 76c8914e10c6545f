package inventory

import (
	"path/filepath"
	"time"

	"github.com/hashicorp/hcl/v2"
)

var sshSchema = &hcl.BodySchema{
	Attributes: attributes("user", "port", "identity_file", "known_hosts", "sudo", "agent", "connect_timeout"),
	Blocks:     []hcl.BlockHeaderSchema{{Type: "jump"}},
}

var jumpSchema = &hcl.BodySchema{Attributes: attributes("address", "port", "user", "identity_file")}

func (p place) defaultSSH(cluster string) SSH {
	known := []string{filepath.Join(p.dir, ".clusterup", cluster, "known_hosts")}
	if p.home != "" {
		known = append(known, filepath.Join(p.home, ".ssh", "known_hosts"))
	}
	known = append(known, "/etc/ssh/ssh_known_hosts")
	return SSH{Port: 22, KnownHosts: known, Agent: true, ConnectTimeout: 10 * time.Second}
}

// readSSH lays an ssh block, which may be nil, over what it inherits. Lists and jump hosts replace the inherited ones.
func (s scope) readSSH(b *hcl.Block, inherited SSH) SSH {
	out := inherited
	if b == nil {
		return out
	}
	v, content := s.newValues(b, sshSchema)
	v.user(&out.User)
	v.port("port", &out.Port)
	v.flag("sudo", &out.Sudo)
	v.flag("agent", &out.Agent)
	v.paths("identity_file", &out.IdentityFiles)
	if v.paths("known_hosts", &out.KnownHosts); len(out.KnownHosts) == 0 {
		v.bad("known_hosts", "no known_hosts",
			"Host keys are always checked; name at least one file, or leave the attribute out.")
	}
	if v.duration("connect_timeout", &out.ConnectTimeout) &&
		(out.ConnectTimeout < time.Second || out.ConnectTimeout > 10*time.Minute) {
		v.bad("connect_timeout", "connect_timeout out of range", "It is between 1s and 10m.")
	}
	if len(content.Blocks) > 0 {
		out.Jump = nil
	}
	for _, block := range content.Blocks {
		out.Jump = append(out.Jump, s.readJump(block, out))
	}
	return out
}

func (s scope) readJump(b *hcl.Block, around SSH) Jump {
	v, _ := s.newValues(b, jumpSchema)
	out := Jump{Port: 22, User: around.User, IdentityFiles: around.IdentityFiles}
	v.require("address", b.DefRange, "A jump block needs the address of the jump host.")
	v.address("address", &out.Address)
	v.port("port", &out.Port)
	v.user(&out.User)
	v.paths("identity_file", &out.IdentityFiles)
	return out
}

func (v values) user(target *string) {
	var user string
	if !v.text("user", &user) {
		return
	}
	if !userName.MatchString(user) || len(user) > 64 {
		v.bad("user", "bad user", "%q is not the name of a user.", clip(user))
		return
	}
	*target = user
}

func (v values) address(name string, target *string) {
	var text string
	if !v.text(name, &text) {
		return
	}
	address, err := parseAddress(text)
	if err != nil {
		v.bad(name, "bad "+name, "%q: %s.", clip(text), err)
		return
	}
	*target = address
}

// paths reads one path or a list of paths.
func (v values) paths(name string, target *[]string) {
	items, ok := v.list(name)
	if !ok {
		return
	}
	var out []string
	for _, one := range items {
		path, err := v.place.path(one.text)
		if err != nil {
			v.badExpr(one.expr, "bad path", "%s: %s.", name, err)
			return
		}
		out = append(out, path)
	}
	*target = out
}
