package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/clusterup/clusterup/facts"
)

// awaitLeader waits until all members that serve reads name the same leader. A member that does not answer is left to
// the next look.
func (r *Run) awaitLeader(ctx context.Context) error {
	return r.await(ctx, "no leader on whom all agree", func(ctx context.Context) error {
		members := r.members()
		named := make([]facts.ID, len(members))
		errs := sideBySide(members, func(i int, name string) error {
			if err := r.Etcd.ReadLinearizable(ctx, r.endpoint(name)); err != nil {
				return err
			}
			status, err := r.Etcd.Status(ctx, r.endpoint(name))
			named[i] = status.Leader
			return err
		})
		leaders := map[facts.ID]bool{}
		for i, err := range errs {
			switch {
			case err == nil:
				leaders[named[i]] = true
			case errors.Is(err, facts.ErrLearner): // it is not expected to
				errs[i] = nil
			}
		}
		switch {
		case len(leaders) == 0:
			return cmp.Or(errors.Join(errs...), errors.New("no member serves reads"))
		case len(leaders) > 1 || leaders[0]:
			return fmt.Errorf("the members name %d leaders, or none", len(leaders))
		}
		return nil
	})
}
