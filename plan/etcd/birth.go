package etcd

import (
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// recordBirth writes the birth markers of members that serve; the rules before it have waited for the others. The units
// then say initial-cluster-state=existing, and a host that loses its data is not started without it.
func (v view) recordBirth() (*plan.Stage, error) {
	var steps []plan.Step
	v.Each(func(m inventory.Member, host facts.Host) {
		if !v.serves(host) && !v.learns(m, host) {
			return
		}
		at := v.settled(m, host)
		born := units.Born{
			Cluster: v.want.Cluster.Name, Member: m.Name, Token: v.token,
			ClusterID: host.Etcd.ClusterID.String(), MemberID: host.Etcd.MemberID.String(),
			DataDir: at.DataDir, WALDir: walDir(at), User: v.want.Cluster.User, Form: units.Form, WrittenBy: v.want.Writer,
			Ended: v.endedBefore(), Begins: v.firstRevision(),
		}
		why := "the member is part of the cluster now"
		if was, ok := v.births[m.Name]; ok {
			if why = outdatedMarker(was, born); why == "" {
				return
			}
			born.Created, born.Snapshot = was.Created, was.Snapshot
		}
		steps = append(steps, plan.Step{Kind: plan.RecordBirth, Host: m.Name, Why: why, Birth: &born})
	})
	if len(steps) == 0 {
		return nil, nil
	}
	name := "record the birth of the cluster"
	if v.formed {
		name = "bring birth markers up to date"
	}
	return plan.SideBySide(name, "these members serve linearizable reads in one cluster", v.withUnits(steps)), nil
}

// endedBefore are the clusters in whose place this one was restored, as its markers say.
func (v view) endedBefore() []string {
	var found []string
	for _, born := range v.births {
		if idOf(born) == v.clusterID {
			found = append(found, born.Ended...)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// firstRevision is the revision that the cluster's store begins with, as its markers say.
func (v view) firstRevision() (revision int64) {
	for _, born := range v.births {
		if idOf(born) == v.clusterID {
			revision = max(revision, born.Begins)
		}
	}
	return revision
}

// withUnits adds the unit files that change with the births: the cluster exists then, so initial-cluster-state becomes
// existing.
func (v view) withUnits(births []plan.Step) []plan.Step {
	seen := Simulate(v.want, v.seen, plan.Stage{Steps: births})
	seen.Simulated = v.seen.Simulated
	after := newView(v.want, seen)
	var steps []plan.Step
	after.Each(func(m inventory.Member, host facts.Host) {
		for _, birth := range births {
			if birth.Host != m.Name {
				continue
			}
			steps = append(steps, birth)
			for _, step := range after.unit(m, host) {
				if step.Kind == plan.WriteUnit {
					steps = append(steps, step)
				}
			}
		}
	})
	return steps
}

// outdatedMarker says why a marker is written anew; empty: it need not be.
func outdatedMarker(was, is units.Born) string {
	switch {
	case was.Form < is.Form:
		return "an older clusterup wrote the marker"
	case was.DataDir != is.DataDir || was.WALDir != is.WALDir || was.User != is.User:
		return "the marker names another directory or user"
	}
	return ""
}
