package etcd

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// A member answers nobody while it defragments, since it copies its database and holds the lock of it. So it counts as
// down (law 1), one does it at a time while all others serve, and the leader hands over before.

const (
	// leastWaste is the size, in bytes, from which free room in a database is worth giving back.
	leastWaste = 100 << 20
	// nearQuota is the part of its quota, in percent, from which a database counts as nearly full, and worthwhile is the
	// part that has to be free room then.
	nearQuota, worthwhile = 80, 10
)

// NextDefrag is Next for a verb that has members give the free room in their databases back, where that is worth it,
// and does nothing else. With a name it is that member alone, whatever room there is. There is nothing to do where none
// has any to give.
func NextDefrag(member string) func(Want, facts.Snapshot) (*plan.Stage, error) {
	return func(w Want, s facts.Snapshot) (*plan.Stage, error) {
		v := newView(w, s)
		if refusals := v.singleRefusals(); len(refusals) > 0 {
			return nil, &plan.Refused{Refusals: refusals}
		}
		if v.raised("CORRUPT") {
			return nil, &plan.Refused{Refusals: plan.OneRefusal(plan.Alarmed, "",
				disarmAgain+" says which member has to be made anew",
				"data of members differ, and the alarm CORRUPT is raised: a member defragments when it is gone")}
		}
		return v.defragment("", func(m inventory.Member, host facts.Host) bool {
			if member != "" {
				return m.Name == member && wasted(host) > 0
			}
			return Wasteful(host)
		})
	}
}

// Wasteful says whether giving the free room in a member's database back is worth the while: half of it is free and it
// has 100 MiB at least, or it fills four fifths of its quota and a tenth of that is free.
func Wasteful(host facts.Host) bool {
	if host.Process == nil || host.Etcd == nil {
		return false
	}
	size, free, quota := host.Etcd.DBSize, wasted(host), QuotaOf(host)
	return size >= leastWaste && free >= size/2 ||
		size >= quota/100*nearQuota && free >= quota/100*worthwhile
}

// wasted is how much of a member's database file is free, in bytes.
func wasted(host facts.Host) int64 {
	if host.Etcd == nil {
		return 0
	}
	return max(0, host.Etcd.DBSize-host.Etcd.DBInUse)
}

// QuotaOf is the quota that a member runs with, in bytes; etcd's own where it says none.
func QuotaOf(host facts.Host) int64 {
	if host.Process == nil {
		return defaultQuota
	}
	quota, err := strconv.ParseInt(units.Flag(host.Process.Args, "quota-backend-bytes"), 10, 64)
	if err != nil || quota <= 0 {
		return defaultQuota
	}
	return quota
}

// defragment is the next stage of defragmenting the members that are due, followers first; nil: none is. why is the
// reason; "": the free room, in numbers.
func (v view) defragment(why string, due func(inventory.Member, facts.Host) bool) (*plan.Stage, error) {
	if stage, err := v.whole(); stage != nil || err != nil {
		return stage, err
	}
	var found []candidate
	v.Each(func(m inventory.Member, host facts.Host) {
		if due(m, host) && !slices.Contains(v.want.Defragmented, m.Name) {
			order := 2
			if v.leads(host) {
				order = 3
			}
			found = append(found, candidate{member: m, host: host, order: order})
		}
	})
	if len(found) == 0 {
		return nil, nil
	}
	if stage := v.awaitLeader(); stage != nil { // whoever comes first may lead
		return stage, nil
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(a.order, b.order) })
	first := found[0]
	gate, needs, refused := v.mayBeDown(first.member, "defragmenting")
	if len(refused) > 0 {
		return nil, &plan.Refused{Refusals: refused}
	}
	if needs != nil { // more than law 1 asks for: the others have all caught up
		needs.Least = len(needs.Serve)
	}
	if to, ok := v.successor(first); ok {
		return plan.SideBySide("move the leader away from "+first.member.Name, gate, []plan.Step{{
			Kind: plan.MoveLeader, Host: first.member.Name, To: to, Needs: needs,
			Why: "it is the last to defragment; " + to + " serves, and has applied most",
		}}), nil
	}
	return plan.SideBySide("defragment "+first.member.Name, gate, []plan.Step{{
		Kind: plan.Defragment, Host: first.member.Name, Unit: v.want.Cluster.UnitName, Needs: needs,
		Why: cmp.Or(why, fmt.Sprintf("%s of its %s are free", plan.Bytes(wasted(first.host)),
			plan.Bytes(first.host.Etcd.DBSize))),
	}}), nil
}

// whole waits for members that run and do not serve yet, and refuses where others do not serve: a member that is made
// to pause must not be one of few. nil: all voters serve, and nobody catches up.
func (v view) whole() (*plan.Stage, error) {
	voters, serve := v.voting()
	running := v.Which(func(m inventory.Member, host facts.Host) bool { return v.votes(m) && host.Process != nil })
	if len(serve) < len(voters) {
		stage := v.awaiting(func(m inventory.Member, _ facts.Host) bool { return v.votes(m) })
		if stage != nil && len(running) == len(voters) { // nil: one that was removed runs on
			return stage, nil
		}
		return nil, &plan.Refused{Refusals: plan.OneRefusal(plan.QuorumAtRisk, "",
			"bring the other members back first: clusterup status shows what is wrong with them",
			"%d of %d voters are known to serve, and a member defragments while all do", len(serve), len(voters))}
	}
	for _, listed := range v.seen.Members {
		if listed.Learner {
			m, _ := v.hostOf(listed)
			return nil, &plan.Refused{Refusals: plan.OneRefusal(plan.Membership,
				cmp.Or(m.Name, listed.Name, listed.ID.String()),
				"clusterup apply gives it its vote when it has caught up; or take it out: clusterup member remove NAME INVENTORY",
				"it is a learner, and no member defragments while another catches up")}
		}
	}
	return nil, nil
}
