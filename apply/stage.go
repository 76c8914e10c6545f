package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// stage runs the steps of each host in their order, as many hosts side by side as the stage is wide. A failure ends
// that host's steps only. Other hosts that are at work finish theirs, so that a stage leaves as little half done as it
// can; hosts whose turn comes later are left alone. It returns how many steps were done.
func (r *Run) stage(ctx context.Context, stage plan.Stage) (int, error) {
	began := r.Now()
	r.emit(Event{Type: StageStarted, Stage: stage.Name, Text: stage.Gate, Steps: len(stage.Steps)})
	hosts, byHost := grouped(stage.Steps)
	counts, errs := make([]int, len(hosts)), make([]error, len(hosts))
	width := max(1, min(stage.Width, len(hosts)))
	var wg sync.WaitGroup
	var failed atomic.Bool
	room := make(chan struct{}, width)
	for i, host := range hosts {
		room <- struct{}{}
		if failed.Load() && width < len(hosts) { // a host's turn comes only while all goes well
			break
		}
		wg.Go(func() {
			if counts[i], errs[i] = r.steps(ctx, stage, byHost[host]); errs[i] != nil {
				failed.Store(true)
			}
			<-room
		})
	}
	wg.Wait()
	done := 0
	for _, n := range counts {
		done += n
	}
	if err := joined(stage, errs, done); err != nil {
		return done, err
	}
	r.emit(Event{Type: StageDone, Stage: stage.Name, Steps: done, Seconds: r.Now().Sub(began).Seconds()})
	return done, nil
}

// joined makes one error of those of the hosts: failures before stops, since they are what needs doing something about.
func joined(stage plan.Stage, errs []error, done int) error {
	var failed []error
	stopped := false
	for _, err := range errs {
		var stop *Stopped
		switch {
		case err == nil:
		case errors.As(err, &stop):
			stopped = true
		default:
			failed = append(failed, err)
		}
	}
	switch {
	case len(failed) > 0:
		return &StageError{Stage: stage, Errs: failed}
	case stopped:
		return &Stopped{Done: done, Next: stage.Name}
	}
	return nil
}

// grouped sorts steps by host, in the order in which hosts first appear.
func grouped(steps []plan.Step) (hosts []string, byHost map[string][]plan.Step) {
	byHost = map[string][]plan.Step{}
	for _, step := range steps {
		if _, known := byHost[step.Host]; !known {
			hosts = append(hosts, step.Host)
		}
		byHost[step.Host] = append(byHost[step.Host], step)
	}
	return hosts, byHost
}

func (r *Run) steps(ctx context.Context, stage plan.Stage, steps []plan.Step) (done int, err error) {
	for done < len(steps) && err == nil {
		n := 0
		if r.stopping() {
			return done, &Stopped{Next: stage.Name}
		}
		if step := steps[done]; writes(step.Kind) {
			n, err = r.piece(ctx, stage, pieceOf(steps[done:]))
		} else if err = r.step(ctx, stage, step); err == nil {
			n = 1
		}
		done += n
	}
	return done, err
}

// pieceOf are the steps, from the first on, that do nothing but write files and have no gate: they go to the host as
// one.
func pieceOf(steps []plan.Step) []plan.Step {
	n := slices.IndexFunc(steps, func(s plan.Step) bool { return !writes(s.Kind) || s.Needs != nil })
	switch n {
	case -1:
		return steps
	case 0: // one with a gate goes alone
		return steps[:1]
	}
	return steps[:n]
}

// piece runs steps in one trip to the host, each with its seams. The first step is told to have started at once; all
// other events come when the host has answered. A step that cannot be begun ends the piece before it.
func (r *Run) piece(ctx context.Context, stage plan.Stage, steps []plan.Step) (done int, err error) {
	var begun []*doing
	var parts []Part
	for _, step := range steps {
		if n := len(begun); n > 0 && r.apart(steps[n-1], step) {
			break
		}
		s, part := r.begin(stage, step), Part{}
		if len(begun) == 0 {
			s.started()
		}
		if err = s.seam("before"); err == nil {
			err = r.gate(ctx, step)
		}
		if err == nil {
			part, err = r.part(ctx, step)
		}
		begun = append(begun, s)
		if err != nil {
			break
		}
		parts = append(parts, part)
	}
	wrote, failed := 0, len(parts)
	if len(parts) > 0 {
		write := func() (err error) {
			wrote, failed, err = r.Hosts[steps[0].Host].Write(ctx, parts...)
			return err
		}
		for _, step := range slices.Backward(steps[:len(parts)]) {
			inner := write
			write = func() error { return r.action(step.Point()+"#write-1", inner) }
		}
		if errWrite := write(); errWrite != nil {
			err = errWrite
			wrote, failed = min(wrote, len(parts)-1), min(failed, len(parts)-1) // a seam may fail after all was written
		}
	}
	for i, s := range begun[:wrote] {
		if i > 0 {
			s.started()
		}
		if err := s.done(); err != nil {
			return done, s.failed(ctx, err)
		}
		done++
	}
	if err == nil {
		return done, nil
	}
	if failed > 0 {
		begun[failed].started()
	}
	return done, begun[failed].failed(ctx, err)
}

// apart says whether a fault is to hit a piece between two of its steps.
func (r *Run) apart(one, next plan.Step) bool {
	return r.Apart != nil && slices.ContainsFunc([]string{
		"after " + one.Point() + "#write-1", "after " + one.Point(), "before " + next.Point(),
		"before " + next.Point() + "#write-1",
	}, r.Apart)
}

