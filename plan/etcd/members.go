package etcd

import (
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// Class says in a word how a member stands that is wanted, or that the cluster lists.
type Class string

// All classes. A member is of the first that fits, from the top.
const (
	ClassDark         Class = "dark"          // its host cannot be looked at
	ClassUnexpected   Class = "unexpected"    // the cluster lists it, and it is not in the inventory
	ClassForeign      Class = "foreign"       // its host holds data of another cluster, or of another member
	ClassRemoved      Class = "removed"       // its host holds what a member has left that is not listed any more
	ClassStale        Class = "stale"         // its log ends before what was noted when it stopped
	ClassWiped        Class = "wiped"         // it has served, and its data is gone
	ClassHalfJoined   Class = "half-joined"   // it is listed, and has never published where clients reach it
	ClassNeverStarted Class = "never started" // it has no data, and is not listed
	ClassStopped      Class = "stopped"       // it has data, and does not run
	ClassRunning      Class = "running"
)

// Standing is how one member stands.
type Standing struct {
	Name    string // "" of one that is not in the inventory and has not started yet
	ID      facts.ID
	Class   Class
	Listed  bool // in the member list
	Learner bool
	Leader  bool // all members that serve reads name it
	Absent  bool // the inventory says that it is to leave
	Left    bool // it was to leave, and neither the cluster nor its host has anything of it
	// it is known as running, and yet it does not take part; "": it does
	Ailment string
	// where its data lies, if not where the inventory says
	DataDir string
	// where peers reach it: as the cluster lists it, else as the inventory says
	PeerURLs []string
}

// Members says how all members stand that are wanted or listed: those of the inventory in their order, then the others.
// Where no member tells the list, none counts as listed.
func Members(w Want, s facts.Snapshot) []Standing {
	v := newView(w, s)
	var found []Standing
	known := map[facts.ID]bool{}
	leader, _ := v.agreed()
	for _, m := range w.Cluster.Members {
		host := s.Hosts[m.Name]
		entry, listed := v.entry(m)
		one := Standing{
			Name: m.Name, ID: entry.ID, Class: v.class(m, host), Listed: listed, Learner: entry.Learner, Absent: m.Absent,
			PeerURLs: entry.PeerURLs, Leader: listed && entry.ID == leader, DataDir: host.Data.Dir,
		}
		known[entry.ID] = known[entry.ID] || listed
		one.Left = one.Absent && !listed && v.seen.Members != nil && one.Class == ClassNeverStarted
		if !listed {
			one.ID, one.PeerURLs = host.Data.MemberID, []string{v.peerURL(m)}
		}
		if one.Class == ClassRunning && !v.takesPart(m, host) {
			one.Ailment = v.ailment(host)
		}
		found = append(found, one)
	}
	for _, entry := range v.seen.Members {
		if !known[entry.ID] {
			found = append(found, Standing{
				Name: entry.Name, ID: entry.ID, Class: ClassUnexpected, Listed: true, Learner: entry.Learner,
				Leader: entry.ID == leader, PeerURLs: entry.PeerURLs,
			})
		}
	}
	return found
}

// class is how a member of the inventory stands.
func (v view) class(m inventory.Member, host facts.Host) Class {
	entry, listed := v.entry(m)
	born, isBorn := v.births[m.Name]
	tells := v.seen.Members != nil
	id := host.Data.MemberID.String()
	if !host.Data.WAL && isBorn {
		id = born.MemberID
	}
	gone := tells && v.formed && (host.Data.WAL || isBorn) && !slices.ContainsFunc(v.seen.Members,
		func(l facts.Listed) bool { return l.ID.String() == id })
	switch {
	case host.Dark():
		return ClassDark
	case v.bygone(m, host):
		return ClassRemoved
	case host.Data.WAL && (host.Data.ClusterID != v.clusterID || isBorn && born.MemberID != id || v.another(m, host)):
		return ClassForeign
	case gone:
		return ClassRemoved
	case isBorn && older(host, born):
		return ClassStale
	case !host.Data.WAL && (isBorn || listed && len(entry.ClientURLs) > 0):
		return ClassWiped
	case v.formed && listed && len(entry.ClientURLs) == 0:
		return ClassHalfJoined
	case !host.Data.WAL:
		return ClassNeverStarted
	case host.Process == nil:
		return ClassStopped
	}
	return ClassRunning
}

// bygone says that a host holds what a cluster has left in whose place this one was restored.
func (v view) bygone(m inventory.Member, host facts.Host) bool {
	born, isBorn := v.births[m.Name]
	return isBorn && v.ended(idOf(born)) || host.Data.WAL && v.ended(host.Data.ClusterID)
}

// entry is a member in the member list: who is known at its address, else whose data lies on its host, else who has its
// name. False: there is none, or no member tells the list.
func (v view) entry(m inventory.Member) (facts.Listed, bool) {
	host := v.seen.Hosts[m.Name]
	for _, is := range []func(facts.Listed) bool{
		func(entry facts.Listed) bool { return v.knownAt(m, entry) },
		func(entry facts.Listed) bool { return host.Data.WAL && host.Data.MemberID == entry.ID },
		func(entry facts.Listed) bool { return entry.Name == m.Name },
	} {
		if at := slices.IndexFunc(v.seen.Members, is); at >= 0 {
			return v.seen.Members[at], true
		}
	}
	return facts.Listed{}, false
}

// learner says whether a member is listed without a vote.
func (v view) learner(m inventory.Member) bool {
	entry, listed := v.entry(m)
	return listed && entry.Learner
}

// learns says that a learner answers, knows a leader, and is one of this cluster's.
func (v view) learns(m inventory.Member, host facts.Host) bool {
	entry, listed := v.entry(m)
	return listed && entry.Learner && len(entry.ClientURLs) > 0 && host.Etcd != nil && host.Etcd.Leader != 0 &&
		host.Etcd.ClusterID == v.clusterID && host.Etcd.MemberID == entry.ID
}

// takesPart says that a member does what one of its kind does: a voter counts, and a learner learns.
func (v view) takesPart(m inventory.Member, host facts.Host) bool {
	if v.learner(m) {
		return v.learns(m, host)
	}
	return v.stays(host)
}

// caughtUp says that a learner has applied what the voters have, but for what comes in while they are asked. etcd
// itself asks for nine tenths of the log (server/etcdserver/server.go, readyPercentThreshold), which may leave a lot.
func (v view) caughtUp(host facts.Host) bool { return host.Etcd != nil && v.lag(host) <= maxGap }

// maxGap is how many entries a learner may have left to apply when it gets its vote. Whoever waits for it waits for
// fewer (apply/learner.go), so that what is written until the next look does not have it wait again.
const maxGap = 500

// replaced says that the operator has agreed that a member is removed, and added anew without what it had. Nothing
// shows that a member is lost whose host is dark, so the consent has to name its ID: one that a script always gives
// would hold for every member of that name.
func (v view) replaced(m inventory.Member) bool {
	risk := plan.Replace(m.Name)
	host := v.seen.Hosts[m.Name]
	switch entry, listed := v.entry(m); {
	case listed && host.Dark():
		return v.want.accepts(plan.Bound(risk, entry.ID.String()))
	case listed:
		return v.want.accepts(risk) || v.want.accepts(plan.Bound(risk, entry.ID.String()))
	case host.Data.WAL:
		return v.want.accepts(risk) || v.want.accepts(plan.Bound(risk, host.Data.MemberID.String()))
	}
	return v.want.acceptsOf(risk) // there is nothing left to lose
}

// replaceWaits: members that were to be replaced, and have gone dark, by a consent that does not name them.
func (v view) replaceWaits() []plan.Wait {
	var found []plan.Wait
	v.Everyone(func(m inventory.Member, host facts.Host) {
		risk := plan.Replace(m.Name)
		if entry, listed := v.entry(m); listed && !m.Absent && host.Dark() && v.want.acceptsOf(risk) && !v.replaced(m) {
			found = append(found, plan.Wait{
				What: "replacing " + m.Name, For: []string{m.Name},
				Why: "nothing shows that the member is lost while its host cannot be looked at; if the host is gone for good, " +
					"run again with --accept=" + string(plan.Bound(risk, entry.ID.String())),
			})
		}
	})
	return found
}

// older says that a host holds an older copy of its member's data, by what its unit has noted. The guard refuses it,
// too.
func older(host facts.Host, born units.Born) bool {
	log := host.Data.Log
	if log == nil || host.Data.MemberID.String() != born.MemberID {
		return false
	}
	noted, ok := units.ParseLogEnd([]byte(log.Noted + "\n"))
	return ok && noted.Beyond(born, log.Newest, log.Feeds)
}
