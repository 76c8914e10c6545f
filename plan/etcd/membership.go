package etcd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/version"
)

// The member list comes to be as the inventory says by one change at a time (law 2): members that serve nobody are
// removed first, since etcd adds none while a voter is away (server/etcdserver/server.go, mayAddMember); learners that
// are there get their votes; then one is added after the other; and those that serve, and are to leave, go last. So a
// cluster that changes its machines has more voters on the way than in the end, and not fewer.

// membership says where the member list and the inventory differ in a way that is not mended without more ado.
func (v view) membership() []plan.Refusal {
	if !v.formed || v.seen.Members == nil {
		return nil
	}
	var found []plan.Refusal
	for _, entry := range v.seen.Members {
		if _, ok := v.ofEntry(entry); !ok && !v.given(entry) {
			name, risk := entry.ID.String(), plan.Remove(entry.ID.String())
			if named, _ := v.named(entry.Name); entry.Name != "" && named.Name == "" { // else the name is another's by now
				name, risk = entry.Name, plan.Bound(plan.Remove(entry.Name), name)
			}
			found = append(found, plan.Refuse(plan.Membership, "",
				fmt.Sprintf("put it into the inventory, with state = \"absent\" if it is to go; or, if its machine is gone for "+
					"good: clusterup member remove %s INVENTORY, or apply with --accept=%s", name, risk),
				"member %s (%s) is in the cluster, but not in the inventory", entry.ID,
				strings.TrimSpace(entry.Name+" "+strings.Join(entry.PeerURLs, " "))))
		}
	}
	return slices.Concat(found, v.departed(), v.halfway())
}

// halfway refuses to change the members of a cluster that is on its way to another minor version, or is to begin with
// it. On the way a lost member can be replaced: it comes with the version that all are to reach. Before the beginning
// it would be the first of that version, with no snapshot saved.
func (v view) halfway() []plan.Refusal {
	wanted, begins := v.want.Cluster.Version, v.begins()
	mixed := v.low != "" && !version.SameMinor(v.low, v.high)
	if !mixed && !begins {
		return nil
	}
	joins := v.all(func(m inventory.Member, host facts.Host) bool {
		switch v.class(m, host) {
		case ClassNeverStarted:
			return !m.Absent && (begins || !v.replaced(m))
		case ClassDark:
			_, listed := v.entry(m)
			return begins && listed && v.replaced(m)
		case ClassRemoved, ClassStale, ClassWiped:
			return begins && v.replaced(m)
		case ClassHalfJoined:
			return begins && !host.Data.WAL
		}
		return false
	})
	leaves := v.Which(func(m inventory.Member, _ facts.Host) bool { return m.Absent })
	if len(joins)+len(leaves) == 0 {
		return nil
	}
	var does []string
	if len(joins) > 0 {
		does = append(does, plan.Enumerate(joins)+" to come")
	}
	if len(leaves) > 0 {
		does = append(does, plan.Enumerate(leaves)+" to leave")
	}
	remedy := fmt.Sprintf("one after the other: leave the members as they are until all run etcd %s, then change who is one; "+
		"one that takes the place of a lost one comes with --accept=replace:NAME", wanted)
	if begins {
		remedy = fmt.Sprintf("one after the other: change who is a member with version %s, then ask for %s again", v.high, wanted)
	}
	return plan.OneRefusal(plan.Membership, "", remedy,
		"members are %s, while the cluster goes from etcd %s to %s", strings.Join(does, " and "), v.low, wanted)
}

// begins says that another minor version is wanted, and that no member has gone there yet.
func (v view) begins() bool {
	return v.low != "" && version.SameMinor(v.low, v.high) && !version.SameMinor(v.low, v.want.Cluster.Version)
}

// beforehand is what comes before a change of who is a member, where another minor version is to begin.
func (v view) beforehand() string {
	if !v.begins() {
		return ""
	}
	return fmt.Sprintf("set version to %s, and back when that is done; ", v.high)
}

// all names the members of which something holds, dark ones too.
func (v view) all(is func(inventory.Member, facts.Host) bool) []string {
	var names []string
	v.Everyone(func(m inventory.Member, host facts.Host) {
		if is(m, host) {
			names = append(names, m.Name)
		}
	})
	return names
}

// ofEntry is the member of the inventory that an entry of the member list is of: by its address, else by its name.
func (v view) ofEntry(entry facts.Listed) (inventory.Member, bool) {
	if m, ok := v.hostOf(entry); ok {
		return m, true
	}
	at := slices.IndexFunc(v.want.Cluster.Members, func(m inventory.Member) bool {
		own, _ := v.entry(m)
		return own.ID == entry.ID
	})
	if at < 0 {
		return inventory.Member{}, false
	}
	return v.want.Cluster.Members[at], true
}

// given says that the operator has given up a member that is not in the inventory. There is no way to its host, so the
// consent has to name its ID.
func (v view) given(entry facts.Listed) bool {
	id := entry.ID.String()
	return v.want.accepts(plan.Remove(id)) ||
		entry.Name != "" && v.want.accepts(plan.Bound(plan.Remove(entry.Name), id))
}

// mayTell says that the member list, which nobody tells now, may be told later in this run: members are to start, or
// there is data enough for a quorum of those that run. Until then it is not known who is to join.
func (v view) mayTell() bool {
	serves := v.Known(func(_ inventory.Member, host facts.Host) bool { return v.serves(host) })
	if starts, _ := v.start(); starts != nil || serves && v.seen.Simulated {
		return true
	}
	able := v.Which(func(m inventory.Member, host facts.Host) bool {
		return !v.forgets(m, host) && host.Data.ClusterID == v.clusterID
	})
	lists := v.presumed()
	awaits, _ := v.await()
	return awaits != nil && len(able) > len(lists[len(lists)-1])/2
}

// through is the member that is asked for a change of the list: the leader, since followers of 3.5 before 3.5.28 and of
// 3.6 before 3.6.6 pass none on where permissions are on; else another one that serves.
func (v view) through(m inventory.Member) string {
	if leader, ok := v.leader(); ok && leader.Name != m.Name {
		return leader.Name
	}
	return v.asked(m)
}
