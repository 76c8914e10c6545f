package inventory

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// Diagnostic is one mistake or warning. Lines and columns count from 1; 0 means
// that the mistake has no place in a file.
type Diagnostic struct {
	Severity  string `json:"severity"` // "error" or "warning"
	Summary   string `json:"summary"`
	Detail    string `json:"detail,omitempty"`
	File      string `json:"file,omitempty"`
	Line      int    `json:"line,omitempty"`
	Column    int    `json:"column,omitempty"`
	EndLine   int    `json:"end_line,omitempty"`
	EndColumn int    `json:"end_column,omitempty"` // one past the last
}

// Diagnostics are all mistakes and warnings of one inventory, ordered by place. The zero value holds none.
type Diagnostics struct {
	all     []Diagnostic
	sources map[string][]byte
}

// All returns every diagnostic, ordered by file, line and column.
func (d Diagnostics) All() []Diagnostic { return slices.Clone(d.all) }

// HasErrors reports whether there is more than warnings.
func (d Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(d.all, func(x Diagnostic) bool { return x.Severity == "error" })
}

// Err returns an *Error when there are errors, and nil otherwise.
func (d Diagnostics) Err() error {
	if !d.HasErrors() {
		return nil
	}
	return &Error{Diagnostics: d}
}

// Error means that the inventory has mistakes; trying again is of no use. Its
// text is the plain rendering of all diagnostics.
type Error struct{ Diagnostics Diagnostics }

func (e *Error) Error() string { return e.Diagnostics.String() }

// problems gathers diagnostics while an inventory is read.
type problems struct {
	list    hcl.Diagnostics
	sources map[string][]byte
}

func newProblems() *problems { return &problems{sources: map[string][]byte{}} }

func (p *problems) add(diags hcl.Diagnostics) { p.list = append(p.list, diags...) }

func (p *problems) errorAt(r hcl.Range, summary, detail string, args ...any) {
	p.list = append(p.list, diagnosticAt(hcl.DiagError, r, summary, fmt.Sprintf(detail, args...)))
}

func (p *problems) warnAt(r hcl.Range, summary, detail string, args ...any) {
	p.list = append(p.list, diagnosticAt(hcl.DiagWarning, r, summary, fmt.Sprintf(detail, args...)))
}

// errorf adds an error that has no place in a file.
func (p *problems) errorf(summary, detail string, args ...any) {
	p.list = append(p.list, &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: summary,
		Detail: fmt.Sprintf(detail, args...),
	})
}

func diagnosticAt(s hcl.DiagnosticSeverity, r hcl.Range, summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: s, Summary: summary, Detail: detail, Subject: &r}
}

// diagnostics sorts what was gathered and drops repetitions, which for_each
// makes when every copy of a block has the same mistake.
func (p *problems) diagnostics() Diagnostics {
	out := Diagnostics{sources: p.sources}
	seen := map[Diagnostic]bool{}
	for _, h := range p.list {
		d := plain(h)
		if !seen[d] {
			seen[d] = true
			out.all = append(out.all, d)
		}
	}
	slices.SortStableFunc(out.all, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return out
}

func plain(h *hcl.Diagnostic) Diagnostic {
	d := Diagnostic{Severity: "error", Summary: h.Summary, Detail: h.Detail}
	if h.Severity == hcl.DiagWarning {
		d.Severity = "warning"
	}
	if h.Subject != nil {
		d.File, d.Line, d.Column = h.Subject.Filename, h.Subject.Start.Line, h.Subject.Start.Column
		d.EndLine, d.EndColumn = h.Subject.End.Line, h.Subject.End.Column
	}
	if h.Expression != nil && h.EvalContext != nil {
		for _, line := range valuesIn(h.Expression, h.EvalContext) {
			d.Detail += "\n" + line
		}
	}
	return d
}

// valuesIn says what the variables of an expression were, since the source snippet shows only their names.
func valuesIn(expr hcl.Expression, ctx *hcl.EvalContext) []string {
	var lines []string
	for _, t := range expr.Variables() {
		v, diags := t.TraverseAbs(ctx)
		if diags.HasErrors() || !v.IsKnown() || v.IsNull() || !v.Type().IsPrimitiveType() {
			continue
		}
		text, err := convert.Convert(v, cty.String)
		if err != nil {
			continue
		}
		line := fmt.Sprintf("%s is %q here.", traversalName(t), clip(text.AsString()))
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

func traversalName(t hcl.Traversal) string {
	name := t.RootName()
	for _, step := range t[1:] {
		switch s := step.(type) {
		case hcl.TraverseAttr:
			name += "." + s.Name
		default:
			name += "[…]"
		}
	}
	return name
}

// clip keeps a quoted value from filling the screen.
func clip(s string) string {
	const most = 120
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
