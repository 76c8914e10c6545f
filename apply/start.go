package apply

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/clusterup/clusterup/plan"
)

// maxStop is how long a process may take to end: systemd waits for 90 s before it kills it, and then for as long again.
const maxStop = 200 * time.Second

// startMember starts or restarts the unit. That is done only when the member also serves reads, or has joined as a
// learner.
func (r *Run) startMember(ctx context.Context, host Host, step plan.Step) error {
	if err := r.bringUp(ctx, host, step); err != nil {
		return err
	}
	r.serving.moved(step.Host)
	if err := r.awaitMember(ctx, step); err != nil {
		return err
	}
	if step.From != "" && step.From != step.Version {
		r.swapped.Store(true)
	}
	return nil
}

// bringUp has systemd start or restart the unit, in one job that goes on whatever becomes of this run. It is
// Type=notify, so the start is over when etcd has joined a quorum; systemctl waits for that, and is cut short when its
// time is up. What the process that ran before takes to end is not part of that time, and a learner has more of it
// while something reaches its disk.
func (r *Run) bringUp(ctx context.Context, host Host, step plan.Step) error {
	verb := "start"
	if step.Kind == plan.RestartMember {
		verb = "restart"
	}
	startCtx, cancel := context.WithCancel(ctx)
	var stirring sync.WaitGroup
	defer stirring.Wait()
	defer cancel()
	stirring.Go(func() { r.stir(startCtx, step.Host) })
	ended, began := make(chan error, 1), time.Now()
	go func() {
		_, err := host.Script(startCtx, startUnit(verb, step.Unit))
		ended <- err
	}()
	ready, got := r.startTime(step.Host), int64(0)
	for limit := ready; ; {
		select {
		case err := <-ended:
			return err
		case <-time.After(limit - time.Since(began)):
		}
		stop := r.stopTook(ctx, step, began)
		if limit < ready+stop && stop < maxStop {
			limit = ready + stop
			continue
		}
		if now := r.received(ctx, step.Host); now > got {
			ready, limit, got = ready+r.timeout(), limit+r.timeout(), now
			continue
		}
		cancel()
		if err := <-ended; err == nil || ctx.Err() != nil {
			return err
		}
		err := unready(ready, stop)
		if _, learner := r.joins(step.Host); learner {
			err = r.behind(step.Host, err)
		}
		return err
	}
}

// stirEvery is how long a member may take to start until something is written for it, and then again.
const stirEvery = 3 * time.Second

// stir writes a key through another member that serves, again and again until ctx ends. etcd does not call itself ready
// before it has published itself, and publishes nothing while its log seems to be further than what it has applied.
// That it has applied a snapshot it notes at the entry after it (server/etcdserver/server.go, applyEntryNormal and
// setAppliedIndex; v3_server.go, ErrTooManyRequests): where nobody writes, that never comes, and a member that was sent
// a snapshot waits for ever. Seen with 3.6.16; the code of 3.5.35 and 3.7.3 is the same.
func (r *Run) stir(ctx context.Context, name string) {
	tick := time.NewTicker(stirEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, other := range r.members() {
			if other == name || r.Etcd.ReadLinearizable(ctx, r.endpoint(other)) != nil {
				continue
			}
			_ = r.canary(ctx, other) // verify says so where nothing can be written
			break
		}
	}
}

// stopTook is how much of the time since a restart began has gone by before there was a new process: all of it while
// there is none yet.
func (r *Run) stopTook(ctx context.Context, step plan.Step, began time.Time) time.Duration {
	if !step.Kind.Traits().Disturbs { // none ran before
		return 0
	}
	since := time.Since(began)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := r.Hosts[step.Host].Script(ctx, processAge(step.Unit))
	if err != nil {
		return 0
	}
	age, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil || age < 0 || age > math.MaxInt32 {
		return 0
	}
	return max(0, since-time.Duration(age)*time.Millisecond).Round(time.Second)
}

func unready(limit, stop time.Duration) error {
	switch {
	case stop >= maxStop:
		return fmt.Errorf("the process that ran before has not ended within %s", stop)
	case stop > 0:
		return fmt.Errorf(
			"the process that ran before took %s to end, and the unit did not become ready within %s after that", stop, limit)
	}
	return fmt.Errorf("the unit did not become ready within %s", limit)
}
