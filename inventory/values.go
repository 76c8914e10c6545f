package inventory

import (
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// values reads the attributes of one block. Each method returns false, and leaves the target alone, when the attribute
// is absent, null or wrong; a wrong one has been reported.
type values struct {
	scope
	attrs hcl.Attributes
	dirty bool // the block has names that do not belong in it
}

// newValues checks the names in a block and returns its attributes.
func (s scope) newValues(b *hcl.Block, schema *hcl.BodySchema) (values, *hcl.BodyContent) {
	before := len(s.problems.list)
	content := s.problems.content(b.Body, schema)
	return values{scope: s, attrs: content.Attributes, dirty: len(s.problems.list) > before}, content
}

// require reports that an attribute is missing, unless it may be there under a name that has been reported.
func (v values) require(name string, header hcl.Range, detail string) {
	if !v.has(name) && !v.dirty {
		v.problems.errorAt(header, "no "+name, "%s", detail)
	}
}

// bad reports that the value of an attribute will not do.
func (v values) bad(name, summary, detail string, args ...any) {
	v.badExpr(v.attrs[name].Expr, summary, detail, args...)
}

func (v values) badExpr(expr hcl.Expression, summary, detail string, args ...any) {
	d := diagnosticAt(hcl.DiagError, expr.Range(), summary, fmt.Sprintf(detail, args...))
	d.Expression, d.EvalContext = expr, v.ctx
	v.problems.list = append(v.problems.list, d)
}

// has reports whether the attribute is written in the block.
func (v values) has(name string) bool {
	_, ok := v.attrs[name]
	return ok
}

// exprRange is the place of a value, for messages.
func (v values) exprRange(name string) hcl.Range { return v.attrs[name].Expr.Range() }

func (v values) raw(name string, want cty.Type) (cty.Value, bool) {
	attr, ok := v.attrs[name]
	if !ok {
		return cty.NilVal, false
	}
	return v.rawExpr(attr.Expr, name, want)
}

func (v values) rawExpr(expr hcl.Expression, name string, want cty.Type) (cty.Value, bool) {
	value, ok := v.eval(expr)
	if !ok || value.IsNull() {
		return cty.NilVal, false
	}
	converted, err := convert.Convert(value, want)
	if err != nil {
		v.badExpr(expr, "wrong type", "%s wants %s; this is %s.", name, typeWords(want), typeWords(value.Type()))
		return cty.NilVal, false
	}
	return converted, !converted.IsNull()
}

func typeWords(t cty.Type) string {
	switch {
	case t == cty.String:
		return "a string"
	case t == cty.Number:
		return "a number"
	case t == cty.Bool:
		return "true or false"
	case t.IsMapType() || t.IsObjectType():
		return "a map { name = value }"
	}
	return "a list [ … ]"
}

func (v values) text(name string, target *string) bool {
	value, ok := v.raw(name, cty.String)
	if ok {
		*target = value.AsString()
	}
	return ok
}

func (v values) flag(name string, target *bool) bool {
	value, ok := v.raw(name, cty.Bool)
	if ok {
		*target = value.True()
	}
	return ok
}

// number reads a whole number from least to most.
func (v values) number(name string, target *int, least, most int64) bool {
	value, ok := v.raw(name, cty.Number)
	if !ok {
		return false
	}
	n, accuracy := value.AsBigFloat().Int64()
	if accuracy != 0 || n < least || n > most {
		v.bad(name, name+" out of range", "%s is a whole number from %d to %d.", name, least, most)
		return false
	}
	*target = int(n)
	return true
}

func (v values) port(name string, target *int) bool { return v.number(name, target, 1, 65535) }

func (v values) duration(name string, target *time.Duration) bool {
	return parsed(v, name, "bad duration", target, parseDuration)
}

func (v values) size(name string, target *int64) bool {
	return parsed(v, name, "bad size", target, parseSize)
}

// path reads a path on this machine and makes it absolute.
func (v values) path(name string, target *string) bool {
	return parsed(v, name, "bad path", target, v.place.path)
}

// parsed reads text of a form of its own.
func parsed[T any](v values, name, summary string, target *T, parse func(string) (T, error)) bool {
	var text string
	if !v.text(name, &text) {
		return false
	}
	value, err := parse(text)
	if err != nil {
		v.bad(name, summary, "%s: %s.", name, err)
		return false
	}
	*target = value
	return true
}

// checked reads text that check has nothing against.
func (v values) checked(name string, target *string, check func(string) error) {
	var text string
	if !v.text(name, &text) {
		return
	}
	if err := check(text); err != nil {
		v.bad(name, "bad "+name, "%q: %s.", clip(text), err)
		return
	}
	*target = text
}

// placeOf is where the first of these attributes that is written has its value; fallback where none is.
func (v values) placeOf(fallback hcl.Range, names ...string) hcl.Range {
	for _, name := range names {
		if v.has(name) {
			return v.exprRange(name)
		}
	}
	return fallback
}

// put sets a key of a map that may be nil.
func put(m *map[string]string, key, value string) {
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[key] = value
}

// item is one element of a list or one value of a map, with the place to point at when it is wrong.
type item struct {
	key  string // of a map
	text string
	expr hcl.Expression
}

// list reads one string, or a list of strings.
func (v values) list(name string) ([]item, bool) {
	attr, ok := v.attrs[name]
	if !ok {
		return nil, false
	}
	if exprs, diags := hcl.ExprList(attr.Expr); !diags.HasErrors() {
		var out []item
		for _, expr := range exprs {
			value, ok := v.rawExpr(expr, "each element of "+name, cty.String)
			if !ok {
				continue
			}
			out = append(out, item{text: value.AsString(), expr: expr})
		}
		return out, true
	}
	value, ok := v.eval(attr.Expr)
	if !ok || value.IsNull() {
		return nil, false
	}
	if text, err := convert.Convert(value, cty.String); err == nil {
		return []item{{text: text.AsString(), expr: attr.Expr}}, true
	}
	return v.elements(name, cty.List(cty.String))
}

// table reads a map of strings, in the order of the file where it is written out, else sorted.
func (v values) table(name string) ([]item, bool) {
	attr, ok := v.attrs[name]
	if !ok {
		return nil, false
	}
	pairs, diags := hcl.ExprMap(attr.Expr)
	if diags.HasErrors() {
		return v.elements(name, cty.Map(cty.String))
	}
	var out []item
	seen := map[string]bool{}
	for _, pair := range pairs {
		key, ok := v.rawExpr(pair.Key, "each key of "+name, cty.String)
		if !ok {
			return nil, false
		}
		value, ok := v.rawExpr(pair.Value, fmt.Sprintf("%s[%q]", name, clip(key.AsString())), cty.String)
		if !ok {
			continue
		}
		if seen[key.AsString()] {
			v.badExpr(pair.Key, "key given twice", "%q is already in %s.", key.AsString(), name)
		}
		seen[key.AsString()] = true
		out = append(out, item{key: key.AsString(), text: value.AsString(), expr: pair.Value})
	}
	return out, true
}

// elements reads a computed list or map, whose elements have no place of their own.
func (v values) elements(name string, want cty.Type) ([]item, bool) {
	value, ok := v.raw(name, want)
	if !ok {
		return nil, false
	}
	expr := v.attrs[name].Expr
	var out []item
	for it := value.ElementIterator(); it.Next(); {
		key, element := it.Element()
		if element.IsNull() {
			v.bad(name, "wrong type", "%s holds a null.", name)
			return nil, false
		}
		one := item{text: element.AsString(), expr: expr}
		if want.IsMapType() {
			one.key = key.AsString()
		}
		out = append(out, one)
	}
	return out, true
}
