package inventory

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// SetVersion returns src with another version for one cluster; "" picks the only cluster. It replaces the text in the
// version attribute or, when that refers to a variable or local, in the place where the value is written, which other
// clusters may use as well. Everything else stays, comments too. It is an error when the version is computed in another
// way; a value given with -var, a variable file or the environment is not seen, and still wins.
func SetVersion(src []byte, filename, cluster, version string) ([]byte, error) {
	if err := checkVersion(version); err != nil {
		return nil, fmt.Errorf("set version %q: %w", version, err)
	}
	written, err := versionIn(src, filename, cluster)
	if err != nil {
		return nil, err
	}
	old, place := written.value, written.Range()
	start, end := place.Start.Byte, place.End.Byte
	offset := strings.Index(string(src[start:end]), old)
	if offset < 0 {
		return nil, fmt.Errorf("set version in %s: the value %q at line %d is not written plainly; edit it by hand", filename,
			old, place.Start.Line)
	}
	start += offset
	out := slices.Concat(src[:start], []byte(version), src[start+len(old):])
	if got, err := versionIn(out, filename, cluster); err != nil || got.value != version {
		return nil, fmt.Errorf("set version in %s: the version at %s is computed; edit it by hand", filename, at(place))
	}
	return out, nil
}

// versionIn is where the version of a cluster is written.
func versionIn(src []byte, filename, cluster string) (literal, error) {
	p := newProblems()
	file, ok := p.parse(src, filename)
	if !ok {
		return literal{}, p.diagnostics().Err()
	}
	expr, err := versionExpr(file.Body, filename, cluster)
	if err != nil {
		return literal{}, err
	}
	found, err := followLiteral(file.Body, expr, 0)
	if err != nil {
		return literal{}, fmt.Errorf("set version in %s: %w", filename, err)
	}
	return found, nil
}

// versionExpr finds the version attribute of a cluster.
func versionExpr(body hcl.Body, filename, cluster string) (hcl.Expression, error) {
	content, _, _ := body.PartialContent(rootSchema)
	var found []*hcl.Block
	var names []string
	for _, b := range content.Blocks.OfType("cluster") {
		names = append(names, b.Labels[0])
		if cluster == "" || b.Labels[0] == cluster {
			found = append(found, b)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("choose cluster %q of %s: it holds %s", cluster, filename, strings.Join(names, ", "))
	}
	inner, _, _ := found[0].Body.PartialContent(clusterSchema)
	attr, ok := inner.Attributes["version"]
	if !ok {
		return nil, fmt.Errorf("set version in %s: cluster %q has no version attribute", filename, found[0].Labels[0])
	}
	return attr.Expr, nil
}

type literal struct {
	hcl.Expression
	value string
}

// followLiteral goes from an expression to the text that its value is written in, over variables and locals.
func followLiteral(body hcl.Body, expr hcl.Expression, depth int) (literal, error) {
	refs := expr.Variables()
	if len(refs) == 0 {
		v, diags := expr.Value(nil)
		if diags.HasErrors() || v.IsNull() || v.Type() != cty.String || v.AsString() == "" {
			return literal{}, fmt.Errorf("the version at %s is not a plain string; edit it by hand", at(expr.Range()))
		}
		return literal{Expression: expr, value: v.AsString()}, nil
	}
	name, ok := secondStep(refs[0])
	if len(refs) != 1 || len(refs[0]) != 2 || !ok || depth > 10 || !isReference(expr) {
		return literal{}, fmt.Errorf("the version at %s is computed; edit it by hand", at(expr.Range()))
	}
	next := definition(body, refs[0].RootName(), name)
	if next == nil {
		return literal{}, fmt.Errorf("the version is %s.%s, which has no value in this file", refs[0].RootName(), name)
	}
	return followLiteral(body, next, depth+1)
}

// isReference reports whether expr is nothing but a reference: with a marked
// object in place of every name, only such an expression yields the mark.
func isReference(expr hcl.Expression) bool {
	if _, diags := hcl.AbsTraversalForExpr(expr); !diags.HasErrors() {
		return true
	}
	const mark = "\x00reference\x00"
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{}}
	for _, t := range expr.Variables() {
		if name, ok := secondStep(t); ok {
			ctx.Variables[t.RootName()] = cty.ObjectVal(map[string]cty.Value{name: cty.StringVal(mark)})
		}
	}
	v, diags := expr.Value(ctx)
	return !diags.HasErrors() && v.Type() == cty.String && v.IsKnown() && !v.IsNull() && v.AsString() == mark
}

// definition returns the default of a variable or the value of a local.
func definition(body hcl.Body, root, name string) hcl.Expression {
	content, _, _ := body.PartialContent(rootSchema)
	for _, b := range content.Blocks {
		switch {
		case root == "var" && b.Type == "variable" && b.Labels[0] == name:
			inner, _, _ := b.Body.PartialContent(variableSchema)
			if attr, ok := inner.Attributes["default"]; ok {
				return attr.Expr
			}
		case root == "local" && b.Type == "locals":
			attrs, _ := b.Body.JustAttributes()
			if attr, ok := attrs[name]; ok {
				return attr.Expr
			}
		}
	}
	return nil
}
