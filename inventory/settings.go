package inventory

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

var (
	releaseSchema = &hcl.BodySchema{Attributes: attributes("mirror", "archive", "sha256")}
	pkiSchema     = &hcl.BodySchema{
		Attributes: attributes("ca_lifetime", "lifetime", "renew_before", "algorithm", "seal_to", "ca_cert", "ca_key"),
		Blocks:     []hcl.BlockHeaderSchema{{Type: "peer_ca"}, {Type: "client_ca"}, {Type: "external"}},
	}

	snapshotSchema = &hcl.BodySchema{Attributes: attributes("seal_to", "max_age")}

	// architectures are those that etcd is released for.
	architectures = []string{"amd64", "arm64", "ppc64le", "s390x"}
	algorithms    = []string{"ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-3072", "rsa-4096"}
	hexDigest     = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)
)

// block reads the attributes of a block that may be absent.
func (s scope) block(b *hcl.Block, schema *hcl.BodySchema) values {
	if b == nil {
		return values{scope: s}
	}
	v, _ := s.newValues(b, schema)
	return v
}

func (s scope) readRelease(b *hcl.Block) Release {
	v := s.block(b, releaseSchema)
	var out Release
	v.mirror(&out)
	v.archives(&out)
	if v.has("mirror") && v.has("archive") {
		s.problems.errorAt(v.attrs["archive"].NameRange, "two sources", "Name a mirror or an archive, not both.")
	}
	digests, _ := v.table("sha256")
	for _, one := range digests {
		switch {
		case !slices.Contains(architectures, one.key):
			v.badExpr(one.expr, "unknown architecture", "%s", archHint(one.key))
		case !hexDigest.MatchString(one.text):
			v.badExpr(one.expr, "bad sha256", "A SHA-256 digest is 64 hexadecimal digits.")
		default:
			put(&out.SHA256, one.key, strings.ToLower(one.text))
		}
	}
	if strings.HasPrefix(out.Mirror, "http:") && len(out.SHA256) == 0 {
		s.problems.warnAt(v.exprRange("mirror"), "mirror without protection",
			"Over http anyone on the way can change the release before its digest is pinned; use https, or set sha256.")
	}
	return out
}

func (v values) mirror(out *Release) {
	var text string
	if !v.text("mirror", &text) {
		return
	}
	if !strings.Contains(text, "://") {
		if path, err := v.place.path(text); err != nil {
			v.bad("mirror", "bad mirror", "%s.", err)
		} else if hint := noMirror(text); hint != "" {
			v.bad("mirror", "bad mirror", "%s", hint)
		} else {
			out.Mirror = (&url.URL{Scheme: "file", Path: path}).String()
		}
		return
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		v.bad("mirror", "bad mirror", "%q is not a URL.", clip(text))
	case !slices.Contains([]string{"http", "https", "file"}, u.Scheme):
		v.bad("mirror", "bad mirror", "%q: a mirror is an http, https or file URL, or a path.", u.Scheme)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		v.bad("mirror", "bad mirror",
			"Write it without user, password, query and fragment; secrets do not belong in an inventory.")
	case u.Scheme == "file" && (u.Host != "" || !filepath.IsAbs(u.Path)):
		v.bad("mirror", "bad mirror",
			"A file URL has three slashes and an absolute path: file:///srv/mirror. A path relative to the inventory is written without file://.")
	case u.Scheme != "file" && u.Hostname() == "":
		v.bad("mirror", "bad mirror", "%q has no host.", clip(text))
	case noMirror(text) != "":
		v.bad("mirror", "bad mirror", "%s", noMirror(text))
	default:
		out.Mirror = strings.TrimRight(text, "/")
	}
}

var (
	mirrorFile    = regexp.MustCompile(`/?[^/]*(\.tar\.gz|\.tgz|\.zip|\.tar|SHA256SUMS)$`)
	mirrorVersion = regexp.MustCompile(`/v\d+\.\d+\.\d+$`)
	githubPages   = regexp.MustCompile(
		`^https?://(?:www\.)?github\.com/([^/]+/[^/]+)(?:/releases(?:/(?:latest|tag/.*|tag|expanded_assets/.*))?)?$`)
)

