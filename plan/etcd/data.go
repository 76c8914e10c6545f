package etcd

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// data is laws 3 and 4: what lies in a data directory must be this cluster's, and a host that had data must still have
// it.
func (v view) data(m inventory.Member, host facts.Host) []plan.Refusal {
	born, isBorn := v.births[m.Name]
	own, at := v.clusterID.String(), v.settled(m, host)
	one := func(kind plan.RefusalKind, remedy, format string, args ...any) []plan.Refusal {
		return plan.OneRefusal(kind, m.Name, remedy, format, args...)
	}
	_, marked := host.Files[v.birthPath()]
	switch {
	case marked && !isBorn && len(v.moved(m, host)) > 0:
		return v.moved(m, host)
	case marked && !isBorn && host.Data.WAL:
		return one(plan.ForeignData,
			"remove that file on the host: its data is there, and the marker is written anew when the member serves",
			"the birth marker %s cannot be read", v.birthPath())
	case marked && !isBorn:
		return one(plan.ForeignData, "bring the host's data back, and its /etc/etcd from a backup",
			"the birth marker %s cannot be read, and there is no data", v.birthPath())
	case v.bygone(m, host) && len(v.astray(m, host)) > 0:
		return v.astray(m, host)
	case v.bygone(m, host):
		return v.left(m, host)
	case isBorn && born.ClusterID != own:
		return one(plan.ForeignData, "two clusters share this name: give one of them another in its inventory",
			"its birth marker is of cluster %s, others' are of %s", born.ClusterID, own)
	case isBorn && born.Member != m.Name, !isBorn && v.another(m, host):
		return one(plan.ForeignData, "give each member the ssh_address of its own host",
			"the host is that of another member of this cluster (%s)",
			cmp.Or(born.Member, host.Data.MemberID.String()))
	case isBorn && host.Data.WAL && v.listedAs(host.Data.MemberID, m):
		return one(plan.ForeignData, "find out how they came there; put them aside by hand, and bring this host's own back",
			"its data and birth marker are those of member %s, which the cluster lists by another name", host.Data.MemberID)
	case len(v.crowded(m, host)) > 0:
		return v.crowded(m, host)
	case v.class(m, host) == ClassRemoved && len(v.astray(m, host)) == 0:
		return v.left(m, host)
	case len(v.moved(m, host)) > 0:
		return v.moved(m, host)
	case v.class(m, host) == ClassStale:
		return v.stale(m, host)
	case v.class(m, host) == ClassWiped && v.formed:
		return v.wiped(m)
	case host.Data.WAL && host.Data.ClusterID == 0:
		return one(plan.ForeignData, v.foreign(host), "the write-ahead log in %s cannot be read", at.DataDir)
	case host.Data.WAL && host.Data.ClusterID != v.clusterID:
		return one(plan.ForeignData, v.foreign(host), "%s holds the data of another cluster, %s (member %s)",
			at.DataDir, host.Data.ClusterID, host.Data.MemberID)
	case isBorn && host.Data.MemberID.String() != born.MemberID:
		return one(plan.ForeignData, "put the right disk back", "%s holds the data of member %s, not of %s", at.DataDir,
			host.Data.MemberID, born.MemberID)
	case host.Data.WAL:
		return nil
	case v.formed && v.seen.Members == nil && v.mayTell():
		return nil
	case v.formed && v.seen.Members == nil:
		return one(plan.MixedData,
			"bring the other members back first: only a cluster that serves can tell whether this one is to be added; "+
				"if it had data, bring its data directory and /etc/etcd back",
			"holds no data, and no member of cluster %s tells who belongs to it", own)
	}
	return v.leftovers(m, host)
}

// anew is what there is to do where most voters have lost their data.
const anew = "bring disks back until most voters have theirs; if they are lost for good, clusterup recover INVENTORY makes " +
	"the cluster anew from what is left: nothing else brings a lost quorum back"

