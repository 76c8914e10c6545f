package apply

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// ended is the end of a run at which Next gave an error. If that holds up nothing beside it, such as dark hosts, the
// others are verified.
func (r *Run) ended(ctx context.Context, result Result, err error) error {
	var refused *plan.Refused
	if !errors.As(err, &refused) || !plan.GoesOn(err) {
		return err
	}
	if r.Next == nil && answers(result.Snapshot) {
		err := r.verify(ctx, result)
		if wrong := new(VerifyError); errors.As(err, &wrong) {
			for _, dark := range refused.Refusals {
				if dark.Kind == plan.Unreachable {
					wrong.Dark = append(wrong.Dark, dark.Host)
				}
			}
		}
		if err != nil {
			return err
		}
	}
	if r.nodesFailed != nil {
		return r.nodesFailed
	}
	if !refused.Only(plan.Unreachable) {
		return err
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
	if stage.Balancer != "" {
		result.Snapshot = now
		if !nodesWentDark(before, now, failed) {
			r.leaveOut(failed)
		}
		return nil
	}
	if wentDark(before, now, failed) {
		result.Snapshot = now
		return nil
	}
	if r.Next != nil || errors.As(err, new(*GateError)) { // nothing was stopped, so there is nothing to go back to
		return err
	}
	return r.back(ctx, before, now, failed)
}

// leaveOut has the run go on without the nodes on which steps have failed: neither the cluster nor other nodes wait for
// them. What failed is the run's error in the end.
func (r *Run) leaveOut(failed *StageError) {
	if r.nodesFailed == nil {
		r.nodesFailed = failed
		return
	}
	both := *r.nodesFailed
	both.Errs = slices.Concat(both.Errs, failed.Errs)
	r.nodesFailed = &both
}

// without is what was seen, in which the nodes that are left out are dark.
func (r *Run) without(seen facts.Snapshot) facts.Snapshot {
	if r.nodesFailed == nil {
		return seen
	}
	seen.Nodes = maps.Clone(seen.Nodes)
	for _, err := range r.nodesFailed.Errs {
		var step *StepError
		if errors.As(err, &step) {
			name := step.Step.Host
			seen.Nodes[name] = facts.Node{Machine: facts.Machine{Name: name, Unreachable: "a step has failed there"}}
		}
	}
	return seen
}

// nodesWentDark is wentDark for steps on nodes of balancers.
func nodesWentDark(before, now facts.Snapshot, failed *StageError) bool {
	return !slices.ContainsFunc(failed.Errs, func(err error) bool {
		var step *StepError
		return !errors.As(err, &step) || before.Nodes[step.Step.Host].Dark() || !now.Nodes[step.Step.Host].Dark()
	})
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
