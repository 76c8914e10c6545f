package view

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
	ExitFailed      = 1
	ExitUsage       = 2
	exitPending     = 3
	exitInventory   = 10
	exitLocked      = 11
	ExitUnreachable = 12
	exitRefused     = 13
	exitPartWay     = 14
	ExitInterrupted = 130
)

// Misuse is an error that is a mistake in flags or arguments.
func Misuse(err error) error { return usageError{err} }

type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Unseen is an error of a host that could not be looked at, whatever it is, where nothing goes on without that.
func Unseen(err error) error { return unseenError{err} }

type unseenError struct{ error }

func (e unseenError) Unwrap() error { return e.error }

// ErrInventory marks diagnostics of the inventory, which have been shown.
var ErrInventory = errors.New("the inventory has mistakes")

// ErrPending says that changes are pending, where that was asked for.
var ErrPending = errors.New("changes are pending")

// ErrDeclined says that the operator did not agree.
var ErrDeclined = errors.New("nothing was changed")

// Ended is an error that only sets the exit code: another program or the output has told what is wrong.
func Ended(code int) error { return childError{code} }

type childError struct{ code int }

func (e childError) Error() string { return fmt.Sprintf("the command exited with %d", e.code) }

// Shown is an error that the output has told already.
func Shown(err error) error { return shownError{err} }

type shownError struct{ error }

func (e shownError) Unwrap() error { return e.error }

// Advice says of an error what to do next, "" for nothing, and whether it is of a host that could not be looked at. It
// is for errors of packages that view does not know.
type Advice func(error) (next string, dark bool)

// remedy is what an error itself says to do next.
func (a Advice) remedy(err error) string {
	if a == nil {
		return ""
	}
	next, _ := a(err)
	return next
}

// ExitCode is the one place where errors become exit codes.
func (a Advice) ExitCode(err error) int {
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
		return ExitUsage
	case errors.Is(err, ErrPending):
		return exitPending
	case errors.As(err, new(unseenError)):
		return ExitUnreachable
	case errors.Is(err, ErrInventory):
		return exitInventory
	case errors.Is(err, apply.ErrLocked):
		return exitLocked
	case errors.As(err, &stopped):
		return ExitInterrupted
	case errors.As(err, &lost): // before Canceled: the lost lock has cancelled the run
		return exitPartWay
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	case errors.As(err, &stage):
		return exitPartWay
	case errors.As(err, &refused):
		if refused.Only(plan.Unreachable) {
			return ExitUnreachable
		}
		return exitRefused
	case errors.Is(err, apply.ErrMoved):
		return exitRefused
	case errors.As(err, new(*plan.NoMajority)):
		return ExitUnreachable
	case a == nil:
		return ExitFailed
	}
	if _, dark := a(err); dark {
		return ExitUnreachable
	}
	return ExitFailed
}
