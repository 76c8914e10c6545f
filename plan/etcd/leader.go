package etcd

import (
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// Statuses are read at slightly different moments. In an election one member may still name the old leader while
// another names the next one, a third names none, and no member says that it leads. So the leader is the member that
// all members with linearizable reads name. As long as they differ, nothing is decided that depends on the leader.

// agreed is the leader that all members with linearizable reads name; zero: they differ, or there are no such members.
// reading are those members.
func (v view) agreed() (leader facts.ID, reading []inventory.Member) {
	same := true
	v.Each(func(m inventory.Member, host facts.Host) {
		if !v.reads(host) {
			return
		}
		same = same && (len(reading) == 0 || leader == host.Etcd.Leader)
		leader = host.Etcd.Leader
		reading = append(reading, m)
	})
	if !same {
		return 0, reading
	}
	return leader, reading
}

// leader is the agreed leader or, if that one serves no reads, another member that does. False: they do not agree, or
// none serves reads.
func (v view) leader() (inventory.Member, bool) {
	id, reading := v.agreed()
	for _, m := range reading {
		if v.seen.Hosts[m.Name].Etcd.MemberID == id {
			return m, true
		}
	}
	if id == 0 {
		return inventory.Member{}, false
	}
	return reading[0], true
}

// leads says whether a member is the agreed leader.
func (v view) leads(host facts.Host) bool {
	id, _ := v.agreed()
	return id != 0 && host.Etcd != nil && host.Etcd.MemberID == id
}

// awaitLeader waits until all members name the same leader; nil: they do, or none serves reads.
func (v view) awaitLeader() *plan.Stage {
	id, reading := v.agreed()
	if id != 0 || len(reading) == 0 {
		return nil
	}
	return plan.SideBySide("wait for a leader", "nothing is changed", []plan.Step{{
		Kind: plan.AwaitLeader, Host: reading[0].Name,
		Why: "the members do not name the same leader: there was an election while they were asked",
	}})
}
