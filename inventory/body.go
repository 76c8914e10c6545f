package inventory

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// schemas are all kinds of blocks, for saying where a misplaced name belongs.
var schemas = map[string]*hcl.BodySchema{
	"cluster": clusterSchema, "ssh": sshSchema, "jump": jumpSchema, "release": releaseSchema,
	"pki": pkiSchema, "tls": tlsSchema, "etcd": etcdSchema, "client": clientSchema, "member": memberSchema,
	"auth": authSchema, "user": authUserSchema, "role": authRoleSchema, "permission": permissionSchema,
	"balancer": balancerSchema, "listen": listenSchema, "server": serverSchema, "node": nodeSchema,
	"peer_ca": givenSchema, "client_ca": givenSchema, "external": externalSchema,
}

func attributes(names ...string) []hcl.AttributeSchema {
	out := make([]hcl.AttributeSchema, len(names))
	for i, name := range names {
		out[i].Name = name
	}
	return out
}

// content takes a block apart. It reports what does not belong in it, what it
// should have been called, and where it would belong.
func (p *problems) content(body hcl.Body, schema *hcl.BodySchema) *hcl.BodyContent {
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		content, diags := body.Content(schema)
		p.add(diags)
		return content
	}
	content, _, diags := body.PartialContent(schema)
	p.add(diags)
	attrs, blocks := namesOf(schema)
	for _, name := range slices.Sorted(maps.Keys(native.Attributes)) {
		r := native.Attributes[name].NameRange
		switch {
		case slices.Contains(attrs, name):
		case slices.Contains(blocks, name):
			p.errorAt(r, name+" is a block", "Write %s { … }, without the equals sign.", name)
		default:
			p.errorAt(r, "unknown attribute", "There is no attribute %q here.%s", name, hint(name, attrs, blocks))
		}
	}
	for _, b := range native.Blocks {
		switch {
		case slices.Contains(blocks, b.Type):
		case slices.Contains(attrs, b.Type):
			p.errorAt(b.TypeRange, b.Type+" is an attribute", "Write %s = { … }, with an equals sign.", b.Type)
		default:
			p.errorAt(b.TypeRange, "unknown block", "There is no %q block here.%s", b.Type, hint(b.Type, blocks, attrs))
		}
	}
	return content
}

func namesOf(schema *hcl.BodySchema) (attrs, blocks []string) {
	for _, a := range schema.Attributes {
		attrs = append(attrs, a.Name)
	}
	for _, b := range schema.Blocks {
		blocks = append(blocks, b.Type)
	}
	return attrs, blocks
}

// hint looks for a close name first, then for the blocks that have this very name.
func hint(name string, choices, others []string) string {
	var places []string
	for kind, schema := range schemas {
		attrs, blocks := namesOf(schema)
		if slices.Contains(attrs, name) || slices.Contains(blocks, name) {
			places = append(places, kind)
		}
	}
	if len(places) > 0 {
		slices.Sort(places)
		return " It belongs in: " + strings.Join(places, ", ") + "."
	}
	return didYouMean(name, slices.Values(append(slices.Clone(choices), others...)))
}

// only returns the single block of a type, nil when there is none.
func (p *problems) only(blocks hcl.Blocks) *hcl.Block {
	for _, b := range blocks[min(1, len(blocks)):] {
		p.errorAt(b.DefRange, "block given twice", "There is already a %s block at %s; only one is allowed.", b.Type,
			at(blocks[0].DefRange))
	}
	if len(blocks) == 0 {
		return nil
	}
	return blocks[0]
}
