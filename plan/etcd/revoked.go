package etcd

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/trust"
)

// gone are the members that the cluster does not list, among those that are in the inventory or ever had a certificate.
func (v view) gone() trust.Gone {
	if !v.formed || v.seen.Members == nil {
		return nil
	}
	gone := trust.Gone{}
	for _, r := range v.seen.Operator.Leaves {
		gone[r.Member] = false
	}
	ours := func(m inventory.Member, _ facts.Host) { delete(gone, m.Name) }
	v.Everyone(ours)
	v.leaving.Everyone(ours)
	for _, entry := range v.seen.Members {
		if _, ok := v.ofEntry(entry); !ok && entry.Name == "" { // it has not said its name yet, which may be any of them
			clear(gone)
		}
	}
	for _, entry := range v.seen.Members {
		delete(gone, entry.Name)
	}
	stand := func(m inventory.Member, host facts.Host) {
		_, listed := v.entry(m)
		if listed || host.Dark() && !m.Absent && !v.replaced(m) { // it may be about to join
			return
		}
		gone[m.Name] = !m.Absent && v.class(m, host) == ClassNeverStarted
	}
	v.Everyone(stand)
	v.leaving.Everyone(stand)
	return gone
}

// revokedNotes say where the key of a member that has left, or is to leave, is still good.
func (v view) revokedNotes() []string {
	gone := v.gone()
	var found []string
	if names := v.trust.Unlisted("peer"); len(names) > 0 {
		found = append(found, fmt.Sprintf(
			"%s: until the next restart there, the list of revoked peer certificates is not looked at, and keys of members that "+
				"were removed are accepted; whatever restarts a member brings the list, as clusterup rotate ca --peer does",
			plan.Enumerate(names)))
	}
	leaving := v.leavers(gone)
	for _, role := range trust.Roles {
		for _, name := range leaving {
			if end := v.trust.Lasting(role, name, gone); !end.IsZero() {
				found = append(found, fmt.Sprintf(
					"%s: its %s key is accepted until %s, also when it is no member any more, since %s; %s",
					name, trust.LeafOf[role], end.Format(time.DateOnly), v.trust.WhyListless(role), v.trust.EndsKeys(role)))
			}
		}
	}
	return found
}

// leavers are the members that have left, are to leave, or are to be replaced; sorted.
func (v view) leavers(gone trust.Gone) []string {
	var names []string
	for name := range gone {
		names = append(names, name)
	}
	v.Everyone(func(m inventory.Member, _ facts.Host) {
		if m.Absent || v.replaced(m) {
			names = append(names, m.Name)
		}
	})
	for _, entry := range v.seen.Members {
		if _, ok := v.ofEntry(entry); !ok && v.given(entry) {
			names = append(names, cmp.Or(entry.Name, entry.ID.String()))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// awaitsList says that a running member has no list of revoked peers, and restarts for nothing else: it gets the list
// with its next restart.
func (v view) awaitsList(m inventory.Member, host facts.Host) bool {
	return host.Process != nil && !v.runsWithList(host) && v.mustRestart(m, host) == nil
}
