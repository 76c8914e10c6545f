package apply

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/clusterup/clusterup/facts"
)

// awaitLeader waits until all members that serve reads name the same leader. Of a member that does not answer nothing
// is asked here: the next look sees it.
func (r *Run) awaitLeader(ctx context.Context) error {
	return r.await(ctx, "no leader on whom all agree", func(ctx context.Context) error {
		members := r.members()
		named, errs := make([]facts.ID, len(members)), make([]error, len(members))
		var wg sync.WaitGroup
		for i, name := range members {
			wg.Go(func() {
				if errs[i] = r.Etcd.ReadLinearizable(ctx, r.endpoint(name)); errs[i] != nil {
					return
				}
				status, err := r.Etcd.Status(ctx, r.endpoint(name))
				named[i], errs[i] = status.Leader, err
			})
		}
		wg.Wait()
		leaders := map[facts.ID]bool{}
		for i, err := range errs {
			if err == nil {
				leaders[named[i]] = true
			}
		}
		switch {
		case len(leaders) == 0:
			return errors.Join(errs...)
		case len(leaders) > 1 || leaders[0]:
			return fmt.Errorf("the members name %d leaders, or none", len(leaders))
		}
		return nil
	})
}
