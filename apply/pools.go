package apply

import (
	"context"
	"fmt"

	"github.com/clusterup/clusterup/plan"
)

// putServers changes the servers of a balancer, if nobody else has since they were read. An answer may get lost, so
// what is there then counts: as the change makes it, it is done.
func (r *Run) putServers(ctx context.Context, step plan.Step) error {
	endpoint, balancer := r.endpoint(step.Host), step.Pool.Balancer
	unsure, others := false, false
	err := awaitFor(ctx, 4*settles, "no answer", func(ctx context.Context) error {
		done, err := r.Etcd.ChangePool(ctx, endpoint, *step.Pool)
		if unsure = unsure || err != nil; err != nil || done {
			return err
		}
		seen, err := r.Etcd.Pool(ctx, endpoint, balancer)
		others = err == nil && !step.Pool.Done(seen)
		return err
	})
	switch {
	case err != nil:
		return fmt.Errorf("change the servers of %s; whether they were changed is not known: %w", balancer, err)
	case others && unsure:
		return fmt.Errorf("change the servers of %s: an answer got lost, and they are otherwise now: run the same command again",
			balancer)
	case others:
		return fmt.Errorf("change the servers of %s: somebody else has changed these servers since they were read, and nothing was written: "+
			"run the same command again", balancer)
	}
	return nil
}
