package apply

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/clusterup/clusterup/facts"
)

// elected says that a look was taken during an election, as after the leader's host has gone: a quorum answered, and
// nobody served a read. Then it is taken again when they do; they have a few election timeouts for it.
func (r *Run) elected(ctx context.Context, seen *facts.Snapshot) bool {
	if reads, answer := responses(*seen); reads > 0 || answer <= len(seen.Hosts)/2 {
		return false
	}
	waiting, cancel := context.WithTimeout(ctx, time.Second+3*r.Want.Cluster.Etcd.ElectionTimeout)
	defer cancel()
	if r.awaitLeader(waiting) != nil {
		return false
	}
	now, err := r.look(ctx, nil)
	if err == nil {
		*seen = now
	}
	return err == nil
}

// responses counts the members that were seen to serve reads, and to answer at all.
func responses(s facts.Snapshot) (reads, answer int) {
	for _, host := range s.Hosts {
		switch {
		case host.Dark() || host.Etcd == nil:
			continue
		case host.Reads:
			reads++
		}
		answer++
	}
	return reads, answer
}

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
