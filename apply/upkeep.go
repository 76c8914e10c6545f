package apply

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/clusterup/clusterup/plan"
)

// defragPace is how many bytes a second a slow disk copies, defragLeast what the smallest database gets, and defragMost
// the largest size that a member is believed.
const (
	defragPace  = 4 << 20
	defragLeast = time.Minute
	defragMost  = 1 << 40
)

// defragTime is how long going through a database of that size may take: a minute, and four more a GiB.
func defragTime(size int64) time.Duration {
	return defragLeast + time.Duration(min(max(0, size), defragMost)/defragPace)*time.Second
}

// defragment has a member give back the free room in its database, waits until it serves again, and says how much that
// was. A member that is at it already does it once more.
func (r *Run) defragment(ctx context.Context, step plan.Step) error {
	endpoint := r.endpoint(step.Host)
	before, err := r.Etcd.Status(ctx, endpoint)
	if err != nil {
		return err
	}
	limit := defragTime(before.DBSize)
	err = within(ctx, limit, func(ctx context.Context) error { return r.Etcd.Defragment(ctx, endpoint) })
	if err != nil {
		return err
	}
	r.Want.Defragmented = append(slices.Clone(r.Want.Defragmented), step.Host)
	if err := r.awaitMember(ctx, step); err != nil {
		return err
	}
	after, err := r.Etcd.Status(ctx, endpoint)
	if err != nil {
		return err
	}
	r.note(step, fmt.Sprintf("%s → %s: %s given back", plan.Bytes(before.DBSize), plan.Bytes(after.DBSize),
		plan.Bytes(max(0, before.DBSize-after.DBSize))))
	return nil
}

// compact drops the history of keys before the revision that the store has now, and waits until every voter has.
func (r *Run) compact(ctx context.Context, step plan.Step) error {
	endpoint := r.endpoint(step.Host)
	revision, err := r.Etcd.Revision(ctx, endpoint)
	if err != nil {
		return err
	}
	before, err := r.Etcd.Status(ctx, endpoint)
	if err != nil {
		return err
	}
	through := []string{step.Host}
	for _, name := range r.voters() {
		if name != step.Host {
			through = append(through, name)
		}
	}
	for _, name := range through {
		err = within(ctx, defragTime(before.DBSize), func(ctx context.Context) error {
			return r.Etcd.Compact(ctx, r.endpoint(name), revision)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	r.Want.Compacted = true
	after, err := r.Etcd.Status(ctx, endpoint)
	if err != nil {
		return err
	}
	r.note(step, fmt.Sprintf("compacted to revision %d: %s → %s in use", revision, plan.Bytes(before.DBInUse),
		plan.Bytes(after.DBInUse)))
	return nil
}

// within does what a member goes on with by itself when nobody waits for it any more.
func within(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := do(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf(
			"not done within %s: the member goes on with it by itself; when it serves again, run this once more", limit)
	}
	return err
}

// note is what a step has to say of what it did.
func (r *Run) note(step plan.Step, text string) {
	r.emit(Event{Type: StepNote, Step: step.ID(), Kind: string(step.Kind), Host: step.Host, Text: text})
}
