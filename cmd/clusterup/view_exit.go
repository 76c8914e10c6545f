package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/plan"
)

// The exit codes; docs/operations.md has a heading for each.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPending     = 3
	exitInventory   = 10
	exitLocked      = 11
	exitUnreachable = 12
	exitRefused     = 13
	exitPartWay     = 14
	exitInterrupted = 130
)

// misuse is an error that is a mistake in flags or arguments.
func misuse(err error) error { return usageError{err} }

type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errInventory marks diagnostics of the inventory, which have been shown.
var errInventory = errors.New("the inventory has mistakes")

// errPending says that changes are pending, where that was asked for.
var errPending = errors.New("changes are pending")

// errDeclined says that the operator did not agree.
var errDeclined = errors.New("nothing was changed")

// ended is an error of which nothing is left to say but its exit code: another program or the output has told it.
func ended(code int) error { return childError{code} }

type childError struct{ code int }

func (e childError) Error() string { return fmt.Sprintf("the command exited with %d", e.code) }

// shown is an error that the output has told already.
func shown(err error) error { return shownError{err} }

type shownError struct{ error }

func (e shownError) Unwrap() error { return e.error }

// Advice is what packages say of their errors that are not known here: what to do next, "" for nothing, and whether an
// error is of a host that could not be looked at.
type Advice func(error) (next string, dark bool)

// remedy is what an error itself says to do next.
func (a Advice) remedy(err error) string {
	if a == nil {
		return ""
	}
	next, _ := a(err)
	return next
}

// exitCode is the one place where errors become exit codes.
func (a Advice) exitCode(err error) int {
	var child childError
	var usage usageError
	var refused *plan.Refused
	var stopped *apply.Stopped
	var stage *apply.StageError
	var lost *apply.LockLostError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &child):
		return child.code
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, errPending):
		return exitPending
	case errors.Is(err, errInventory):
		return exitInventory
	case errors.Is(err, apply.ErrLocked):
		return exitLocked
	case errors.As(err, &stopped):
		return exitInterrupted
	case errors.As(err, &lost): // what it ended, it cancelled
		return exitPartWay
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &stage):
		return exitPartWay
	case errors.As(err, &refused):
		if refused.Only(plan.Unreachable) {
			return exitUnreachable
		}
		return exitRefused
	case errors.Is(err, apply.ErrMoved):
		return exitRefused
	case errors.As(err, new(*plan.NoMajority)):
		return exitUnreachable
	case a == nil:
		return exitFailed
	}
	if _, dark := a(err); dark {
		return exitUnreachable
	}
	return exitFailed
}
