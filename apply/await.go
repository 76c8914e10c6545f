package apply

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// settles is how long a stubborn error may last: a member shows some errors only as it starts, or without a leader.
const settles = 5 * time.Second

// await asks again and again until there is no error, or until the time is over that a member has to become ready; the
// last error then says what was missing. A hopeless error ends it at once, and a stubborn one after settles (see
// [facts.Hopeless] and [facts.Stubborn]).
func (r *Run) await(ctx context.Context, missing string, ask func(context.Context) error) error {
	return awaitFor(ctx, r.timeout(), missing, ask)
}

func awaitFor(ctx context.Context, limit time.Duration, missing string, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var last error // not the deadline's own, which says nothing
	var stubborn time.Time
	for {
		err := ask(ctx)
		switch {
		case err == nil || facts.Hopeless(err):
			return err
		case !facts.Stubborn(err):
			stubborn = time.Time{}
		case stubborn.IsZero():
			stubborn = time.Now()
		case time.Since(stubborn) >= settles:
			return err
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			if ctx.Err() == context.DeadlineExceeded {
				return fmt.Errorf("%s within %s: %w", missing, limit, last)
			}
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// sideBySide asks members at once, and gives the error of each.
func sideBySide(names []string, ask func(i int, name string) error) []error {
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { errs[i] = ask(i, name) })
	}
	wg.Wait()
	return errs
}

// GateError means that what a step rests on does not hold any more. Nothing was stopped, nobody's vote was changed, and
// running again decides anew.
type GateError struct {
	Step  plan.Step
	Serve int   // how many of Step.Needs.Serve do
	Err   error // why others do not
}

func (e *GateError) Error() string {
	what := e.Step.Host + " is not stopped"
	if e.Step.Kind.Traits().Where == plan.Cluster {
		what = e.Step.ID() + " is not done"
	}
	which := "the other members"
	if slices.Contains(e.Step.Needs.Serve, e.Step.Host) {
		which = "the members"
	}
	return fmt.Sprintf("%s: %d of %s serve now, and %d have to: %v", what, e.Serve, which, e.Step.Needs.Least, e.Err)
}

func (e *GateError) Unwrap() error { return e.Err }

// gate asks again what a step rests on that stops a process or changes who votes, since minutes may have gone by since
// it was decided: enough of the others must serve. They get a few seconds, since there may be an election.
func (r *Run) gate(ctx context.Context, step plan.Step) error {
	if step.Needs == nil {
		return nil
	}
	gone := &GateError{Step: step}
	err := awaitFor(ctx, settles, "too few serve", func(ctx context.Context) error {
		names := step.Needs.Serve
		errs := sideBySide(names, func(_ int, name string) error {
			err := r.Etcd.ReadLinearizable(ctx, r.endpoint(name))
			if err != nil {
				err = fmt.Errorf("%s: %w", name, err)
			}
			return err
		})
		serve, why := len(names), error(nil)
		for _, err := range errs {
			if err != nil {
				serve, why = serve-1, err
			}
		}
		if serve >= step.Needs.Least {
			return nil
		}
		if gone.Err == nil || ctx.Err() == nil { // the deadline cuts answers short, and says nothing
			gone.Serve, gone.Err = serve, why
		}
		return why
	})
	if err == nil || gone.Err == nil {
		return err
	}
	if context.Cause(ctx) != nil {
		return ctx.Err()
	}
	return gone
}
