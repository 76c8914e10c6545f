package etcd

import (
	"cmp"
	"path"
	"slices"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/plan/version"
	"github.com/clusterup/clusterup/units"
)

// view is what Next knows: what is wanted, what was seen, and what follows from the two about the cluster's identity.
type view struct {
	// those of the inventory that are wanted; and those that are to leave, as long as they are members
	plan.Members[inventory.Member]
	leaving plan.Members[inventory.Member] // all that are to leave, but dark ones whose hosts the operator has given up

	want Want
	seen facts.Snapshot

	token     string   // of the cluster that is, or of the bootstrap under way, or of the one to come
	clusterID facts.ID // of the cluster that is, or will be
	formed    bool     // the cluster exists: logs or a birth marker say so; its configuration says "existing"
	// a bootstrap is under way: at least one host holds its data, and nothing says that the cluster exists
	started bool
	births  map[string]units.Born

	low, high string // the oldest and newest version of members with data; empty: there is none
	target    string // the version that all members are to reach next
	downgrade string // target of the downgrade that is enabled, "3.5.0"; empty: no member reports one

	heartbeat, election time.Duration // see timing

	trust trust.State

	known *known
}

// known is what a view has found out of its members already: rules ask for it again and again. It is only for a view
// that changes no more.
type known struct {
	voters  []string
	restart map[string][]string // by name: why it must restart
}

// look is a view of only what is wanted and seen; identify and newView add the rest.
func look(w Want, s facts.Snapshot) view {
	v := glance(w, s)
	v.trust = v.trustState()
	return v
}

// glance is a view that knows who the members are, and no more.
func glance(w Want, s facts.Snapshot) view {
	v := view{want: w, seen: s, known: &known{restart: map[string][]string{}}}
	v.Members = plan.Members[inventory.Member]{Name: func(m inventory.Member) string { return m.Name }, Hosts: s.Hosts}
	v.leaving = v.Members
	for _, m := range w.Cluster.Members {
		if !m.Absent || v.stillMember(m) {
			v.List = append(v.List, m)
		}
		if m.Absent && !(s.Hosts[m.Name].Dark() && w.acceptsOf(plan.Remove(m.Name))) {
			v.leaving.List = append(v.leaving.List, m)
		}
	}
	return v
}

// stillMember says whether a member that is to leave is one yet: it is listed, or, where nobody tells the list, may be.
func (v view) stillMember(m inventory.Member) bool {
	if v.seen.Members != nil {
		_, listed := v.entry(m)
		return listed
	}
	host := v.seen.Hosts[m.Name]
	_, marked := host.Files[v.birthPath()]
	return host.Dark() || host.Process != nil || host.Data.WAL || marked
}

func newView(w Want, s facts.Snapshot) view {
	v := identify(w, s)
	if s.Cluster != 0 && s.Cluster != v.clusterID { // the list and alarms of another cluster decide nothing
		v = identify(w, v.owned())
	}
	v.low, v.high = v.versions()
	v.target = v.route()[0]
	v.heartbeat, v.election = v.timing()
	v.Each(func(_ inventory.Member, host facts.Host) {
		if host.Etcd != nil && host.Etcd.Downgrade != "" {
			v.downgrade = host.Etcd.Downgrade
		}
	})
	v.trust.Formed, v.trust.Started = v.formed, v.started
	v.trust.Mixed, v.trust.Held = !version.SameMinor(v.low, v.high), v.held()
	return v
}

// Own is what was seen, with the member list, the alarms and the cluster as members of the inventory's cluster have
// them, where most of those that answer are of another one.
func Own(w Want, s facts.Snapshot) facts.Snapshot { return newView(w, s).seen }

// owned is what was seen, with the list and alarms as members of this cluster have them, where most of those that
// answer are of another one: hosts have come back with the disks of one that is gone by.
func (v view) owned() facts.Snapshot {
	s := v.seen
	s.Members, s.Alarms, s.Cluster = nil, nil, v.clusterID
	v.Each(func(_ inventory.Member, host facts.Host) {
		if s.Members == nil && v.reads(host) && len(host.Listed) > 0 {
			s.Members, s.Alarms = slices.Clone(host.Listed), host.Alarms
		}
	})
	slices.SortFunc(s.Members, func(a, b facts.Listed) int { return cmp.Compare(a.ID, b.ID) })
	return s
}

func (v view) birthPath() string { return path.Join(ConfigDir(v.want.Cluster), "born.json") }

// release is the one that all members are to reach next, for a host's architecture.
func (v view) release(host facts.Host) (plan.Release, bool) {
	r, ok := v.want.Releases[v.target+"/"+host.Arch]
	return r, ok
}
