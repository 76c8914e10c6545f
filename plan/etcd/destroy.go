package etcd

import (
	"maps"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// NextDestroy is Next for a cluster that is to be destroyed: it stops all members, puts their data aside (or deletes
// it, with purge), and removes what clusterup wrote. The CAs in the operator directory stay. Data of any other cluster
// is refused. A dark host is refused too, unless the operator has accepted by its name that it is left out, see
// [plan.Gone].
func NextDestroy(purge bool) func(Want, facts.Snapshot) (*plan.Stage, error) {
	return func(w Want, s facts.Snapshot) (*plan.Stage, error) {
		v := newView(w, unasked(s))
		if refusals := v.destroyRefusals(); len(refusals) > 0 {
			return nil, &plan.Refused{Refusals: refusals}
		}
		for _, stage := range []*plan.Stage{v.stop(), v.away(purge), v.remove()} {
			if stage != nil {
				return stage, nil
			}
		}
		return nil, nil
	}
}

// unasked is a look in which every host that answers counts as seen, even if its member could not be asked: what a
// member says does not matter when it is to be destroyed.
func unasked(s facts.Snapshot) facts.Snapshot {
	s.Hosts = maps.Clone(s.Hosts)
	for name, host := range s.Hosts {
		host.Unasked = ""
		s.Hosts[name] = host
	}
	return s
}

// destroyRefusals keep hosts that cannot be seen, and data that is not this cluster's, from being destroyed.
func (v view) destroyRefusals() []plan.Refusal {
	var found []plan.Refusal
	v.Everyone(func(m inventory.Member, host facts.Host) {
		switch {
		case host.Dark() && v.want.accepts(plan.Gone(m.Name)):
		case host.Dark():
			found = append(found, v.unreachable(m, host))
		case len(v.older(m, host)) > 0:
			found = append(found, v.older(m, host)...)
		case len(v.foreignUnit(m, host)) > 0:
			found = append(found, v.foreignUnit(m, host)...)
		case !v.want.accepts(plan.ForeignCluster) && len(v.trusted(m, host)) > 0:
			found = append(found, plan.Refuse(plan.ForeignCA, m.Name,
				"run it with the operator directory that made this cluster, or, if that is lost, with --accept=foreign-ca",
				"the cluster is of another operator directory: %s", v.trusted(m, host)[0].Reason))
		case len(v.astray(m, host)) > 0:
			found = append(found, v.astray(m, host)...)
		case len(v.crowded(m, host)) > 0: // it would be taken for the cluster's when the rest is away
			found = append(found, v.crowded(m, host)...)
		case host.Data.WAL && host.Data.ClusterID != v.clusterID:
			found = append(found, plan.Refuse(plan.ForeignData, m.Name,
				"clusterup destroys only what is this cluster's: take the host out of the inventory, or move that data away by hand",
				"%s holds the data of another cluster, %s", v.settled(m, host).DataDir, host.Data.ClusterID))
		case !host.Data.WAL && slices.ContainsFunc(host.Data.Entries, v.precious(host)):
			found = append(found, plan.Refuse(plan.ForeignData, m.Name, "move it away by hand first",
				"%s holds what etcd did not put there", v.settled(m, host).DataDir))
		}
	})
	return found
}

// precious says whether an entry of a data directory without a WAL may be somebody's data: a first start does not leave
// it there.
func (v view) precious(host facts.Host) func(string) bool {
	ours := v.unitToken(host) != ""
	return func(entry string) bool { return !ignored(entry) && (!ours || entry != "member") }
}

func (v view) stop() *plan.Stage {
	var steps []plan.Step
	v.Each(func(m inventory.Member, host facts.Host) {
		running := host.Process != nil || host.Unit.Active == "active" || host.Unit.Active == "activating"
		if running || host.Unit.Enabled == "enabled" {
			steps = append(steps, plan.Step{
				Kind: plan.StopMember, Host: m.Name, Unit: v.want.Cluster.UnitName,
				Why: "the cluster is to be destroyed",
			})
		}
	})
	return plan.SideBySide("stop all members", "the operator has typed the cluster's name", steps)
}

func (v view) away(purge bool) *plan.Stage {
	kind, name, why := plan.MoveAside, "put data aside", "renamed, not deleted"
	if purge {
		kind, name, why = plan.PurgeData, "delete data", "--purge"
	}
	var steps []plan.Step
	v.Each(func(m inventory.Member, host facts.Host) {
		if paths := v.dataPaths(m, host); len(paths) > 0 {
			steps = append(steps, plan.Step{Kind: kind, Host: m.Name, Why: why, Paths: paths})
		}
	})
	return plan.SideBySide(name, "no member runs", steps)
}

func (v view) remove() *plan.Stage {
	var steps []plan.Step
	v.Each(func(m inventory.Member, host facts.Host) {
		steps = append(steps, v.removeFiles(m, host)...)
	})
	return plan.SideBySide("remove what clusterup wrote", "no member runs", steps)
}

// removeFiles removes what clusterup wrote on a host, but for releases that another unit uses.
func (v view) removeFiles(m inventory.Member, host facts.Host) []plan.Step {
	var paths []plan.Path
	for _, name := range []string{UnitPath(v.want.Cluster), ConfigDir(v.want.Cluster)} {
		if _, ok := host.Files[name]; ok {
			paths = append(paths, plan.Path{Path: name})
		}
	}
	if len(paths) == 0 {
		return nil
	}
	return []plan.Step{{
		Kind: plan.RemoveFiles, Host: m.Name, Unit: v.want.Cluster.UnitName, Paths: paths,
		Why: "unit, certificates, keys and markers; releases that no unit uses",
	}}
}

// dataPaths are the directories that hold a member's data, wherever it lies; none where there is none.
func (v view) dataPaths(m inventory.Member, host facts.Host) []plan.Path {
	if !host.Data.WAL && !slices.Contains(host.Data.Entries, "member") {
		return nil
	}
	m = v.settled(m, host)
	paths := []plan.Path{{Path: m.DataDir}}
	if m.WALDir != "" {
		paths = append(paths, plan.Path{Path: m.WALDir})
	}
	return paths
}

// simulateRemoval takes away paths, with all that is in them.
func simulateRemoval(paths []plan.Path, host *facts.Host) {
	for _, p := range paths {
		gone := func(name string) bool { return name == p.Path || strings.HasPrefix(name, p.Path+"/") }
		maps.DeleteFunc(host.Files, func(name string, _ facts.File) bool { return gone(name) })
		maps.DeleteFunc(host.Binaries, func(name, _ string) bool { return gone(name) })
		host.TokenKeys = maps.Clone(host.TokenKeys)
		maps.DeleteFunc(host.TokenKeys, func(name, _ string) bool { return gone(name) })
	}
}

// simulateEnd has a member's process end, which frees its ports. While it ends, nobody tells that it holds them.
func simulateEnd(host *facts.Host) {
	pid := 0
	if host.Process != nil {
		pid = host.Process.PID
	}
	host.Sockets = slices.DeleteFunc(slices.Clone(host.Sockets),
		func(s facts.Socket) bool { return s.PID == pid || s.PID == 0 })
	host.Process, host.Etcd, host.Reads = nil, nil, false
}

// simulateDestroy is the effect of the steps that take a member away from its host.
func simulateDestroy(step plan.Step, host *facts.Host) {
	switch step.Kind {
	case plan.StopMember:
		simulateEnd(host)
		host.Unit.Active, host.Unit.Enabled = "inactive", "disabled"
	case plan.MoveAside, plan.PurgeData:
		simulateRemoval(step.Paths, host)
		now := facts.Data{}
		if host.Place != nil && !slices.Contains(host.Place.Entries, "member") { // else only its log was to lie elsewhere
			now = *host.Place
		}
		host.Data, host.Place = now, nil
	case plan.RemoveFiles:
		simulateRemoval(step.Paths, host)
		host.Leaves, host.Unit = nil, facts.Unit{Load: "not-found"}
	}
}
