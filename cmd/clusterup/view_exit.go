package main

import (
	"context"
	"errors"
	"slices"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/remote"
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

// usageError is a mistake in flags or arguments.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errInventory marks diagnostics of the inventory, which have been shown.
var errInventory = errors.New("the inventory has mistakes")

// errPending says that changes are pending, where that was asked for.
var errPending = errors.New("changes are pending")

// errDeclined says that the operator did not agree.
var errDeclined = errors.New("nothing was changed")

// exitCode is the one place where errors become exit codes.
func exitCode(err error) int {
	var child childError
	var usage usageError
	var refused *plan.Refused
	var stopped *apply.Stopped
	var stage *apply.StageError
	var lost *lockLostError
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
	case errors.Is(err, errMoved):
		return exitRefused
	case errors.As(err, new(*plan.NoMajority)), unreachable(err):
		return exitUnreachable
	}
	return exitFailed
}

// unreachable says that an error is of a host that could not be looked at.
func unreachable(err error) bool {
	kinds := []error{
		remote.ErrUnreachable, remote.ErrAuth, remote.ErrHostKey, remote.ErrSudo, remote.ErrShell, remote.ErrSilent,
	}
	return slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) })
}
