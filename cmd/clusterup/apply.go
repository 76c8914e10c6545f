package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

func newApply(c *console) *cobra.Command {
	var flags clusterFlags
	var yes, full bool
	cmd := &cobra.Command{
		Use:   "apply INVENTORY|PLAN",
		Short: "Make the hosts as the inventory says, and verify the cluster",
		Args:  oneInventory("one inventory, or a plan that plan --out saved"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.json = flags.json
			saved, err := readPlan(args[0])
			if err != nil {
				return err
			}
			path := args[0]
			if saved != nil {
				path, yes = saved.Inventory, true
				if flags, err = saved.flags(flags); err != nil {
					return err
				}
			}
			s, err := c.open(path, flags)
			if err != nil {
				return err
			}
			defer s.close()
			return s.apply(cmd.Context(), saved, yes, full)
		},
	}
	flags.changeFlags(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&full, "full", false, "show the whole text of new files, and of journals, as well")
	return cmd
}

// apply shows what is to be done, asks, locks, and converges. A run that finds nothing to do writes nothing anywhere, so it needs
// neither lock nor consent.
func (s *session) apply(ctx context.Context, saved *savedPlan, yes, full bool) error {
	s.console.full = full
	looking, looked := s.console.untilStopped(ctx)
	p, seen, err := s.plan(looking)
	looked()
	if saved != nil && err == nil {
		err = saved.check(p, seen)
	}
	if saved == nil || err != nil {
		s.console.showPlan(p, full, err)
	}
	if err != nil {
		return err
	}
	if !p.Empty() {
		if err := s.consent(ctx, yes); err != nil {
			return err
		}
		return s.locked(ctx, s.verb, func(ctx context.Context) error {
			now, err := s.unmoved(ctx, p, saved != nil, yes, full)
			if err != nil {
				return err
			}
			if err := s.writeEdit(); err != nil {
				return err
			}
			return s.converge(ctx, now, true)
		})
	}
	if err := s.writeEdit(); err != nil {
		return err
	}
	return s.converge(ctx, seen, false)
}

// writeEdit changes the inventory where that is a part of what was agreed to.
func (s *session) writeEdit() error {
	s.console.intact = s.console.intact && s.edit == nil
	return s.edit.write()
}

// unmoved looks again, now that nobody else changes anything: what was agreed to must still be what is to be done. A saved plan that no
// longer fits is refused; else the new one is shown, and agreed to anew.
func (s *session) unmoved(ctx context.Context, shown plan.Plan, saved, yes, full bool) (facts.Snapshot, error) {
	looking, looked := s.console.untilStopped(ctx)
	defer looked()
	p, seen, err := s.plan(looking)
	if err == nil {
		err = s.preflight(looking, seen) // under the lock, since what stands in for members takes their ports
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
		return seen, errMoved
	}
	s.console.say("The hosts have changed meanwhile. This is the plan now:")
	s.console.showPlan(p, full, nil)
	if p.Empty() || yes {
		return seen, nil
	}
	if err := s.consent(looking, false); err != nil {
		return seen, err
	}
	return s.unmoved(ctx, p, false, false, full) // while a person thinks, the hosts may change again
}

// locked holds the cluster's lock while it does something; when the lock is lost, the context ends.
func (s *session) locked(ctx context.Context, doing string, do func(context.Context) error) error {
	lock, err := s.lock(ctx, doing)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Release() }() // it falls with the connection in any case
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-lock.Lost:
			cancel(&lockLostError{host: lock.LostOn()})
		case <-ctx.Done():
		}
	}()
	err = do(ctx)
	var lost *lockLostError
	if err != nil && errors.As(context.Cause(ctx), &lost) {
		return &lockLostError{lost.host, err}
	}
	return err
}

// lockLostError ends a run that can no longer be sure to be the only one.
type lockLostError struct {
	host string
	err  error // how the run ended then; nil while it goes on
}

func (e *lockLostError) Error() string {
	text := e.host + ": the lock was lost with the connection"
	if e.err != nil {
		text += ": " + e.err.Error()
	}
	return text
}

