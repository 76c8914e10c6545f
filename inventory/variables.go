package inventory

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

const envPrefix = "CLUSTERUP_VAR_"

var variableSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
	{Name: "type"}, {Name: "default"}, {Name: "description"},
}}

// variable is one variable block.
type variable struct {
	name     string
	header   hcl.Range
	typ      cty.Type
	defaults *typeexpr.Defaults
	value    cty.Value // NilVal: none yet
	broken   bool      // something was wrong with it and was reported
}

// readVariables returns the value of every declared variable: its default, or
// what the environment, a variable file or --var says, in rising order.
func (p *problems) readVariables(blocks hcl.Blocks, defaults scope, o Options) map[string]cty.Value {
	declared := map[string]*variable{}
	for _, b := range blocks {
		v := p.readVariable(b, defaults)
		if old, twice := declared[v.name]; twice {
			p.errorAt(v.header, "variable declared twice", "The variable %q is already declared at %s.", v.name, at(old.header))
			continue
		}
		declared[v.name] = v
	}
	p.variablesFromEnv(declared, o.Env)
	for _, path := range o.VarFiles {
		p.variablesFromFile(declared, path)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Vars)) {
		p.variableFromText(declared, name, o.Vars[name], "--var "+name)
	}
	values := map[string]cty.Value{}
	for name, v := range declared {
		values[name] = v.value
		if v.value != cty.NilVal {
			continue
		}
		values[name] = cty.DynamicVal
		if !v.broken {
			p.errorAt(v.header, "variable without a value",
				"Give it a default, or a value with --var %[1]s=…, --var-file or %[2]s%[1]s.", name, envPrefix)
		}
	}
	return values
}

func (p *problems) readVariable(b *hcl.Block, defaults scope) *variable {
	v := &variable{name: b.Labels[0], header: b.DefRange, typ: cty.DynamicPseudoType}
	if !hclsyntax.ValidIdentifier(v.name) {
		p.errorAt(b.LabelRanges[0], "bad variable name", "%q is not a name; use letters, digits and _.", clip(v.name))
	}
	before := len(p.list)
	content := p.content(b.Body, variableSchema)
	v.broken = len(p.list) > before
	if attr, ok := content.Attributes["type"]; ok {
		typ, defaults, diags := typeexpr.TypeConstraintWithDefaults(attr.Expr)
		p.add(diags)
		if v.typ, v.defaults = typ, defaults; diags.HasErrors() {
			v.typ, v.defaults, v.broken = cty.DynamicPseudoType, nil, true
		}
	}
	attr, ok := content.Attributes["default"]
	if !ok || v.broken {
		return v
	}
	value, ok := defaults.eval(attr.Expr)
	if !ok {
		v.broken = true
		return v
	}
	if _, typed := content.Attributes["type"]; !typed && value.Type().IsPrimitiveType() {
		v.typ = value.Type()
	}
	p.assign(v, value, attr.Expr.Range())
	return v
}

// assign converts value to the type of the variable.
func (p *problems) assign(v *variable, value cty.Value, where hcl.Range) {
	if v.broken {
		return
	}
	if v.defaults != nil && !value.IsNull() {
		value = v.defaults.Apply(value)
	}
	converted, err := convert.Convert(value, v.typ)
	if err != nil {
		p.errorAt(where, "wrong type", "The variable %s is a %s: %s.", v.name, typeexpr.TypeString(v.typ), err)
		v.broken = true
		return
	}
	v.value = converted
}

func (p *problems) variablesFromEnv(declared map[string]*variable, env []string) {
	for _, entry := range slices.Sorted(slices.Values(env)) {
		name, text, _ := strings.Cut(entry, "=")
		name, ours := strings.CutPrefix(name, envPrefix)
		if !ours {
			continue
		}
		if _, ok := declared[name]; ok {
			p.variableFromText(declared, name, text, "environment "+envPrefix+name)
		} else if hint := didYouMean(name, maps.Keys(declared)); hint != "" {
			p.list = append(p.list, &hcl.Diagnostic{
				Severity: hcl.DiagWarning, Summary: "environment sets no variable of this inventory",
				Detail: envPrefix + name + " is set, but there is no such variable." + hint,
			})
		}
	}
}

// variableFromText sets a variable from --var or the environment. Text for a
// variable that holds a string is taken as it is, other text is an expression.
func (p *problems) variableFromText(declared map[string]*variable, name, text, source string) {
	v, ok := declared[name]
	if !ok {
		p.errorf("no such variable", "%s: this inventory declares no variable %q.%s", source, clip(name),
			didYouMean(name, maps.Keys(declared)))
		return
	}
	where := hcl.Range{
		Filename: source, Start: hcl.InitialPos,
		End: hcl.Pos{Line: 1, Column: len(text) + 1, Byte: len(text)},
	}
	p.sources[source] = []byte(text)
	if v.typ == cty.String || v.typ == cty.DynamicPseudoType && v.value == cty.NilVal {
		p.assign(v, cty.StringVal(text), where)
		return
	}
	tokens, _ := hclsyntax.LexExpression([]byte(text), source, hcl.InitialPos)
	if d := tokensTooMuch(tokens); d != nil || len(text) > maxBytes {
		p.errorAt(where, "value too large", "The variable %s cannot hold this.", name)
		return
	}
	expr, diags := hclsyntax.ParseExpression([]byte(text), source, hcl.InitialPos)
	if !diags.HasErrors() {
		var value cty.Value
		if value, diags = expr.Value(nil); !diags.HasErrors() {
			p.assign(v, value, where)
			return
		}
	}
	v.broken = true
	p.errorAt(where, "wrong type",
		"The variable %s is a %s, and this is not; write it as in the inventory, such as '[\"a\", \"b\"]'.", name,
		typeexpr.TypeString(v.typ))
}

func (p *problems) variablesFromFile(declared map[string]*variable, path string) {
	src, err := readRegular(path)
	if err != nil {
		p.errorf("variable file not read", "%s.", err)
		return
	}
	file, ok := p.parse(src, path)
	if !ok {
		return
	}
	attrs, diags := file.Body.JustAttributes()
	p.add(diags)
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		attr := attrs[name]
		v, ok := declared[name]
		if !ok {
			p.errorAt(attr.NameRange, "no such variable", "The inventory declares no variable %q.%s", name,
				didYouMean(name, maps.Keys(declared)))
			continue
		}
		value, diags := attr.Expr.Value(nil)
		if p.add(diags); diags.HasErrors() {
			v.broken = true
			continue
		}
		p.assign(v, value, attr.Expr.Range())
	}
}
