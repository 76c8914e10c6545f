package main

import (
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

// mark is the sign before a step: what is made, changed, or touches a running member.
func (p painter) mark(step plan.Step) safe {
	switch step.Kind {
	case plan.WriteUnit:
		if len(step.Changes) > 0 && !step.Changes[0].Existed {
			return p.green("+")
		}
		return p.yellow("~")
	case plan.RestartMember, plan.MoveLeader, plan.EnableDowngrade, plan.CancelDowngrade:
		return p.yellow("!")
	case plan.StopMember, plan.MoveAside, plan.PurgeData, plan.RemoveFiles:
		return p.red("-")
	case plan.FixModes, plan.ReloadUnits, plan.EnableUnit:
		return p.yellow("~")
	case plan.AwaitMember, plan.AwaitVersion:
		return "…"
	}
	return p.green("+")
}