func (e *lockLostError) Unwrap() error { return e.err }

// consent asks for it, unless it was given. Without a terminal nobody can be asked.
func (s *session) consent(ctx context.Context, yes bool) error {
	if yes {
		return nil
	}
	if !s.console.terminal() {
		return usageError{errors.New("there is no terminal to ask on: look at the plan, then run again with --yes")}
	}
	ok, err := s.console.yes(ctx, "Go ahead?")
	if err != nil {
		return err
	}
	if !ok {
		return errDeclined
	}
	return nil
}

func (s *session) lock(ctx context.Context, doing string) (*apply.Lock, error) {
	holders := map[string]apply.Holder{}
	for _, m := range s.cluster.Members {
		holders[m.Name] = shell{s.hosts[m.Name]}
	}
	waiting, waited := s.console.untilStopped(ctx) // what is held by then does not end with it
	defer waited()
	order := lockOrder(s.cluster.Members)
	return apply.Acquire(waiting, s.cluster.Name, order, holders, s.owner(doing), s.flags.lockWait)
}

// lockOrder is one order of the hosts for all inventories of a cluster, however each sorts and names its members: two
// runs that begin at different ends would wait for each other.
func lockOrder(members []inventory.Member) []string {
	sorted := slices.SortedFunc(slices.Values(members), func(a, b inventory.Member) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Name, b.Name))
	})
	names := make([]string, 0, len(sorted))
	for _, m := range sorted {
		names = append(names, m.Name)
	}
	return names
}

func (s *session) owner(doing string) apply.Owner {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	from, err := os.Hostname()
	if err != nil {
		from = "unknown"
	}
	return apply.Owner{User: name, From: from, PID: os.Getpid(), Since: s.now().UTC(), Doing: "clusterup " + doing}
}

// converge runs what is to be done, with the journal and the view listening. seen is the look that it begins with.
func (s *session) converge(ctx context.Context, seen facts.Snapshot, changes bool) error {
	token, err := randomHex(16)
	if err != nil {
		return err
	}
	w, err := s.want(ctx, seen, token)
	if err != nil {
		return err
	}
	run := s.run(w)
	first := true
	run.Gather = func(ctx context.Context) (facts.Snapshot, error) {
		if first { // it was looked a moment ago
			first = false
			return seen, nil
		}
		return s.gather(ctx)
	}
	return s.recorded(s.verb, changes, run, func() (apply.Result, error) {
		result, err := run.Converge(ctx)
		if err == nil && changes { // else the plan has said so
			for _, note := range plan.Waiting(w, result.Snapshot) {
				s.console.say("note: %s", note)
			}
		}
		return result, late(s.withCauses(err, result.Snapshot), result.Steps)
	})
}

func (s *session) run(w plan.Want) *apply.Run {
	id, err := randomHex(4)
	if err != nil {
		id = "run"
	}
	hosts := map[string]apply.Host{}
	for name, host := range s.hosts {
		hosts[name] = shell{host}
	}
	return &apply.Run{
		Want: w, Gather: s.gather, Hosts: hosts, Operator: operatorDir{s}, Etcd: s.etcd, Now: s.now, ID: id, Stop: s.console.stop,
		Seam: seam(), Timeout: s.flags.timeout,
	}
}

// withCauses gives back the errors behind refused hosts, whose classes and remedies a Refusal's text does not hold.
func (s *session) withCauses(err error, seen facts.Snapshot) error {
	var refused *plan.Refused
	if !errors.As(err, &refused) {
		return err
	}
	for i, r := range refused.Refusals {
		if r.Kind == plan.Unreachable && r.Remedy == "" {
			refused.Refusals[i].Remedy = remedy(seen.Hosts[r.Host].Err)
		}
	}
	return err
}

func randomHex(n int) (string, error) {
	raw := make([]byte, n)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("draw random bytes: %w", err)
	}
	return strings.ToLower(hex.EncodeToString(raw)), nil
}
