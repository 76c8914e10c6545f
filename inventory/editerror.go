package inventory

import (
	"cmp"
	"fmt"
	"strings"
)

// EditError means that the inventory has to be edited by hand; before that, trying again is of no use. Its text ends in
// the edit.
type EditError struct {
	File   string // as given to SetMember
	Line   int    // where the attribute stands, or where the block begins that lacks it; from 1
	Add    bool   // Edit is a new line of that block; false: it takes the place of the attribute
	Edit   string // the attribute with its new value, mostly one line
	Reason string
}

func (e *EditError) Error() string {
	what := "write in line"
	if e.Add {
		what = "add to the block in line"
	}
	return fmt.Sprintf("edit %s by hand: %s; %s %d: %s", e.File, e.Reason, what, e.Line, e.Edit)
}

// byHand is the edit that is left to the operator.
func (e memberEdit) byHand(reason, text string) *EditError {
	attr, there := e.attrs[e.attribute]
	if !there {
		return &EditError{e.filename, e.DefRange.Start.Line, true, text, reason}
	}
	return &EditError{e.filename, attr.NameRange.Start.Line, false, text, reason}
}

// text is the attribute with its value.
func (e memberEdit) text() string {
	if isJSON(e.filename) {
		return fmt.Sprintf("%q: %q", e.attribute, e.value)
	}
	return e.attribute + " = " + quote(e.value)
}

// ofOne is the edit of one member of a block with for_each: the others keep what they have.
func (e memberEdit) ofOne() *EditError {
	reason := fmt.Sprintf("the block member %q in line %d, which makes %s, has a for_each", e.Labels[0],
		e.DefRange.Start.Line, e.member)
	if e.key == "" {
		reason += ", and KEY is the key that " + e.member + " has there"
	}
	condition, value := "each.key == "+quote(cmp.Or(e.key, "KEY")), quote(e.value)
	attr, there := e.attrs[e.attribute]
	others := "null"
	switch {
	case there:
		others = string(attr.Expr.Range().SliceBytes(e.src))
	case e.attribute == "state":
		others = quote(statePresent)
	}
	if !isJSON(e.filename) {
		return e.byHand(reason, fmt.Sprintf("%s = %s ? %s : %s", e.attribute, condition, value, others))
	}
	inJSON := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	text := inJSON.Replace(fmt.Sprintf("${%s ? %s : %s}", condition, value, others))
	if was, ok := strings.CutPrefix(others, `"`); there && ok { // a template already
		text = inJSON.Replace("%{ if "+condition+" }"+e.value+"%{ else }") + strings.TrimSuffix(was, `"`) + "%{ endif }"
	}
	return e.byHand(reason, fmt.Sprintf(`"%s": "%s"`, e.attribute, text))
}
