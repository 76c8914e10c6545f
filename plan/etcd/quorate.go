package etcd

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// Quorate is law 14: a run may change the cluster if it holds the lock on the hosts of a majority of the listed voters.
// Learners do not count: one whose host is dark must not keep a run from removing it. held are the hosts that it holds.
// Before there is a cluster, it needs every host of the inventory. If no member tells the list, it needs a majority of
// several: of each list that a unit was started with, and of all these and the inventory together. Two lists that
// differ by one member are enough to keep runs apart, since any majority of one shares a member with any majority of
// the other. The error is *plan.NoMajority.
func Quorate(w Want, s facts.Snapshot, held []string) error {
	v := newView(w, s)
	if v.unfounded() {
		all := v.inventoried()
		return v.quorate(all, len(all), held)
	}
	lists := [][]facts.Listed{slices.DeleteFunc(slices.Clone(v.seen.Members),
		func(l facts.Listed) bool { return l.Learner })}
	if v.seen.Members == nil {
		lists = v.presumed()
	}
	for _, list := range lists {
		if err := v.quorate(list, len(list)/2+1, held); err != nil {
			return err
		}
	}
	return nil
}

// unfounded says that nothing shows a cluster: no member tells its list, and no log or birth marker counts as one.
func (v view) unfounded() bool { return !v.formed && v.seen.Members == nil }

// quorate is a *plan.NoMajority error where fewer than need hosts of a list are held.
func (v view) quorate(list []facts.Listed, need int, held []string) error {
	short := &plan.NoMajority{Need: need, Of: len(list), Every: v.unfounded()}
	for _, member := range list {
		m, ok := v.hostOf(member)
		switch {
		case !ok:
			short.Missing = append(short.Missing,
				plan.Refuse(plan.Unreachable, cmp.Or(member.Name, "member "+member.ID.String()),
					"use the inventory that has it", "the member is not in this inventory, at %s", strings.Join(member.PeerURLs, " ")))
		case slices.Contains(held, m.Name):
			short.Held++
		default:
			short.Missing = append(short.Missing, v.unheld(m))
		}
	}
	if short.Held >= need {
		return nil
	}
	return short
}

// unheld says why the lock is not held on a host.
func (v view) unheld(m inventory.Member) plan.Refusal {
	if host := v.seen.Hosts[m.Name]; host.Dark() {
		return v.unreachable(m, host)
	}
	return plan.Refuse(plan.Unreachable, m.Name, "run the same command again", "the lock is not held there")
}

// hostOf is the host of a listed member, found by its peer address, whatever name is listed; or, where the inventory
// has another address for it by now, by its data. A host says itself what its data is, so none counts for a member
// whose name another one has.
func (v view) hostOf(member facts.Listed) (inventory.Member, bool) {
	at := slices.IndexFunc(v.want.Cluster.Members, func(m inventory.Member) bool { return v.knownAt(m, member) })
	if at < 0 {
		at = slices.IndexFunc(v.want.Cluster.Members, func(m inventory.Member) bool {
			host := v.seen.Hosts[m.Name]
			named, _ := v.named(member.Name)
			return !host.Dark() && host.Data.WAL && host.Data.MemberID == member.ID &&
				(m.Name == member.Name || named.Name == "")
		})
	}
	if at < 0 {
		return inventory.Member{}, false
	}
	return v.want.Cluster.Members[at], true
}

// Listed are the members that the cluster itself lists, each by the name that the inventory has for its address; nil:
// no member tells.
func Listed(w Want, s facts.Snapshot) map[string]facts.Listed {
	v := newView(w, s)
	if v.seen.Members == nil {
		return nil
	}
	list := map[string]facts.Listed{}
	for _, member := range v.seen.Members {
		if m, ok := v.hostOf(member); ok {
			list[m.Name] = member
		}
	}
	return list
}

// inventoried are the inventory's members as a list.
func (v view) inventoried() []facts.Listed {
	var list []facts.Listed
	for _, m := range v.List {
		list = append(list, facts.Listed{Name: m.Name, PeerURLs: []string{v.peerURL(m)}})
	}
	return list
}

// presumed are the lists that may be the cluster's when no member tells it: each that a unit was started with, and all
// of them and the inventory together.
func (v view) presumed() [][]facts.Listed {
	all := v.inventoried()
	var lists [][]facts.Listed
	v.Each(func(m inventory.Member, host facts.Host) {
		command := v.command(host)
		if units.Flag(command, "name") != m.Name {
			return
		}
		list := initialCluster(units.Flag(command, "initial-cluster"))
		for _, member := range list {
			if !slices.ContainsFunc(all, func(other facts.Listed) bool { return sameAddress(other, member) }) {
				all = append(all, member)
			}
		}
		if len(list) > 0 {
			lists = append(lists, list)
		}
	})
	return append(lists, all)
}

// initialCluster reads the flag of that name: a=http://10.0.0.1:2380,b=http://10.0.0.2:2380. A member with several URLs
// stands there once for each.
func initialCluster(flag string) []facts.Listed {
	var list []facts.Listed
	for pair := range strings.SplitSeq(flag, ",") {
		name, at, ok := strings.Cut(pair, "=")
		if !ok {
			continue
		}
		i := slices.IndexFunc(list, func(m facts.Listed) bool { return m.Name == name })
		if i < 0 {
			list, i = append(list, facts.Listed{Name: name}), len(list)
		}
		list[i].PeerURLs = append(list[i].PeerURLs, at)
	}
	return list
}

// sameAddress says that two entries are one member: one of their addresses is the same, with or without TLS.
func sameAddress(a, b facts.Listed) bool {
	host := func(raw string) string {
		u, err := url.Parse(raw)
		if err != nil {
			return raw
		}
		return u.Host
	}
	return slices.ContainsFunc(a.PeerURLs, func(one string) bool {
		return slices.ContainsFunc(b.PeerURLs, func(other string) bool { return host(one) == host(other) })
	})
}
