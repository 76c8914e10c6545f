package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/view"
)

func newApply(c *console) *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:   "apply INVENTORY|PLAN",
		Short: "Make the hosts as the inventory says, and verify the cluster",
		Args: func(cmd *cobra.Command, args []string) error {
			return one("one inventory, or a plan that plan --out saved", cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			saved, err := operator.ReadPlan(args[0])
			if err != nil {
				return err
			}
			path := args[0]
			if saved != nil {
				path = saved.Inventory
				if flags, err = savedFlags(saved, flags); err != nil {
					return err
				}
			}
			return c.with(path, flags, func(s *session) error { return s.apply(cmd.Context(), saved) })
		},
	}
	flags.changeFlags(cmd)
	return cmd
}

// apply shows what is to be done, asks, locks, and converges. A run that finds nothing to do writes nothing anywhere,
// so it needs neither lock nor consent.
func (s *session) apply(ctx context.Context, saved *operator.SavedPlan) error {
	s.console.Full = s.flags.full
	looking, looked := s.console.UntilStopped(ctx)
	var p plan.Plan
	var seen facts.Snapshot
	err := s.readPasswords(looking)
	if err == nil {
		p, seen, err = s.plan(looking)
	}
	looked()
	if saved != nil && (err == nil || plan.GoesOn(err)) {
		err = cmp.Or(saved.Check(p, seen), err)
	}
	if saved == nil || err != nil && !plan.GoesOn(err) {
		s.console.ShowPlan(p, s.flags.full, err)
	}
	if err != nil && !plan.GoesOn(err) {
		return err
	}
	if p.Empty() {
		if err := s.writeEdit(); err != nil {
			return err
		}
		return s.converge(ctx, seen, false, s.next)
	}
	s.announceEdit()
	if err := s.consent(ctx); err != nil {
		return err
	}
	err = s.Locked(ctx, seen, s.claim(s.Quorate), func(ctx context.Context) error {
		var now facts.Snapshot
		var err error
		if s.flags.yes && s.Untouched(seen) && s.SameDirectory(seen) {
			now, err = seen, s.ready(ctx, seen)
		} else {
			now, err = s.unmoved(ctx, p, saved != nil)
		}
		if err != nil {
			return s.Cut(ctx, 0, err)
		}
		if err := s.writeEdit(); err != nil {
			return err
		}
		return s.converge(ctx, now, true, s.next)
	})
	if short := new(plan.NoMajority); errors.As(err, &short) && s.edit == nil && s.next == nil &&
		onThisMachine(p.Stages[0]) {
		return s.operatorPart(ctx, seen, err)
	}
	return err
}

// readPasswords reads those of users, unless the verb does one thing alone.
func (s *session) readPasswords(ctx context.Context) error {
	if s.next != nil {
		return nil
	}
	return s.ReadPasswords(ctx)
}

// operatorPart runs the first stages that need no host, such as making a CA: the operator directory has a lock of its
// own. Then it returns the reason why no host is changed.
func (s *session) operatorPart(ctx context.Context, seen facts.Snapshot, reason error) error {
	return s.converge(ctx, seen, true, func(w etcd.Want, seen facts.Snapshot) (*plan.Stage, error) {
		stage, err := etcd.Next(w, seen)
		if err == nil && stage != nil && !onThisMachine(*stage) {
			return nil, reason
		}
		return stage, err
	})
}

// onThisMachine says whether a stage changes no host.
func onThisMachine(stage plan.Stage) bool {
	return !slices.ContainsFunc(stage.Steps, func(step plan.Step) bool { return step.Host != "" })
}

// announceEdit says what else is agreed to.
func (s *session) announceEdit() {
	if s.edit != nil && !bytes.Equal(s.edit.was, s.edit.now) {
		s.console.Say("With it, %s is changed: %s.", s.edit.path, s.edit.what)
	}
}

// writeEdit changes the inventory where that is a part of what was agreed to.
func (s *session) writeEdit() error {
	s.console.Intact = s.console.Intact && s.edit == nil
	return s.edit.write()
}

