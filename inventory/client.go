package inventory

import (
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

var clientSchema = &hcl.BodySchema{Attributes: attributes("user", "common_name", "organization", "lifetime")}

func (s scope) readClients(blocks hcl.Blocks, pki PKI) []Client {
	p := s.problems
	var out []Client
	first := map[string]hcl.Range{}
	for _, b := range blocks {
		name := b.Labels[0]
		old, twice := first[name]
		switch {
		case !isCommonName(name):
			p.errorAt(b.LabelRanges[0], "bad client name", commonName, clip(name))
		case twice:
			p.errorAt(b.LabelRanges[0], "client given twice", "The client %q is already at %s.", name, at(old))
		}
		first[name] = b.LabelRanges[0]
		out = append(out, s.readClient(b, pki))
	}
	return out
}

func (s scope) readClient(b *hcl.Block, pki PKI) Client {
	v, _ := s.newValues(b, clientSchema)
	c := Client{Name: b.Labels[0], User: b.Labels[0], Lifetime: pki.Lifetime}
	if v.text("user", &c.User) && !isCommonName(c.User) {
		v.bad("user", "bad user", commonName, clip(c.User))
	}
	named := true
	if v.flag("common_name", &named) && !named {
		c.User = ""
		if v.has("user") {
			v.bad("user", "a user without a common name",
				"etcd takes the common name for the user, and common_name = false leaves it out: drop one of the two.")
		}
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

const commonName = "%q: a common name here has at most 64 letters, digits and any of . _ @ -, and starts with a letter or digit."

func isCommonName(s string) bool { return certName.MatchString(s) && len(s) <= 64 }

func goodOrganization(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
