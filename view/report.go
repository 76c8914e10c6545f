package view

import (
	"errors"
	"fmt"
	"strings"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/plan"
)

// Report shows an error with what to do next, and gives the exit code.
func (c *Console) Report(err error) int {
	code := c.Advice.ExitCode(err)
	switch {
	case err == nil, errors.Is(err, ErrPending):
		return code
	case errors.Is(err, ErrInventory), errors.As(err, new(childError)), errors.As(err, new(shownError)):
		return code
	}
	if c.JSON {
		c.Object(errorOf(err, code))
	}
	lines := c.Advice.explain(err, c.Full)
	if code == ExitInterrupted && c.Intact {
		lines = []string{"Stopped: nothing was changed."}
	}
	for _, line := range lines {
		c.Say("%s", strings.ReplaceAll(line, "\n", "; ")) // several errors may be joined into one
	}
	return code
}

// errorObject is the last line of a run that failed, with --json.
type errorObject struct {
	Type     string         `json:"type"`
	Error    string         `json:"error"`
	ExitCode int            `json:"exit_code"`
	Refusals []plan.Refusal `json:"refusals,omitempty"`
	Waits    []plan.Wait    `json:"waits,omitempty"` // what is not done before dark hosts are seen
	Steps    int            `json:"steps,omitempty"` // done before it
}

// errorOf describes an error.
func errorOf(err error, code int) errorObject {
	o := errorObject{Type: "error", Error: err.Error(), ExitCode: code, Refusals: plan.RefusalsOf(err)}
	if refused := new(plan.Refused); errors.As(err, &refused) {
		o.Waits = refused.Waits
	}
	if late := new(refusedLate); errors.As(err, &late) {
		o.Steps = late.steps
	}
	return o
}

// explain is what the operator reads: each problem, and under it the remedy; with full the raw lines of journals.
func (a Advice) explain(err error, full bool) []string {
	var refused *plan.Refused
	var stage *apply.StageError
	var verify *apply.VerifyError
	var stopped *apply.Stopped
	var lost *apply.LockLostError
	var back *apply.BackError
	var short *plan.NoMajority
	var dark *apply.DarkError
	switch {
	case errors.As(err, &short):
		return explainShort(err, short)
	case errors.As(err, &dark):
		return explainDark(dark)
	case errors.As(err, &refused):
		return explainRefused(err, refused)
	case errors.As(err, &back):
		return a.explainBack(back, full)
	case errors.As(err, &lost):
		return a.explainLost(lost, full)
	case errors.As(err, &stage):
		return a.explainStage(stage, full)
	case errors.As(err, &verify):
		return explainVerify(verify)
	case errors.As(err, &stopped):
		return []string{
			fmt.Sprintf("Stopped: %s done; %q was not finished.", Plural(stopped.Done, "step"), stopped.Next),
			"  → run the same command again: it looks, and goes on from there",
		}
	case errors.Is(err, apply.ErrLocked):
		return []string{
			"Error: " + err.Error(),
			"  → wait for it (--lock-wait=5m does), or end that run: the lock falls with its connection",
		}
	case errors.Is(err, ErrDeclined):
		return []string{"Nothing was changed."}
	}
	lines := []string{"Error: " + err.Error()}
	if hint := a.remedy(err); hint != "" {
		lines = append(lines, "  → "+hint)
	}
	return lines
}

// explainVerify names what is wrong, and below each alarm its remedy.
func explainVerify(verify *apply.VerifyError) []string {
	lines := []string{"Error: everything was done, and yet the cluster is not as it should be:"}
	rest := len(verify.Findings)
	for _, finding := range verify.Findings {
		lines = append(lines, "  "+finding)
		for _, alarm := range verify.Alarms {
			if alarm.Text == finding {
				lines = append(lines, "    → "+alarm.Remedy)
				rest--
			}
		}
	}
	if len(verify.Dark) > 0 {
		lines = append(lines, fmt.Sprintf("  %s could not be looked at", plan.Enumerate(verify.Dark)))
	}
	if rest == 0 {
		return lines
	}
	return append(lines, "  → the journal of the member's unit on its host says why: journalctl -n 100 -u "+verify.Unit)
}

// refusedLate is a refusal after something had been done.
type refusedLate struct {
	error
	steps int
}

func (e *refusedLate) Unwrap() error { return e.error }