// unmoved looks again, now that nobody else changes anything: what was agreed to must still be what is to be done. A
// saved plan that no longer fits is refused; else the new one is shown, and agreed to anew.
func (s *session) unmoved(ctx context.Context, shown plan.Plan, saved bool) (facts.Snapshot, error) {
	looking, looked := s.console.UntilStopped(ctx)
	defer looked()
	p, seen, err := s.plan(looking)
	dark := err
	if plan.GoesOn(err) {
		err = nil
	}
	if err == nil {
		err = s.ready(looking, seen)
	}
	if err != nil {
		return seen, err
	}
	before, err := shown.Digest()
	if err != nil {
		return seen, err
	}
	after, err := p.Digest()
	if err != nil || before == after {
		return seen, err
	}
	if saved {
		return seen, apply.ErrMoved
	}
	s.console.Say("The hosts have changed meanwhile. This is the plan now:")
	s.console.ShowPlan(p, s.flags.full, dark)
	if p.Empty() || s.flags.yes {
		return seen, nil
	}
	if err := s.consent(looking); err != nil {
		return seen, err
	}
	return s.unmoved(ctx, p, false) // while a person thinks, the hosts may change again
}

// ready says what stands against changing hosts, now that they are locked.
func (s *session) ready(ctx context.Context, seen facts.Snapshot) error {
	looking, looked := s.console.UntilStopped(ctx)
	defer looked()
	if s.next == nil {
		// under the lock, since stand-ins for the members listen on their ports
		if err := s.preflight(looking, seen); err != nil {
			return err
		}
	}
	return s.Quorate(seen, s.Held()) // by now the member list may be longer
}

// consent asks for it, unless it was given. Without a terminal nobody can be asked.
func (s *session) consent(ctx context.Context) error {
	if s.flags.yes {
		return nil
	}
	if !s.console.Terminal() {
		return view.Misuse(errors.New("there is no terminal to ask on: look at the plan, then run again with --yes"))
	}
	ok, err := s.console.Yes(ctx, "Go ahead?")
	if err != nil {
		return err
	}
	if !ok {
		return view.ErrDeclined
	}
	return nil
}

// decider decides the next stage, as etcd.Next does.
type decider func(etcd.Want, facts.Snapshot) (*plan.Stage, error)

// converge runs what is to be done, with the journal and the view listening. seen is the look that it begins with; next
// decides in the place of etcd.Next, where it is not nil.
func (s *session) converge(ctx context.Context, seen facts.Snapshot, changes bool, next decider) error {
	token, err := randomHex(16)
	if err != nil {
		return err
	}
	w, err := s.want(ctx, seen, token)
	if err != nil {
		return err
	}
	run := s.run(w)
	if run.Next = next; next == nil {
		if run.Then, err = s.NodeRules(w, seen); err != nil {
			return err
		}
	}
	first := true
	run.Gather = func(ctx context.Context, last *apply.Last) (facts.Snapshot, error) {
		if first { // seen is only a moment old
			first = false
			return seen, nil
		}
		seen, err := s.Look(ctx, last)
		if err == nil && s.see != nil {
			s.see(ctx, &seen)
		}
		return seen, err
	}
	return s.recorded(s.verb, changes, run, func() (apply.Result, error) {
		result, err := run.Converge(ctx)
		if changes && !sameList(seen.Members, result.Snapshot.Members) {
			s.console.Endpoints(s.endpoints(result.Snapshot))
		}
		if err == nil && changes { // else the plan has said so
			told := etcd.Left(w, seen)
			left := slices.DeleteFunc(etcd.Left(w, result.Snapshot), func(n string) bool { return slices.Contains(told, n) })
			for _, note := range append(etcd.Waiting(w, result.Snapshot), left...) {
				s.console.Say("note: %s", note)
			}
		}
		return result, view.Late(operator.Remedied(s.Cut(ctx, result.Steps, err), result.Snapshot), result.Steps)
	})
}

func (s *session) run(w etcd.Want) *apply.Run {
	id, err := randomHex(4)
	if err != nil {
		id = "run"
	}
	run := s.Run(w, id)
	run.Seam, run.Apart, run.Timeout = seam(), apart(), s.flags.timeout
	return run
}

// claim is how this command takes the lock.
func (s *session) claim(enough func(facts.Snapshot, []string) error) operator.Claim {
	return operator.Claim{Doing: s.verb, Wait: s.flags.lockWait, Enough: enough}
}

func randomHex(n int) (string, error) {
	raw := make([]byte, n)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("draw random bytes: %w", err)
	}
	return strings.ToLower(hex.EncodeToString(raw)), nil
}
