package view

import (
	"slices"
	"strings"

	"github.com/clusterup/clusterup/plan"
)

// painter colours words, or leaves them.
type painter struct{ on bool }

func (p painter) with(code, s string) safe {
	clean := sprintf("%s", s)
	if !p.on {
		return clean
	}
	return "\x1b[" + safe(code) + "m" + clean + "\x1b[0m"
}

func (p painter) bold(s string) safe   { return p.with("1", s) }
func (p painter) red(s string) safe    { return p.with("31", s) }
func (p painter) green(s string) safe  { return p.with("32", s) }
func (p painter) yellow(s string) safe { return p.with("33", s) }

// diff colours a line of a unified diff.
func (p painter) diff(line string) safe {
	switch {
	case strings.HasPrefix(line, "+"):
		return p.green(line)
	case strings.HasPrefix(line, "-"):
		return p.red(line)
	}
	return sprintf("%s", line)
}

// mark is the sign before a step, as the table of kinds has it; a file that is there is changed rather than made.
func (p painter) mark(step plan.Step) safe {
	mark := step.Kind.Traits().Mark
	if mark == '+' && slices.ContainsFunc(step.Changes, func(c plan.Change) bool { return c.Existed }) {
		mark = '~'
	}
	switch mark {
	case '+':
		return p.green("+")
	case '-':
		return p.red("-")
	case '~', '!':
		return p.yellow(string(mark))
	}
	return sprintf("%s", string(mark))
}
