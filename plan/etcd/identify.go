package etcd

import (
	"cmp"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// identify finds out which cluster this is. What a majority of the hosts holds the log of is the cluster, whether or
// not its members run; where there is no such majority, birth markers say it. Only when nothing says that there is a
// cluster its ID follows from the inventory, as that of the bootstrap under way or to come: later it does not, since
// members come to be known with other URLs.
func identify(w Want, s facts.Snapshot) view {
	v := look(w, s)
	v.births = map[string]units.Born{}
	v.Each(func(m inventory.Member, host facts.Host) {
		if file, ok := host.Files[v.birthPath()]; ok {
			if born, err := units.ParseBirth(file.Content); err == nil {
				v.births[m.Name] = born
			}
		}
	})
	v.token = v.tokenUnderWay()
	v.clusterID = clusterID(w.Cluster, v.token)
	logged, existing := v.logged()
	switch {
	case logged != 0 && (existing || len(v.births) > 0 || logged != v.clusterID):
		v.formed, v.clusterID = true, logged
	case len(v.births) > 0:
		v.formed, v.clusterID = true, v.born()
	}
	v.started = !v.formed && v.Known(func(_ inventory.Member, host facts.Host) bool {
		return host.Data.WAL && host.Data.ClusterID == v.clusterID
	})
	if v.formed {
		v.token = cmp.Or(v.tokenOf(), v.token)
	}
	return v
}

// logged is the cluster whose log lies on a majority of the hosts; zero: none. A log counts where the unit, or what
// runs, is this member's and has its data there: a log alone may be anybody's. existing: one of them is configured as a
// member of a cluster that is.
func (v view) logged() (id facts.ID, existing bool) {
	votes, exist := map[facts.ID]int{}, map[facts.ID]bool{}
	v.Each(func(m inventory.Member, host facts.Host) {
		command := v.command(host)
		lies := host.Etcd != nil && host.Etcd.ClusterID != host.Data.ClusterID
		if !host.Data.WAL || lies || units.Flag(command, "name") != m.Name || units.Flag(command, "data-dir") != m.DataDir {
			return
		}
		votes[host.Data.ClusterID]++
		for _, args := range [][]string{command, v.starts(host)} {
			exist[host.Data.ClusterID] = exist[host.Data.ClusterID] || units.Flag(args, "initial-cluster-state") == "existing"
		}
	})
	for found, n := range votes {
		if found != 0 && n > len(v.want.Cluster.Members)/2 {
			return found, exist[found]
		}
	}
	return 0, false
}

// born is the cluster that most birth markers are of.
func (v view) born() facts.ID {
	votes, best := map[facts.ID]int{}, facts.ID(0)
	for _, born := range v.births {
		votes[idOf(born)]++
	}
	v.Each(func(m inventory.Member, _ facts.Host) { // the first of equals
		if born, ok := v.births[m.Name]; ok && (best == 0 || votes[idOf(born)] > votes[best]) {
			best = idOf(born)
		}
	})
	return best
}

// idOf is the cluster that a birth marker is of. ParseBirth has checked that it is an ID.
func idOf(born units.Born) facts.ID {
	var id facts.ID
	_ = id.UnmarshalText([]byte(born.ClusterID))
	return id
}

// tokenOf is the token of the cluster that is: as a birth marker of it says, else as a member was started with that has
// its log. Etcd ignores the token once there is data.
func (v view) tokenOf() string {
	marked, flagged := "", ""
	v.Each(func(m inventory.Member, host facts.Host) {
		if born, ok := v.births[m.Name]; ok && idOf(born) == v.clusterID {
			marked = cmp.Or(marked, born.Token)
		}
		if host.Data.WAL && host.Data.ClusterID == v.clusterID {
			flagged = cmp.Or(flagged, units.Flag(v.command(host), "initial-cluster-token"))
		}
	})
	return cmp.Or(marked, flagged)
}

// tokenUnderWay is the token of a bootstrap that was begun: that of a host with data, else of any, else a new one.
func (v view) tokenUnderWay() string {
	started, written := "", ""
	v.Each(func(_ inventory.Member, host facts.Host) {
		token := v.unitToken(host)
		if host.Data.WAL {
			started = cmp.Or(started, token)
		}
		written = cmp.Or(written, token)
	})
	return cmp.Or(started, written, v.want.Token, plan.Placeholder)
}

// unitToken is the bootstrap token in a host's unit file, "" if there is none.
func (v view) unitToken(host facts.Host) string {
	return units.Flag(v.starts(host), "initial-cluster-token")
}
