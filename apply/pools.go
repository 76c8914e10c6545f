package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/clusterup/clusterup/plan"
)

// errServersChanged means that somebody else has changed the servers of a balancer.
var errServersChanged = errors.New("somebody else has changed these servers since they were read, and nothing was written: " +
	"run the same command again")

// putServers changes the servers of a balancer, if nobody else has since they were read. An answer that got lost is
// not taken for a change of others: what is there then is as it was to be.
func (r *Run) putServers(ctx context.Context, step plan.Step) error {
	endpoint := r.endpoint(step.Host)
	changed := false
	err := awaitFor(ctx, settles, "the servers are not changed", func(ctx context.Context) error {
		done, err := r.Etcd.ChangePool(ctx, endpoint, *step.Pool)
		if err != nil || done {
			return err
		}
		seen, err := r.Etcd.Pool(ctx, endpoint, step.Pool.Balancer)
		changed = err == nil && !step.Pool.Done(seen)
		return err
	})
	if err == nil && changed {
		return fmt.Errorf("change the servers of %s: %w", step.Pool.Balancer, errServersChanged)
	}
	return err
}
