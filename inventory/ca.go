package inventory

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

var (
	givenSchema = &hcl.BodySchema{
		Attributes: attributes("cert", "key"),
		Blocks:     []hcl.BlockHeaderSchema{{Type: "external"}},
	}
	externalSchema = &hcl.BodySchema{Attributes: attributes("url", "auth_key_env", "auth_key_file", "label", "profile",
		"ca_file")}

	envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// cas reads the CAs that come from elsewhere: one for both roles, or one for each.
func (v values) cas(content *hcl.BodyContent, out *PKI) {
	blocks := content.Blocks.ByType()
	peer, client := v.problems.only(blocks["peer_ca"]), v.problems.only(blocks["client_ca"])
	shared := v.given("ca_cert", "ca_key", v.problems.only(blocks["external"]))
	if shared != nil {
		for _, b := range []*hcl.Block{peer, client} {
			if b != nil {
				v.problems.errorAt(b.DefRange, "two CAs",
					"The CA of the whole pki block is for both roles already; write peer_ca and client_ca, or neither.")
				return
			}
		}
		out.PeerCA, out.ClientCA = shared, shared
	} else {
		out.PeerCA, out.ClientCA = v.readGiven(peer), v.readGiven(client)
	}
	if one, two := out.PeerCA, out.ClientCA; one != nil && two != nil && one.same(two) {
		v.problems.warnAt(v.sharedAt(blocks), "one CA for peers and clients",
			"Whoever has a client certificate of it can pass for a member on the peer port; give peer_ca and client_ca a CA each.")
	}
}

// sharedAt is where the CA of both roles is named.
func (v values) sharedAt(blocks map[string]hcl.Blocks) hcl.Range {
	if v.has("ca_cert") {
		return v.attrs["ca_cert"].NameRange
	}
	for _, kind := range []string{"external", "client_ca"} {
		if len(blocks[kind]) > 0 {
			return blocks[kind][0].DefRange
		}
	}
	return hcl.Range{}
}

// same is true for two that are one CA as far as their paths and addresses tell.
func (g *GivenCA) same(other *GivenCA) bool {
	if g.External != nil && other.External != nil {
		return g.External.URL != "" && g.External.URL == other.External.URL && g.External.Label == other.External.Label
	}
	return g.Cert != "" && g.Cert == other.Cert
}

func (s scope) readGiven(b *hcl.Block) *GivenCA {
	if b == nil {
		return nil
	}
	v, content := s.newValues(b, givenSchema)
	external := s.problems.only(content.Blocks.ByType()["external"])
	out := v.given("cert", "key", external)
	if out == nil && !v.dirty && external == nil && !v.has("cert") && !v.has("key") {
		s.problems.errorAt(b.DefRange, "no CA", "Name its files with cert and key, or its server with external { … }.")
	}
	return out
}

// given reads a CA that comes from elsewhere; nil when there is none, or not all of one.
func (v values) given(cert, key string, external *hcl.Block) *GivenCA {
	out := &GivenCA{External: v.readExternal(external)}
	good := (v.path(cert, &out.Cert) || !v.has(cert)) && (v.path(key, &out.Key) || !v.has(key))
	switch {
	case !good:
		return nil
	case external != nil && v.has(key):
		v.problems.errorAt(v.attrs[key].NameRange, "two keys",
			"The server has the key; leave %s out. %s, which is optional beside external, says which CA its answers must be of.",
			key, cert)
		return nil
	case external != nil:
		return out
	case v.has(cert) != v.has(key) && v.dirty:
		return nil
	case v.has(cert) && !v.has(key):
		v.problems.errorAt(v.attrs[cert].NameRange, "no "+key,
			"clusterup signs with this CA, and needs its key: %s = \"FILE\".", key)
		return nil
	case v.has(key) && !v.has(cert):
		v.problems.errorAt(v.attrs[key].NameRange, "no "+cert,
			"Name the certificate that this key is for, and its chain: %s = \"FILE\".", cert)
		return nil
	case !v.has(cert):
		return nil
	}
	return out
}

func (s scope) readExternal(b *hcl.Block) *ExternalCA {
	if b == nil {
		return nil
	}
	v, _ := s.newValues(b, externalSchema)
	out := &ExternalCA{}
	v.require("url", b.DefRange, `Say where the cfssl server is, such as url = "https://ca.example.com:8888".`)
	v.serverURL(&out.URL)
	v.text("label", &out.Label)
	v.text("profile", &out.Profile)
	v.path("ca_file", &out.CAFile)
	v.path("auth_key_file", &out.AuthKeyFile)
	if v.text("auth_key_env", &out.AuthKeyEnv) && !envName.MatchString(out.AuthKeyEnv) {
		v.problems.errorAt(v.exprRange("auth_key_env"), "bad auth_key_env",
			"It is the name of an environment variable. A key itself does not belong in an inventory; if this is one, make another.")
	}
	switch {
	case v.has("auth_key_env") && v.has("auth_key_file"):
		v.problems.errorAt(v.attrs["auth_key_file"].NameRange, "two keys", "Write auth_key_env or auth_key_file, not both.")
	case !v.has("auth_key_env") && !v.has("auth_key_file") && !v.dirty:
		v.problems.errorAt(b.DefRange, "no auth key",
			"The server must not sign for everybody: name its key with auth_key_env or auth_key_file.")
	}
	return out
}

func (v values) serverURL(target *string) {
	var text string
	if !v.text("url", &text) {
		return
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		v.bad("url", "bad url", "%q is not a URL such as https://ca.example.com:8888.", clip(text))
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		v.bad("url", "bad url", "Write it without user, password, query and fragment; secrets do not belong in an inventory.")
	case strings.Trim(u.Path, "/") != "":
		v.bad("url", "bad url", "Write it without the path; cfssl has its own.")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		v.bad("url", "bad url", "Use https: over http anyone on the way could answer with a certificate of their own.")
	default:
		*target = strings.TrimRight(text, "/")
	}
}
