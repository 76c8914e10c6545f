package apply

import (
	"errors"
	"fmt"
	"strings"

	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

// StepError is a step that did not succeed. What it had done is seen by the next look, so running again goes on.
type StepError struct {
	Step plan.Step
	Err  error
	Log  []string     // the last lines of the member's journal as they are, where that helps; see Brief
	Why  *Explanation // nil: the journal matches nothing that is known
}

func (e *StepError) Error() string { return e.Step.ID() + ": " + e.Err.Error() }

func (e *StepError) Unwrap() error { return e.Err }

// StageError is a stage in which at least one step failed. Steps on other hosts were finished.
type StageError struct {
	Stage plan.Stage
	Errs  []error // *StepError, sorted by host
}

func (e *StageError) Error() string {
	texts := make([]string, 0, len(e.Errs))
	for _, err := range e.Errs {
		texts = append(texts, err.Error())
	}
	return fmt.Sprintf("%s: %s", e.Stage.Name, strings.Join(texts, "; "))
}

func (e *StageError) Unwrap() []error { return e.Errs }

// Stopped means that the run ended at a safe point because it was asked to. Running again goes on.
type Stopped struct {
	Done int    // steps done
	Next string // the stage that was not run, or not finished
}

func (e *Stopped) Error() string { return fmt.Sprintf("stopped before %q was done", e.Next) }

// VerifyError means that everything was done, and yet the cluster is not as it should be.
type VerifyError struct {
	Findings []string
	Alarms   []etcd.Alarm // the alarms among the findings
	Unit     string       // of the members
	Dark     []string     // hosts of which nothing is known
}

func (e *VerifyError) Error() string { return "verify cluster: " + strings.Join(e.Findings, "; ") }

// BackError is a restart that failed, after which the member was taken back to what it ran with before.
type BackError struct {
	*StageError
	Back plan.Stage
	Err  error // nil: it serves again
}

func (e *BackError) Error() string {
	text := e.StageError.Error() + "; " + e.Back.Name
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *BackError) Unwrap() error { return e.StageError }

// DarkError means that all was done that could be done without the hosts that are dark, and that the others are as they
// should be. What the dark ones need is not known. Running again when they can be looked at goes on.
type DarkError struct {
	*plan.Refused        // a refusal of kind plan.Unreachable for each of them, and what waits for them
	Steps         int    // done
	Unfinished    string // the last stage, where hosts went dark in the middle of it; empty: it was finished
}

func (e *DarkError) Error() string {
	texts := make([]string, 0, len(e.Refusals))
	for _, dark := range e.Refusals {
		texts = append(texts, dark.String())
	}
	return "not every host could be looked at: " + strings.Join(texts, "; ")
}

func (e *DarkError) Unwrap() error { return e.Refused }

// LockLostError ends a run that can no longer be sure to be the only one. Running again goes on.
type LockLostError struct {
	Host  string
	Stage *StageError // what had failed by itself; nil: nothing
}

func (e *LockLostError) Error() string {
	text := e.Host + ": the lock was lost with the connection"
	if e.Stage != nil {
		text += ": " + e.Stage.Error()
	}
	return text
}

func (e *LockLostError) Unwrap() error {
	if e.Stage == nil {
		return nil
	}
	return e.Stage
}

// ErrMoved means that the hosts are not as they were when a plan was saved. The remedy is a new plan.
var ErrMoved = errors.New("the world has moved since this plan was saved: look at the new plan, and save it again")
