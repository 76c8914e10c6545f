package etcd

import (
	"maps"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// RestoreWant is what a restore wants, where Restore says from what: of the members of the inventory those that take
// part, and the token that a mark names. A dark host that the operator has given up takes no part, nor does one that
// came back after it was.
func RestoreWant(w Want, s facts.Snapshot) Want {
	mark, marked := markOf(w, s)
	cluster := *w.Cluster
	cluster.Members = slices.DeleteFunc(slices.Clone(cluster.Members), func(m inventory.Member) bool {
		if marked && !m.Absent { // whoever goes dark meanwhile is a member still: the cluster's ID follows from them
			return !slices.Contains(mark.Members, m.Name)
		}
		return s.Hosts[m.Name].Dark() && w.accepts(plan.Gone(m.Name))
	})
	restore := *w.Restore
	restore.apart, restore.all = nil, len(w.Cluster.Present())
	w.Restore = &restore
	if marked {
		w.Token = mark.Token
		for _, m := range w.Cluster.Present() {
			if !s.Hosts[m.Name].Dark() && !slices.Contains(mark.Members, m.Name) {
				restore.apart = append(restore.apart, m.Name)
			}
		}
	}
	w.Cluster = &cluster
	return w
}

// markOf is the mark of the restore that is under way, unless it is to be given up for another snapshot. Where hosts
// have different ones, it is that of the snapshot that is wanted, else the first in the order of the inventory.
func markOf(w Want, s facts.Snapshot) (units.Restoring, bool) {
	var found *units.Restoring
	for _, m := range w.Cluster.Members {
		mark, err := units.ParseRestoring(s.Hosts[m.Name].Files[units.RestoringPath(ConfigDir(w.Cluster))].Content)
		if err != nil {
			continue
		}
		same := w.Restore != nil && mark.SHA256 == w.Restore.Snapshot.SHA256
		if w.Restore != nil && (!same && w.accepts(plan.OtherSnapshot) || w.accepts(plan.Again) && mark.Token != w.Token) {
			continue
		}
		if found == nil || same && found.SHA256 != mark.SHA256 || found.SHA256 == "" {
			found = &mark
		}
	}
	if found == nil {
		return units.Restoring{}, false
	}
	return *found, true
}

// restoring is a restore as it stands.
type restoring struct {
	was   view // what there was, or is still
	comes view // the cluster to come: what is of another one is hidden
	begun bool // some host has the mark
	under units.Restoring
}

func newRestore(w Want, s facts.Snapshot) restoring {
	s = heedless(w, s)
	r := restoring{was: newView(w, s)}
	r.under, r.begun = markOf(w, s)
	r.comes = newView(w, r.hidden(w, s))
	return r
}

// heedless is what was seen, in which no host is dark only since its member could not be asked: what a member says that
// is to end does not matter.
func heedless(w Want, s facts.Snapshot) facts.Snapshot {
	own := clusterID(w.Cluster, w.Token)
	s.Hosts = maps.Clone(s.Hosts)
	for name, host := range s.Hosts {
		if host.Data.ClusterID != own {
			host.Unasked = ""
			s.Hosts[name] = host
		}
	}
	return s
}

// hidden is what was seen, without what is of another cluster than the one to come.
func (r restoring) hidden(w Want, s facts.Snapshot) facts.Snapshot {
	own := clusterID(w.Cluster, w.Token)
	s.Hosts = maps.Clone(s.Hosts)
	if s.Cluster != own {
		s.Members, s.Alarms, s.Cluster = nil, nil, 0
	}
	live := trustOf(w, s).Live("peer")
	for name, host := range s.Hosts {
		host.Files, host.Leaves = maps.Clone(host.Files), maps.Clone(host.Leaves)
		if born, err := units.ParseBirth(host.Files[r.was.birthPath()].Content); err != nil || born.Token != w.Token {
			delete(host.Files, r.was.birthPath())
		}
		if r.was.unitToken(host) != w.Token {
			delete(host.Files, UnitPath(w.Cluster))
			host.Unit.Start, host.Unit.NeedsReload = nil, false
		}
		if host.Data.ClusterID != own {
			host.Process, host.Etcd, host.Reads, host.Serves = nil, nil, false, nil
			host.Data, host.Place = facts.Data{Exists: host.Data.Exists}, nil
		}
		if leaf, ok := host.Leaves["peer"]; ok && !slices.ContainsFunc(live,
			func(ca facts.CA) bool { return ca.SHA256 == leaf.Issuer }) {
			delete(host.Leaves, "peer")
		}
		s.Hosts[name] = host
	}
	return s
}

// has says that a host holds the data that was made from the snapshot.
func (r restoring) has(host facts.Host) bool {
	return host.Data.WAL && host.Data.ClusterID == r.comes.clusterID
}

// marked says that a host has the mark of this restore.
func (r restoring) marked(host facts.Host) bool {
	mark, err := units.ParseRestoring(host.Files[r.markPath()].Content)
	return err == nil && mark.Token == r.was.want.Token && mark.SHA256 == r.was.want.Restore.Snapshot.SHA256
}

func (r restoring) markPath() string { return units.RestoringPath(ConfigDir(r.was.want.Cluster)) }

// over says that the cluster was made, and serves. The token is drawn by the run, so it is this restore that made it.
func (r restoring) over() bool {
	open := func(m inventory.Member, host facts.Host) bool {
		return r.comes.births[m.Name].Token != r.was.want.Token || !r.has(host)
	}
	return !r.begun && len(r.comes.births) > 0 && !r.comes.Known(open)
}
