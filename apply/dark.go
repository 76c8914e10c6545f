package apply

import (
	"context"
	"errors"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// ended is the end of a run at which Next gave an error. If that is for dark hosts alone, the others are verified.
func (r *Run) ended(ctx context.Context, result Result, err error) error {
	var refused *plan.Refused
	if !errors.As(err, &refused) || !refused.Only(plan.Unreachable) {
		return err
	}
	if r.Next == nil && answers(result.Snapshot) {
		err := r.verify(ctx, result)
		if wrong := new(VerifyError); errors.As(err, &wrong) {
			for _, dark := range refused.Refusals {
				wrong.Dark = append(wrong.Dark, dark.Host)
			}
		}
		if err != nil {
			return err
		}
	}
	return &DarkError{Refused: refused, Steps: result.Steps, Unfinished: result.Unfinished}
}

// answers says that there is something to verify: a member was seen to serve, or a quorum was seen to answer, which
// therefore has to serve. A minority that answers and does not serve may only be cut off from the dark members.
func answers(s facts.Snapshot) bool {
	answer := 0
	for _, host := range s.Hosts {
		switch {
		case host.Dark() || host.Etcd == nil || host.Etcd.Learner:
			continue
		case host.Reads:
			return true
		}
		answer++
	}
	return answer > len(s.Hosts)/2
}

// failed decides what follows on a stage that did not succeed. It is nil where hosts have gone dark meanwhile: the run
// goes on, with the new look in result. Else it is the error that ends the run.
func (r *Run) failed(ctx context.Context, result *Result, stage plan.Stage, err error) error {
	if stopped := new(Stopped); errors.As(err, &stopped) {
		stopped.Done = result.Steps // of all stages
	}
	var failed *StageError
	if !errors.As(err, &failed) || ctx.Err() != nil || r.stopping() {
		return err
	}
	now, errLook := r.look(ctx, nil)
	if errLook != nil {
		return err
	}
	before := result.Snapshot
	if wentDark(before, now, failed) {
		result.Snapshot = now
		return nil
	}
	if r.Next != nil || errors.As(err, new(*GateError)) { // nothing was stopped, so there is nothing to go back to
		return err
	}
	return r.back(ctx, before, now, failed)
}

// wentDark says that every step which failed rests on a host that can no longer be looked at. A step whose hosts can be
// looked at has failed by itself.
func wentDark(before, now facts.Snapshot, failed *StageError) bool {
	gone := func(host string) bool { return !before.Hosts[host].Dark() && now.Hosts[host].Dark() }
	return !slices.ContainsFunc(failed.Errs, func(err error) bool {
		var step *StepError
		return !errors.As(err, &step) || !slices.ContainsFunc(restsOn(now, step), gone)
	})
}

// restsOn are the hosts that a step needs to succeed.
func restsOn(now facts.Snapshot, failed *StepError) []string {
	step := failed.Step
	var gate *GateError
	switch {
	case errors.As(failed.Err, &gate):
		return step.Needs.Serve
	case step.Kind.Traits().All:
		return now.Names()
	}
	return slices.DeleteFunc([]string{step.Host, step.To, step.Through}, func(name string) bool { return name == "" })
}
