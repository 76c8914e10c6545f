package etcd

import (
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
)

// Unfinished are those of some roles whose CA is being rotated; all of them where no member trusts a next one yet. Who goes on with a
// rotation of several does not begin another one of those that have come to the end, and begins those that were not begun with the others.
func Unfinished(w Want, s facts.Snapshot, roles []string) []string {
	v := newView(w, s)
	under := slices.DeleteFunc(slices.Clone(roles), func(role string) bool { return !v.rotating(role) })
	if slices.ContainsFunc(under, v.advanced) {
		return under
	}
	return roles
}

// advanced says that a member may trust the newest CA already.
func (v view) advanced(role string) bool {
	live := v.live(role)
	return v.May(func(_ inventory.Member, host facts.Host) bool { return v.trusts(host, live[len(live)-1]) })
}

// RotateCA is w with the wish for another generation of CAs: the one that is on its way, else the next. hold is the phase after which to
// wait, or "".
func RotateCA(w Want, s facts.Snapshot, roles []string, hold string) Want {
	v := newView(w, s)
	w.Existing, w.Generation, w.Hold = true, map[string]int{}, map[string]string{}
	for _, role := range roles {
		w.Hold[role] = hold
		if cas, live := v.cas(role), v.live(role); len(cas) > 0 && len(live) > 0 {
			w.Generation[role] = cas[len(cas)-1].Generation + 1
			if v.rotating(role) {
				w.Generation[role] = live[len(live)-1].Generation
			}
		}
	}
	return w
}

// AbortRotation is w with the wish to stay with the CAs that were there before a rotation.
func AbortRotation(w Want, roles []string) Want {
	w.Existing, w.Abort, w.Hold = true, roles, map[string]string{}
	for _, role := range roles {
		w.Hold[role] = ""
	}
	return w
}

// RotateCerts is w with the wish that no leaf stays in use which is in use now.
func RotateCerts(w Want, s facts.Snapshot) Want {
	w.Existing, w.Replace = true, map[string]bool{}
	for _, host := range s.Hosts {
		for _, leaf := range host.Leaves {
			w.Replace[leaf.SHA256] = true
		}
	}
	return w
}

// Revoke is w with the wish that client certificates are refused.
func Revoke(w Want, clients []facts.Client) Want {
	w.Existing, w.Revoke = true, clients
	return w
}

// EndConnections is w with the wish that every member restarts, one at a time: what is connected now has to show its certificate again.
func EndConnections(w Want, s facts.Snapshot) Want {
	w.Existing, w.Restart = true, map[string]int{}
	for name, host := range s.Hosts {
		if host.Process != nil {
			w.Restart[name] = host.Process.PID
		}
	}
	return w
}
