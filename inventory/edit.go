package inventory

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// clusterBlock finds the block of a cluster; "" picks the only one.
func clusterBlock(body hcl.Body, filename, cluster string) (*hcl.Block, error) {
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
	return found[0], nil
}

// literal is an expression that is a text and refers to nothing.
type literal struct {
	hcl.Expression
	value string
}

// literalOf reads an expression without references; false: it is no text, or an empty one.
func literalOf(expr hcl.Expression) (literal, bool) {
	v, diags := expr.Value(nil)
	if diags.HasErrors() || v.IsNull() || v.Type() != cty.String || v.AsString() == "" {
		return literal{}, false
	}
	return literal{Expression: expr, value: v.AsString()}, true
}

// replaced is src with another value in the place of this one; false: the value does not stand there as it is. Whether
// the new one is what the expression says then is for the caller to see.
func (l literal) replaced(src []byte, value string) ([]byte, bool) {
	start, end := l.Range().Start.Byte, l.Range().End.Byte
	offset := bytes.Index(src[start:end], []byte(l.value))
	if offset < 0 {
		return nil, false
	}
	start += offset
	return slices.Concat(src[:start], []byte(value), src[start+len(l.value):]), true
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