// wiped is what is said of a member that has served, and has no data any more. It comes back as another member, which
// takes the consent of the operator: the disk may only not be mounted.
func (v view) wiped(m inventory.Member) []plan.Refusal {
	entry, _ := v.entry(m)
	dir := cmp.Or(v.homeOf(m, v.seen.Hosts[m.Name]).dataDir, m.DataDir)
	one := func(remedy, format string, args ...any) []plan.Refusal {
		return plan.OneRefusal(plan.DataLost, m.Name, remedy, format, args...)
	}
	switch {
	case v.comesAnew(m):
		return nil
	case v.seen.Members == nil:
		return one("bring the disk back; or bring the other members back first, since only a cluster that serves can take "+
			"it out or add it anew",
			"the data directory %s is lost: member %s of cluster %s lived there", dir, v.births[m.Name].MemberID,
			v.clusterID)
	case v.bereft():
		return one(anew,
			"the data directory %s is lost, as is that of others: the voters that have theirs are no quorum", dir)
	case !v.knownAt(m, entry):
		return one("if this host takes the place of that one, "+v.again(m),
			"the cluster knows it at %s, and its host at %s holds no data", strings.Join(entry.PeerURLs, " "), v.peerURL(m))
	}
	return one("bring the disk back, if there is one; if it is lost, "+v.again(m),
		"the data directory %s is lost: member %s of cluster %s lived there", dir, entry.ID, v.clusterID)
}

// stale is what is said of a member whose log ends before what it has had: it would vote again, and forget what it has
// acknowledged. It comes back as one does that was wiped.
func (v view) stale(m inventory.Member, host facts.Host) []plan.Refusal {
	one := func(remedy string) []plan.Refusal {
		return plan.OneRefusal(plan.DataLost, m.Name, "put the right disk back; "+remedy,
			"the data in %s is an older copy of that of member %s, which stopped with more in its log",
			v.settled(m, host).DataDir, host.Data.MemberID)
	}
	switch {
	case v.comesAnew(m):
		return nil
	case v.seen.Members == nil:
		return one("or bring the other members back first, since only a cluster that serves can take it out or add it " +
			"anew; where this is all that is left, the docs tell how it starts (data-lost)")
	case v.bereft():
		return one("or " + anew)
	}
	return one("if it is lost, " + v.again(m))
}

// again is how a member comes back as another one.
func (v view) again(m inventory.Member) string {
	return fmt.Sprintf("%sclusterup member replace %s INVENTORY, or apply with --accept=%s, removes it from the cluster "+
		"and adds it anew", v.beforehand(), m.Name, plan.Replace(m.Name))
}

// comesAnew says that a member is to leave, or is replaced by consent, and that the cluster tells of it or may soon.
func (v view) comesAnew(m inventory.Member) bool {
	_, listed := v.entry(m)
	return (m.Absent || v.replaced(m)) && (listed || v.seen.Members == nil && v.mayTell())
}

// forgets says that a host has not what its member has acknowledged.
func (v view) forgets(m inventory.Member, host facts.Host) bool {
	return !host.Data.WAL || v.class(m, host) == ClassStale
}

// left is what is said of a host where a member has left its data that is not listed any more. A marker alone is
// nobody's loss.
func (v view) left(m inventory.Member, host facts.Host) []plan.Refusal {
	if v.replaced(m) || m.Absent || !host.Data.WAL {
		return nil
	}
	if v.bygone(m, host) {
		disk := ""
		if born, ok := v.births[m.Name]; ok && idOf(born) == v.clusterID {
			disk = "put its own disk back, if there is one; or "
		}
		return plan.OneRefusal(plan.NeedsConsent, m.Name,
			fmt.Sprintf("%sclusterup member replace %s INVENTORY, or apply with --accept=%s, stops it, puts its data aside and "+
				"adds the member anew", disk, m.Name, plan.Replace(m.Name)),
			"it is a member of cluster %s, in whose place this one was restored: what clients write there is lost",
			cmp.Or(host.Data.ClusterID, idOf(v.births[m.Name])))
	}
	return plan.OneRefusal(plan.NeedsConsent, m.Name,
		fmt.Sprintf("%sclusterup member replace %s INVENTORY, or apply with --accept=%s, puts that data aside and adds the "+
			"member anew; or, if it is to go, give its block state = \"absent\"", v.beforehand(), m.Name, plan.Replace(m.Name)),
		"member %s was removed from the cluster, and its data still lies in %s", host.Data.MemberID,
		v.settled(m, host).DataDir)
}

