package inventory

import (
	"time"

	"github.com/hashicorp/hcl/v2"
)

var clientSchema = &hcl.BodySchema{Attributes: attributes("user", "organization", "lifetime")}

func (s scope) readClients(blocks hcl.Blocks, where place, pki PKI) []Client {
	p := s.problems
	var out []Client
	first := map[string]hcl.Range{}
	for _, b := range blocks {
		name := b.Labels[0]
		old, twice := first[name]
		switch {
		case !certName.MatchString(name) || len(name) > 64:
			p.errorAt(b.LabelRanges[0], "bad client name",
				"%q: a common name here has at most 64 letters, digits and any of . _ @ -, and starts with a letter or digit.",
				clip(name))
		case twice:
			p.errorAt(b.LabelRanges[0], "client given twice", "The client %q is already at %s.", name, at(old))
		}
		first[name] = b.LabelRanges[0]
		out = append(out, s.readClient(b, where, pki))
	}
	return out
}

func (s scope) readClient(b *hcl.Block, where place, pki PKI) Client {
	v, _ := s.newValues(b, clientSchema, where)
	c := Client{Name: b.Labels[0], User: b.Labels[0], Lifetime: pki.Lifetime}
	if v.text("user", &c.User) && (!certName.MatchString(c.User) || len(c.User) > 64) {
		v.bad("user", "bad user",
			"%q: a common name here has at most 64 letters, digits and any of . _ @ -, and starts with a letter or digit.",
			clip(c.User))
	}
	if v.text("organization", &c.Organization) && !goodOrganization(c.Organization) {
		v.bad("organization", "bad organization", "%q: write 1 to 64 characters, without line breaks and other controls.",
			clip(c.Organization))
	}
	if v.duration("lifetime", &c.Lifetime) {
		switch {
		case c.Lifetime < time.Minute:
			v.bad("lifetime", "lifetime too short", "A certificate lives for at least 1m.")
		case c.Lifetime >= pki.CALifetime:
			v.bad("lifetime", "lifetime too long", "A certificate (%s) must not outlive the CA that signs it (%s).",
				durationText(c.Lifetime), durationText(pki.CALifetime))
		}
	}
	return c
}

func goodOrganization(s string) bool {
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