// Late is err; a refusal after steps were done is wrapped, so that its text does not say that nothing was changed.
func Late(err error, steps int) error {
	if refused := new(plan.Refused); steps > 0 && (errors.As(err, &refused) || errors.As(err, new(*plan.NoMajority))) {
		return &refusedLate{err, steps}
	}
	return err
}

// Unfit is a refusal by what preflight found: the plan has been shown, and none of it was done.
func Unfit(err error) error { return &unfitError{err} }

type unfitError struct{ error }

func (e *unfitError) Unwrap() error { return e.error }

// LeftError says what a destroy has left on hosts that could not be looked at.
type LeftError struct{ *plan.Refused }

func (e *LeftError) Unwrap() error { return e.Refused }

func explainRefused(err error, refused *plan.Refused) []string {
	head := "Refused: nothing was changed, because this would not be safe:"
	var late *refusedLate
	var unfit *unfitError
	switch {
	case errors.As(err, new(*LeftError)):
		head = "Error: the cluster is destroyed where it could be seen; not every host could be looked at:"
	case errors.As(err, &late) && !refused.Beside:
		head = fmt.Sprintf("Refused: %s done so far, and going on would not be safe:", Plural(late.steps, "step"))
	case refused.Only(plan.Unreachable) && errors.As(err, &unfit): // there is no cluster yet
		head = "Error: not every host could be looked at, and nothing is changed without that:"
	case refused.Only(plan.Unreachable):
		head = "Error: not every host could be looked at:"
	case refused.Beside:
		head = "Refused: these hosts are left as they are; nothing else is held up by that:"
	case errors.As(err, &unfit):
		head = "Refused: nothing was changed, because the hosts are not fit for this plan:"
	}
	return append([]string{head}, listed(refused.Refusals)...)
}

// listed are refusals, each with its remedy.
func listed(refusals []plan.Refusal) []string {
	var lines []string
	for _, r := range refusals {
		lines = append(lines, fmt.Sprintf("  %s  [%s]", r, r.Kind))
		if r.Remedy != "" {
			lines = append(lines, "    → "+r.Remedy)
		}
	}
	return lines
}

// explainLost says with which host the lock was lost, beside what went wrong elsewhere.
func (a Advice) explainLost(lost *apply.LockLostError, full bool) []string {
	lines := a.explainStage(lost.Stage, full)
	lines[0] = fmt.Sprintf("Error: %s: the lock was lost with the connection; %q was not finished:", lost.Host,
		lost.Stage.Stage.Name)
	return lines
}

// explainBack says what failed, and where that has left the member.
func (a Advice) explainBack(back *apply.BackError, full bool) []string {
	lines := a.explainStage(back.StageError, full)
	if back.Err != nil {
		lines = append(lines[:len(lines)-1], fmt.Sprintf("  Then it was tried to %s:", back.Back.Name), "  "+back.Err.Error())
		return append(lines,
			"  → clusterup status shows the members; to give the change up, set the inventory back, and apply")
	}
	steps := back.Back.Steps
	return append(lines[:len(lines)-1],
		fmt.Sprintf(
			"  %s was taken back to what it ran with before, and serves. Members that were restarted before it stay as they are.", steps[0].Host),
		"  → mend the cause, or take the change out of the inventory; then run the same command again")
}

// briefLines is how much of a journal an error shows.
const briefLines = 12

// explainStage says which steps failed, why, and what the member itself says of it: in short, or with full as it was
// written.
func (a Advice) explainStage(stage *apply.StageError, full bool) []string {
	lines := []string{fmt.Sprintf("Error: %q was not finished:", stage.Stage.Name)}
	for _, err := range stage.Errs {
		lines = append(lines, "  "+err.Error())
		var step *apply.StepError
		if !errors.As(err, &step) {
			continue
		}
		if why := step.Why; why != nil {
			lines = append(lines, "    Cause: "+why.Cause, "    → "+why.Remedy)
		} else if hint := a.remedy(step.Err); hint != "" {
			lines = append(lines, "    → "+hint)
		}
		log, head := apply.Brief(step.Log, briefLines), "    the last lines of its journal (--full shows them as they are):"
		if full {
			log, head = step.Log, "    the last lines of its journal:"
		}
		if len(log) > 0 {
			lines = append(lines, head)
		}
		for _, line := range log {
			lines = append(lines, "      "+line)
		}
	}
	return append(lines, "  → once the cause is mended, run the same command again: it looks, and goes on from there")
}