// step runs one step that is no part of a piece. A step that waits or sends a lot is cut off when a stop is asked for;
// the others take moments, and are finished.
func (r *Run) step(ctx context.Context, stage plan.Stage, step plan.Step) error {
	s := r.begin(stage, step)
	s.started()
	err := s.seam("before")
	if err == nil {
		within := context.WithCancel
		if step.Kind.Traits().Long {
			within = r.stoppable
		}
		stepCtx, cancel := within(ctx)
		err = r.do(stepCtx, step)
		cancel()
	}
	if err == nil {
		err = s.done()
	}
	if err == nil {
		return nil
	}
	return s.failed(ctx, err)
}

// doing is a step under way.
type doing struct {
	run   *Run
	stage plan.Stage
	step  plan.Step
	began time.Time
	event Event // of it, but for its type
}

func (r *Run) begin(stage plan.Stage, step plan.Step) *doing {
	return &doing{
		run: r, stage: stage, step: step, began: r.Now(),
		event: Event{Stage: stage.Name, Step: step.ID(), Kind: string(step.Kind), Host: step.Host, Text: step.Why},
	}
}

func (s *doing) started() {
	started := s.event
	started.Type = StepStarted
	s.run.emit(started)
}

// seam is the point right before or after the step.
func (s *doing) seam(when string) error { return s.run.seam(when + " " + s.step.Point()) }

// done ends a step that has done its work.
func (s *doing) done() error {
	if err := s.seam("after"); err != nil {
		return err
	}
	s.event.Type, s.event.Seconds = StepDone, s.run.Now().Sub(s.began).Seconds()
	s.run.emit(s.event)
	return nil
}

// failed ends a step that has not, and says why.
func (s *doing) failed(ctx context.Context, err error) error {
	r, step := s.run, s.step
	if r.stopping() && errors.Is(err, context.Canceled) && ctx.Err() == nil {
		return &Stopped{Next: s.stage.Name}
	}
	s.event.Type, s.event.Seconds, s.event.Error = StepFailed, r.Now().Sub(s.began).Seconds(), err.Error()
	r.emit(s.event)
	var log []string
	var why *Explanation
	// the member has nothing to do with these, so its journal is not asked
	if !errors.Is(err, facts.ErrNoForwarding) && !errors.As(err, new(*GateError)) {
		log, why = r.journal(ctx, step, s.began)
	}
	switch step.Kind { // their own words are all there is
	case plan.InstallRelease, plan.RestoreData:
		why = explain(fullSignatures, []string{err.Error()})
	case plan.SalvageMember: // whose snapshot goes to a disk of this machine
		why = explain(roomSignatures, []string{err.Error()})
	}
	return &StepError{Step: step, Err: err, Log: log, Why: why}
}

func (r *Run) seam(point string) error {
	if r.Seam == nil {
		return nil
	}
	return r.Seam(point)
}

// stoppable is a context for what may take long: it ends when a stop is asked for, too.
func (r *Run) stoppable(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-r.Stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// journal is what the member's unit said last, for steps that wait for it, and what that means; nil when it said
// nothing. Its last start is explained first: an earlier one may have failed for another reason. Lines of the old
// process, written while it was shutting down, are passed over; that it did not stop in time is told only where
// nothing else explains the failure.
func (r *Run) journal(ctx context.Context, step plan.Step, began time.Time) ([]string, *Explanation) {
	if !step.Kind.Traits().Serves {
		return nil, nil
	}
	unit := cmp.Or(step.Unit, r.Want.Cluster.UnitName)
	out, err := r.Hosts[step.Host].Script(ctx, journalScript(unit, int(r.Now().Sub(began).Seconds())+5))
	switch {
	case ctx.Err() != nil: // the run is over, and the step has said why
		return nil, nil
	case err != nil:
		return []string{fmt.Sprintf("(the journal could not be read: %v)", err)}, nil
	}
	last, all, _ := strings.Cut(string(out), journalParts+"\n")
	log := linesOf(all)
	started := log
	if step.Kind.Traits().Disturbs { // a process ran before
		started = sinceStart(log)
	}
	// The last words of a process may reach the journal too late to be counted as its run's.
	for _, part := range [][]string{linesOf(last), sinceLastStart(started), started} {
		if why := Explain(part); why != nil {
			return part, why
		}
	}
	return log, explain(stopSignatures, log)
}

// sinceStart are the lines from where systemd first began to start the unit after it last stopped it; none when it did
// not come to that.
func sinceStart(log []string) []string {
	for i, line := range slices.Backward(log) {
		if strings.HasPrefix(line, "Stopping ") || strings.HasPrefix(line, "Stopped ") {
			log = log[i:]
			break
		}
	}
	if at := slices.IndexFunc(log, starting); at >= 0 {
		return log[at:]
	}
	return nil
}

// sinceLastStart are the lines from where systemd last began to start the unit; none when it did not come to that.
func sinceLastStart(log []string) []string {
	for i, line := range slices.Backward(log) {
		if starting(line) {
			return log[i:]
		}
	}
	return nil
}

// starting tells whether it is systemd's word of a start.
func starting(line string) bool { return strings.HasPrefix(line, "Starting ") }

// linesOf is nil for a text that says nothing.
func linesOf(text string) []string {
	if text = strings.TrimSpace(text); text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