// another says whether a host without a birth marker holds the data of another member of this cluster. During the
// bootstrap the ID of each member is known. Later the data is another member's if the cluster lists its ID by another
// name, if another host has data with that ID, or if the bootstrap gave the ID to another member.
func (v view) another(m inventory.Member, host facts.Host) bool {
	c, id := v.want.Cluster, host.Data.MemberID
	switch {
	case host.Data.ClusterID != v.clusterID || !host.Data.WAL:
		return false
	case !v.formed:
		return id != memberID(v.peerURL(m), v.token)
	}
	if v.listedAs(id, m) {
		return true
	}
	given := false
	v.Everyone(func(other inventory.Member, there facts.Host) {
		has := there.Data.ClusterID == v.clusterID && there.Data.MemberID == id
		for _, secure := range []bool{false, true} {
			has = has || id == memberID(urlOf(secure, other.PeerAddress, c.PeerPort), v.token)
		}
		given = given || has && other.Name != m.Name
	})
	return given
}

// listedAs says whether the cluster lists a member by another name than the one whose host has its data.
func (v view) listedAs(id facts.ID, m inventory.Member) bool {
	return slices.ContainsFunc(v.seen.Members, func(listed facts.Listed) bool {
		return listed.ID == id && listed.Name != "" && listed.Name != m.Name
	})
}

// foreign is the remedy for data of another cluster. Data that a member runs with is not to be moved. Where hosts hold
// the data of several clusters, the operator has to find out first which one is meant.
func (v view) foreign(host facts.Host) string {
	var ids []string
	found := map[string][]string{}
	v.Each(func(m inventory.Member, host facts.Host) {
		if host.Data.WAL && host.Data.ClusterID != 0 {
			id := host.Data.ClusterID.String()
			if found[id] == nil {
				ids = append(ids, id)
			}
			found[id] = append(found[id], m.Name)
		}
	})
	for i, id := range ids {
		ids[i] = id + " on " + strings.Join(found[id], ", ")
	}
	switch {
	case host.Process != nil:
		return "its member runs with it, so leave it where it is: take the host out of this inventory"
	case len(ids) > 1:
		return fmt.Sprintf("find out which of them is %s, and take the hosts of the others out of the inventory; there is %s",
			v.want.Cluster.Name, strings.Join(ids, "; "))
	}
	return "if it is this cluster's, bring its unit and birth marker back from a backup of /etc; " +
		"if nobody needs it, and no etcd runs on it, move it aside by hand"
}

// published is the ID of a member that the cluster lists with client URLs, which a member publishes when it first
// serves; zero: it has not.
func (v view) published(m inventory.Member) facts.ID {
	for _, member := range v.seen.Members {
		if member.Name == m.Name && len(member.ClientURLs) > 0 {
			return member.ID
		}
	}
	return 0
}

// leftovers refuses a data directory without a WAL, unless it is empty or holds only what a first start of this
// bootstrap left there. A member that the cluster lists with client URLs has served, so its data is lost.
func (v view) leftovers(m inventory.Member, host facts.Host) []plan.Refusal {
	const again = "bring the disk back; or, since the cluster is not in use yet, clusterup destroy and begin again"
	begun := v.unitToken(host) == v.token
	if id := v.published(m); id != 0 {
		return plan.OneRefusal(plan.DataLost, m.Name, again,
			"the data directory %s is lost: member %s of cluster %s lived there", m.DataDir, id, v.clusterID)
	}
	for _, entry := range host.Data.Entries {
		if ignored(entry) || begun && entry == "member" {
			continue
		}
		return v.occupied(m, m.DataDir, host.Data.Entries)
	}
	if v.started && !begun {
		return plan.OneRefusal(plan.MixedData, m.Name, again,
			"holds no data, and other hosts hold data of cluster %s: this is no bootstrap", v.clusterID)
	}
	return nil
}

// AsidePrefix begins the names of directories that hold data put aside within a data directory. A data directory that
// is a mount point cannot be renamed itself.
const AsidePrefix = ".clusterup-aside-"

// restorePrefix begins the names of directories in which apply makes data from a snapshot.
const restorePrefix = ".clusterup-restore-"

// ignored says whether an entry of a data directory is nobody's data.
func ignored(entry string) bool {
	return entry == "lost+found" || strings.HasPrefix(entry, AsidePrefix) || strings.HasPrefix(entry, facts.ScratchPrefix) ||
		strings.HasPrefix(entry, restorePrefix)
}
