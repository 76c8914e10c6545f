package etcd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/version"
	"github.com/clusterup/clusterup/units"
)

// Back is the stage that takes a member back to what it ran with before a restart that failed to bring it up. before is
// what the restart was decided on, and now what was seen after it failed. Back is nil if the member serves by now. It
// is nil, too, if there is no way back: the member did not serve before either, a drop-in changes its next start, or
// the cluster's data is already of a later version than its old binary knows.
func Back(w Want, before, now facts.Snapshot, failed plan.Stage) *plan.Stage {
	at := slices.IndexFunc(failed.Steps, func(s plan.Step) bool { return s.Kind == plan.RestartMember })
	if at < 0 {
		return nil
	}
	step := failed.Steps[at]
	was, is := newView(w, before), newView(w, now)
	then, host := before.Hosts[step.Host], now.Hosts[step.Host]
	member := slices.IndexFunc(w.Cluster.Members, func(m inventory.Member) bool { return m.Name == step.Host })
	m := w.Cluster.Members[member]
	if then.Process == nil || !was.serves(then) || host.Unreachable != "" || is.serves(host) || is.passed(step) ||
		len(is.undiverted(m, host)) > 0 || host.Unit.NeedsReload {
		return nil
	}
	args := slices.Clone(then.Process.Args)
	for i, arg := range args {
		if strings.HasPrefix(arg, "--initial-cluster-state=") && was.formed { // it may run since the bootstrap
			args[i] = "--initial-cluster-state=existing"
		}
	}
	known := is.announceAt(m, units.Flag(args, "listen-peer-urls"))
	if len(known) > 0 && !is.serves(now.Hosts[known[0].Through]) {
		if len(w.Cluster.Members) > 1 {
			return nil
		}
		known = nil // nobody dials the only member
	}
	unit := units.UnitOf(was.unitMember(m, binOf(args)), args)
	change, _ := fileChange(unit, host)
	what := "what it ran with before"
	if step.From != step.Version {
		what = "etcd " + step.From
	}
	return &plan.Stage{
		Name: fmt.Sprintf("take %s back to %s", m.Name, what), Gate: "it does not serve; it did before", Width: 1,
		Steps: append(known, []plan.Step{
			{Kind: plan.WriteUnit, Host: m.Name, Unit: step.Unit, Why: "as it was", Changes: []plan.Change{change}},
			{
				Kind: plan.RestartMember, Host: m.Name, Unit: step.Unit, From: step.Version, Version: step.From,
				Why: "did not become ready with " + strings.Replace(step.Why, "binary: ", "", 1),
			},
		}...),
	}
}

// passed says whether another member's data is already of a later minor version than the one that the restart left.
func (v view) passed(restart plan.Step) bool {
	return v.Known(func(m inventory.Member, host facts.Host) bool {
		return m.Name != restart.Host && host.Etcd != nil && version.CompareMinor(host.Etcd.StorageVersion, restart.From) > 0
	})
}
