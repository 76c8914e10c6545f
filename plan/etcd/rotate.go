package etcd

import (
	"github.com/clusterup/clusterup/facts"
)

// RotateCA is w with the wish for another generation of CAs: the one that is on its way, else the next. hold is the
// phase after which to wait, or "".
func RotateCA(w Want, s facts.Snapshot, roles []string, hold string) Want {
	w.Generation = Trust(w, s).Next(roles)
	return holding(w, roles, hold)
}

// AbortRotation is w with the wish to stay with the CAs that were there before a rotation.
func AbortRotation(w Want, roles []string) Want {
	w.Abort = roles
	return holding(w, roles, "")
}

func holding(w Want, roles []string, phase string) Want {
	w.Existing, w.Hold = true, map[string]string{}
	for _, role := range roles {
		w.Hold[role] = phase
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

// EndConnections is w with the wish that every member restarts, one at a time: what is connected now has to show its
// certificate again.
func EndConnections(w Want, s facts.Snapshot) Want {
	w.Existing, w.Restart = true, map[string]int{}
	for name, host := range s.Hosts {
		if host.Process != nil {
			w.Restart[name] = host.Process.PID
		}
	}
	return w
}
