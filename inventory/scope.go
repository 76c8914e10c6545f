package inventory

import (
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// scope evaluates expressions: what var, local and each stand for.
type scope struct {
	problems  *problems
	place     place
	ctx       *hcl.EvalContext
	functions map[string]function.Function
}

// newScope evaluates the variables and locals of a file.
func (p *problems) newScope(where place, variables, locals hcl.Blocks, o Options) scope {
	s := scope{problems: p, place: where, functions: functions(where)}
	s.ctx = &hcl.EvalContext{Functions: s.functions}
	values := p.readVariables(variables, s, o)
	s.ctx = s.ctx.NewChild()
	s.ctx.Variables = map[string]cty.Value{"var": cty.ObjectVal(values), "local": cty.EmptyObjectVal}
	s.readLocals(locals)
	return s
}

// with returns a scope in which each.key and each.value are set.
func (s scope) with(key, value cty.Value) scope {
	s.ctx = s.ctx.NewChild()
	s.ctx.Variables = map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": key, "value": value})}
	return s
}

// eval returns the value of expr, or false when there is none because of a
// mistake that has been reported, here or before.
func (s scope) eval(expr hcl.Expression) (cty.Value, bool) {
	if !s.functionsExist(expr) || !s.referencesExist(expr) {
		return cty.DynamicVal, false
	}
	v, diags := expr.Value(s.ctx)
	s.problems.add(diags)
	return v, !diags.HasErrors() && v.IsWhollyKnown()
}

// functionsExist reports unknown functions; the language's own message picks
// its "did you mean" at random. It still is what JSON gets.
func (s scope) functionsExist(expr hcl.Expression) bool {
	node, ok := expr.(hclsyntax.Node)
	if !ok {
		return true
	}
	good := true
	_ = hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		if call, ok := n.(*hclsyntax.FunctionCallExpr); ok {
			if _, known := s.functions[call.Name]; !known {
				s.problems.errorAt(call.NameRange, "no such function", "There is no function %q.%s", call.Name,
					didYouMean(call.Name, maps.Keys(s.functions)))
				good = false
			}
		}
		return nil
	})
	return good
}

// referencesExist reports names that are not there; the language's own message
// for them has no "did you mean", or a random one.
func (s scope) referencesExist(expr hcl.Expression) bool {
	good := true
	for _, t := range expr.Variables() {
		root := t.RootName()
		object, known := s.lookup(root)
		switch {
		case root == "each" && !known && s.ctx.Variables != nil:
			s.problems.errorAt(t.SourceRange(), "each outside for_each",
				"each.key and each.value exist only in a member block that has for_each.")
			good = false
		case s.ctx.Variables == nil:
			s.problems.errorAt(t.SourceRange(), "reference in a default",
				"A default refers to nothing else; combine values in a locals block.")
			good = false
		case !known:
			s.problems.errorAt(t.SourceRange(), "no such name", "There is no %q here; names begin with var, local or each.%s",
				root, didYouMean(root, slices.Values([]string{"each", "local", "var"})))
			good = false
		case len(t) < 2:
			continue
		default:
			attr, ok := t[1].(hcl.TraverseAttr)
			if !ok || object.Type().HasAttribute(attr.Name) {
				continue
			}
			s.problems.errorAt(t.SourceRange(),
				"no such "+map[string]string{"var": "variable", "local": "local", "each": "value"}[root],
				"There is no %s.%s.%s", root, attr.Name, didYouMean(attr.Name, maps.Keys(object.Type().AttributeTypes())))
			good = false
		}
	}
	return good
}

func (s scope) lookup(root string) (cty.Value, bool) {
	for ctx := s.ctx; ctx != nil; ctx = ctx.Parent() {
		if v, ok := ctx.Variables[root]; ok {
			return v, true
		}
	}
	return cty.NilVal, false
}

// readLocals evaluates locals in the order in which they need each other.
func (s scope) readLocals(blocks hcl.Blocks) {
	attrs := hcl.Attributes{}
	for _, b := range blocks {
		more, diags := b.Body.JustAttributes()
		s.problems.add(diags)
		for _, name := range slices.Sorted(maps.Keys(more)) {
			if old, twice := attrs[name]; twice {
				s.problems.errorAt(more[name].NameRange, "local set twice", "local.%s is already set at %s.", name,
					at(old.NameRange))
				continue
			}
			attrs[name] = more[name]
		}
	}
	order, circle := localOrder(attrs)
	if circle != "" {
		s.problems.errorAt(attrs[circle].NameRange, "local needs itself", "local.%s depends on its own value.", circle)
	}
	values := map[string]cty.Value{}
	for name := range attrs {
		values[name] = cty.DynamicVal
	}
	s.ctx.Variables["local"] = cty.ObjectVal(values)
	if circle != "" {
		return
	}
	for _, name := range order {
		if v, ok := s.eval(attrs[name].Expr); ok {
			values[name] = v
		}
		s.ctx.Variables["local"] = cty.ObjectVal(values)
	}
}

// localOrder sorts names so that each comes after those that it refers to. The
// second result is the name of one that is part of a circle.
func localOrder(attrs hcl.Attributes) (order []string, circle string) {
	const visiting, done = 1, 2
	state := map[string]int{}
	var visit func(string)
	visit = func(name string) {
		if _, exists := attrs[name]; !exists || state[name] == done {
			return
		}
		if state[name] == visiting {
			circle = name
			return
		}
		state[name] = visiting
		for _, t := range attrs[name].Expr.Variables() {
			if attr, ok := secondStep(t); ok && t.RootName() == "local" {
				visit(attr)
			}
		}
		state[name] = done
		order = append(order, name)
	}
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		visit(name)
	}
	return order, circle
}

// secondStep returns "b" of a traversal a.b or a.b.c.
func secondStep(t hcl.Traversal) (string, bool) {
	if len(t) < 2 {
		return "", false
	}
	attr, ok := t[1].(hcl.TraverseAttr)
	return attr.Name, ok
}

// didYouMean returns " Did you mean …?" when one of the choices is close to
// name, else nothing. Of equally close ones the first in the alphabet wins.
func didYouMean(name string, choices iter.Seq[string]) string {
	best, bestDistance := "", min(3, max(1, len(name)/2)+1)
	for _, choice := range slices.Sorted(choices) {
		if d := levenshtein.Distance(name, choice, nil); d < bestDistance {
			best, bestDistance = choice, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", best)
}

func at(r hcl.Range) string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }
