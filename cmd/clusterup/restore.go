package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/view"
)

func newSnapshotRestore(c *console) *cobra.Command {
	var flags clusterFlags
	var confirm string
	cmd := &cobra.Command{
		Use:   "restore FILE|URL|latest INVENTORY",
		Short: "Make the cluster from a snapshot, in place of the one that there may be",
		Long: "restore stops all members, puts their data aside (DIR.aside-TIME), makes the data of all members of the inventory from the snapshot, and\n" +
			"starts them as a new cluster, with a token and a peer CA of its own. What was written since the snapshot was taken is lost to it: the\n" +
			"plan is followed by what that is, and the cluster's name is asked for; --confirm=NAME answers. A run that was cut short is gone on with\n" +
			"by the same command, from any machine that has the operator directory's CAs and the snapshot. Until then nothing else is done.\n" +
			"What lies at an https:// URL is fetched into snapshots/ of the operator directory first, with its description.",
		Args: usage(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := operator.CheckSource(args[0]); err != nil {
				return view.Misuse(err)
			}
			return c.with(args[1], flags, func(s *session) error {
				s.verb = "snapshot restore"
				return s.restore(cmd.Context(), args[0], confirm)
			})
		},
	}
	flags.hostFlags(cmd)
	flags.lockFlags(cmd)
	flags.startFlag(cmd)
	cmd.Flags().StringSliceVar(&flags.accept, "accept", nil,
		"accept a risk by name: gone:NAME leaves a host out that cannot be looked at; other-snapshot, again, foreign-ca")
	cmd.Flags().StringVar(&confirm, "confirm", "", "the cluster's name, instead of typing it")
	return cmd
}

// restore makes the cluster from a snapshot.
func (s *session) restore(ctx context.Context, from, confirm string) error {
	if err := s.flags.check(); err != nil {
		return err
	}
	looking, looked := s.console.UntilStopped(ctx)
	snapshot, err := s.RestoreFrom(looking, from)
	looked()
	if err != nil {
		return err
	}
	return s.remake(ctx, remaking{
		from:    etcd.Restoration{Snapshot: snapshot, Size: snapshot.Size},
		next:    etcd.NextRestore,
		confirm: confirm,
		tell:    func(ctx context.Context, seen facts.Snapshot) { s.console.ShowLoss(s.lost(ctx, snapshot, seen)) },
	})
}

// remaking is how a cluster is made anew.
type remaking struct {
	from    etcd.Restoration
	next    decider
	confirm string
	show    func(facts.Snapshot)                  // what was seen, before the plan; nil: nothing
	tell    func(context.Context, facts.Snapshot) // what it costs; nil: the plan says so
}

// remake shows what is to be done and what is lost by it, asks for the cluster's name, and makes the cluster anew.
func (s *session) remake(ctx context.Context, m remaking) error {
	looking, looked := s.console.UntilStopped(ctx)
	defer looked()
	seen, err := s.Gather(looking)
	if err != nil {
		return err
	}
	w := s.wanted()
	if w.Token, err = randomHex(16); err != nil {
		return err
	}
	if m.show != nil {
		m.show(seen)
	}
	m.from.Verb, m.from.By = s.verb, s.By()
	w.Restore = &m.from
	if w, err = s.taking(looking, w, seen); err != nil {
		return err
	}
	p, err := etcd.BuildWith(m.next, w, seen)
	if plan.DarkOnly(err) {
		s.console.Idle = "nothing is done before each host is seen, or given up by name."
	}
	s.console.ShowPlan(p, false, err)
	if err != nil {
		return s.givenUp(operator.Remedied(err, seen))
	}
	if m.tell != nil {
		m.tell(looking, seen)
	}
	if err := s.typed(looking, m.confirm); err != nil {
		return err
	}
	return s.Locked(ctx, seen, s.claim(operator.AnyHosts), func(ctx context.Context) error {
		now, err := s.Gather(ctx)
		if err != nil {
			return err
		}
		if w, err = s.taking(ctx, w, now); err != nil {
			return err
		}
		run := s.run(w)
		run.Next, run.Verifies = m.next, true
		return s.recorded(s.verb, true, run, func() (apply.Result, error) {
			result, err := run.Converge(ctx)
			return result, view.Late(s.givenUp(operator.Remedied(err, result.Snapshot)), result.Steps)
		})
	})
}

// lost is what is lost with a restore, as far as a member tells.
func (s *session) lost(ctx context.Context, snapshot facts.SavedSnapshot, seen facts.Snapshot) view.Loss {
	loss := view.Loss{Snapshot: snapshot, At: s.Now()}
	for _, m := range s.Cluster.Present() {
		if seen.Hosts[m.Name].Etcd == nil {
			continue
		}
		if revision, keys, err := s.Etcd.Holds(ctx, etcd.ClientURL(s.Cluster, m)); err == nil && revision > loss.Revision {
			loss.Member, loss.Revision, loss.Keys = m.Name, revision, keys
		}
	}
	return loss
}

// taking is what is wanted of the members that take part, with their releases.
func (s *session) taking(ctx context.Context, w etcd.Want, seen facts.Snapshot) (etcd.Want, error) {
	w.Cluster = s.Cluster
	w = etcd.RestoreWant(w, seen)
	return s.WithReleaseOf(ctx, w, seen)
}

// givenUp adds to the remedies of dark hosts what it means to give one up.
func (s *session) givenUp(err error) error {
	refusals := plan.RefusalsOf(err)
	for i, r := range refusals {
		if r.Kind == plan.Unreachable {
			refusals[i].Remedy = strings.TrimPrefix(r.Remedy+fmt.Sprintf(
				"; dark is not dead: if its member runs, there will be two clusters, and its clients stay with it: switch it off, "+
					"or be sure that it is, and then give it up with --accept=%s", plan.Gone(r.Host)), "; ")
		}
	}
	return err
}
