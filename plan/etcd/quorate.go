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

// Quorate says whether a run that holds the lock on some hosts is the only one that may change the cluster: it holds it
// on the hosts of a majority of the listed members (law 14). Where no member tells the list, the inventory's members
// and those that units were started with stand for it, all together and as each unit names them; before there is a
// cluster it is every host of the inventory. Two lists that differ by one member have no majorities without a common
// member. An error is *NoMajority.
func Quorate(w Want, s facts.Snapshot, held []string) error {
	v := newView(w, s)
	if v.unfounded() {
		return v.quorate(v.inventoried(), len(w.Cluster.Members), held)
	}
	lists := [][]facts.Listed{v.seen.Members}
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

// unfounded says that nothing shows that there is a cluster: no member tells who belongs to it, and no host says that
// it was there.
func (v view) unfounded() bool { return !v.formed && v.seen.Members == nil }

// quorate says whether enough hosts of a list are held.
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

// hostOf is the host of a listed member: where it is known to its peers, whatever it is called.
func (v view) hostOf(member facts.Listed) (inventory.Member, bool) {
	at := slices.IndexFunc(v.want.Cluster.Members, func(m inventory.Member) bool { return v.knownAt(m, member) })
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
	for _, m := range v.want.Cluster.Members {
		list = append(list, facts.Listed{Name: m.Name, PeerURLs: []string{v.peerURL(m)}})
	}
	return list
}

// presumed are the lists that may be the cluster's, when no member tells it: those that units were started with, and
// all of them and the inventory together.
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

// initialCluster reads the flag of that name, NAME=URL,… with a name again for each further URL of its member.
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