// noMirror says what to write where a mirror names one file or version of it, or a page about it; empty: it may be a
// mirror.
func noMirror(text string) string {
	bare := strings.TrimRight(text, "/")
	if page := githubPages.FindStringSubmatch(bare); page != nil {
		return fmt.Sprintf("This is a page about releases. The files lie below %q.",
			"https://github.com/"+page[1]+"/releases/download")
	}
	folder := mirrorVersion.ReplaceAllString(mirrorFile.ReplaceAllString(bare, ""), "")
	switch {
	case folder == bare:
		return ""
	case !strings.Contains(text, "://") && !mirrorVersion.MatchString(bare):
		return fmt.Sprintf(
			"It names one file. A mirror is a folder with one folder a version; one archive is given by archive = %q.",
			clip(text))
	case folder == "" || strings.HasSuffix(folder, ":") || strings.HasSuffix(folder, "/"):
		return "It names one file. A mirror holds a folder for each version: MIRROR/vVERSION/etcd-vVERSION-linux-ARCH.tar.gz."
	}
	return fmt.Sprintf("It names one file or version. A mirror holds a folder for each version: write %q.", clip(folder))
}

// archives reads one path, or a map of architecture to path.
func (v values) archives(out *Release) {
	attr, ok := v.attrs["archive"]
	if !ok {
		return
	}
	if _, diags := hcl.ExprMap(attr.Expr); diags.HasErrors() {
		value, ok := v.eval(attr.Expr)
		if !ok || value.IsNull() {
			return
		}
		if !value.Type().IsMapType() && !value.Type().IsObjectType() {
			v.path("archive", &out.Archive)
			return
		}
	}
	items, _ := v.table("archive")
	for _, one := range items {
		path, err := v.place.path(one.text)
		switch {
		case err != nil:
			v.badExpr(one.expr, "bad path", "archive: %s.", err)
		case !slices.Contains(architectures, one.key):
			v.badExpr(one.expr, "unknown architecture", "%s", archHint(one.key))
		default:
			put(&out.Archives, one.key, path)
		}
	}
}

func archHint(name string) string {
	text := clip(name) + " is not one of " + strings.Join(architectures, ", ") + "."
	usual := map[string]string{"x86_64": "amd64", "x64": "amd64", "aarch64": "arm64"}
	if meant, ok := usual[name]; ok {
		return text + " Did you mean \"" + meant + "\"?"
	}
	return text + didYouMean(name, slices.Values(architectures))
}

func (s scope) readPKI(b *hcl.Block) PKI {
	v, content := values{scope: s}, &hcl.BodyContent{}
	if b != nil {
		v, content = s.newValues(b, pkiSchema)
	}
	out := PKI{CALifetime: 10 * year, Lifetime: year, Algorithm: "ecdsa-p256"}
	v.sealTo(&out.SealTo)
	v.cas(content, &out)
	good := true
	read := func(name string, target *time.Duration) {
		good = (v.duration(name, target) || !v.has(name)) && good
	}
	read("ca_lifetime", &out.CALifetime)
	read("lifetime", &out.Lifetime)
	out.RenewBefore = out.Lifetime / 3
	read("renew_before", &out.RenewBefore)
	if v.text("algorithm", &out.Algorithm) && !slices.Contains(algorithms, out.Algorithm) {
		v.bad("algorithm", "unknown algorithm", "%q is not one of %s.", clip(out.Algorithm), strings.Join(algorithms, ", "))
	}
	if !good {
		return out
	}
	switch {
	case out.Lifetime < time.Minute && v.has("lifetime"):
		s.problems.errorAt(v.placeOf(b.DefRange, "lifetime"), "lifetime too short", "A certificate lives for at least 1m.")
	case out.CALifetime > 100*year:
		s.problems.errorAt(v.placeOf(b.DefRange, "ca_lifetime"), "ca_lifetime too long",
			"A CA lives for at most 100y; it can be rotated.")
	case out.Lifetime >= out.CALifetime:
		s.problems.errorAt(v.placeOf(b.DefRange, "lifetime", "ca_lifetime"), "lifetime too long",
			"A certificate (%s) must not outlive the CA that signs it (%s).", durationText(out.Lifetime),
			durationText(out.CALifetime))
	case out.RenewBefore >= out.Lifetime || out.RenewBefore <= 0:
		s.problems.errorAt(v.placeOf(b.DefRange, "renew_before", "lifetime"), "renew_before out of range",
			"It is longer than 0 and shorter than lifetime (%s).", durationText(out.Lifetime))
	}
	return out
}

func (s scope) readSnapshot(b *hcl.Block) Snapshot {
	v := s.block(b, snapshotSchema)
	var out Snapshot
	v.sealTo(&out.SealTo)
	if v.duration("max_age", &out.MaxAge) && out.MaxAge < time.Minute {
		s.problems.errorAt(v.placeOf(b.DefRange, "max_age"), "max_age too short", "A snapshot may be at least 1m old.")
	}
	return out
}
