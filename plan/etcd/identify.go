package etcd

import (
	"cmp"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/units"
)

// identify finds out which cluster this is. It is the one whose log lies on a majority of the hosts, whether or not its
// members run; without such a majority, birth markers decide. If neither shows a cluster, its ID follows from the
// inventory, and is that of the bootstrap under way or to come. The ID of an existing cluster does not follow from the
// inventory, since URLs of its members may have changed.
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
	v.trust.Members.List = slices.DeleteFunc(slices.Clone(v.trust.Members.List), func(name string) bool {
		m, host := v.named(name)
		return v.bygone(m, host) // what they have, or trust, decides nothing
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

// logged is the cluster whose log lies on a majority of the hosts, or on a majority of those of its members where no
// host has the log of another; zero: none. A log counts only where the running
// process, or else the unit, names this member and its data directory, since a log alone may be anybody's. existing
// says that one of those members is started with initial-cluster-state=existing.
func (v view) logged() (id facts.ID, existing bool) {
	votes, exist := map[facts.ID]int{}, map[facts.ID]bool{}
	v.Each(func(m inventory.Member, host facts.Host) {
		command := v.command(host)
		lies := host.Etcd != nil && host.Etcd.ClusterID != host.Data.ClusterID
		if !host.Data.WAL || lies || units.Flag(command, "name") != m.Name ||
			units.Flag(command, "data-dir") != v.settled(m, host).DataDir {
			return
		}
		if v.ended(host.Data.ClusterID) {
			return
		}
		votes[host.Data.ClusterID]++
		for _, args := range [][]string{command, v.starts(host)} {
			exist[host.Data.ClusterID] = exist[host.Data.ClusterID] || units.Flag(args, "initial-cluster-state") == "existing"
		}
	})
	for found, n := range votes {
		if found != 0 && (n > len(v.List)/2 || len(votes) == 1 && n > v.told(found)/2) {
			return found, exist[found]
		}
	}
	return 0, false
}

// told is how many of the wanted members a cluster lists: hosts of members that are yet to come have no log. Where it
// does not tell, it is all of them.
func (v view) told(cluster facts.ID) int {
	if v.seen.Members == nil || v.seen.Cluster != cluster {
		return len(v.List)
	}
	return len(v.all(func(m inventory.Member, _ facts.Host) bool {
		_, listed := v.entry(m)
		return listed
	}))
}

// born is the cluster that most birth markers name.
func (v view) born() facts.ID {
	votes, best := map[facts.ID]int{}, facts.ID(0)
	for _, born := range v.births {
		if !v.ended(idOf(born)) {
			votes[idOf(born)]++
		}
	}
	v.Each(func(m inventory.Member, _ facts.Host) { // of equals, the first in the inventory
		if born, ok := v.births[m.Name]; ok && votes[idOf(born)] > 0 && (best == 0 || votes[idOf(born)] > votes[best]) {
			best = idOf(born)
		}
	})
	return best
}

// ended says that another cluster was restored in the place of this one, as a birth marker says: hosts that have come
// back since, with their old disks, do not outvote it. A host that says so of a cluster whose members show good
// certificates is not believed, since a restore gives the new cluster a peer CA of its own.
func (v view) ended(id facts.ID) bool {
	said := false
	for cluster := range v.endedBy(id) { // those of a cluster that has ended itself say nothing
		said = said || len(v.endedBy(cluster)) == 0
	}
	if !said {
		return false
	}
	live := v.trust.Live("peer")
	return !v.Known(func(m inventory.Member, host facts.Host) bool {
		born, is := v.births[m.Name] // of the restored one, where only a disk of before was put back
		return host.Data.ClusterID == id && (!is || idOf(born) == id) && slices.ContainsFunc(live,
			func(ca facts.CA) bool { return v.ownPeerCA() && ca.SHA256 == host.Leaves["peer"].Issuer })
	})
}

// endedBy are the clusters whose birth markers say that they were restored in the place of another one.
func (v view) endedBy(id facts.ID) map[facts.ID]bool {
	by := map[facts.ID]bool{}
	for _, born := range v.births {
		if len(born.Ended) > 0 && slices.Contains(born.Ended, id.String()) && idOf(born) != id {
			by[idOf(born)] = true
		}
	}
	return by
}

// ownPeerCA says that clusterup makes the peer CA, and peers use it.
func (v view) ownPeerCA() bool { return v.trust.Peers && v.trust.Origin["peer"] == trust.Ours }

// idOf is the cluster ID in a birth marker. ParseBirth has checked its form.
func idOf(born units.Born) facts.ID {
	var id facts.ID
	_ = id.UnmarshalText([]byte(born.ClusterID))
	return id
}

// tokenOf is the token of the existing cluster: as one of its birth markers says, else as a member with its log was
// started. Markers come first, since etcd ignores the flag once there is data.
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

// tokenUnderWay is the token of a bootstrap that was begun: from the unit of a host with data, else from any unit. If
// none was begun, it is a new one.
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
