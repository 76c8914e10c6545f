package etcd

import (
	"github.com/clusterup/clusterup/facts"
)

// RotateCA is w with the wish for new CAs of some roles: those of a rotation under way, else the next generation. hold
// is the phase after which to wait; "": none.
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

// RotateCerts is w with the wish that every leaf in use now is replaced.
func RotateCerts(w Want, s facts.Snapshot) Want {
	w.Existing, w.Replace = true, map[string]bool{}
	for _, host := range s.Hosts {
		for _, leaf := range host.Leaves {
			w.Replace[leaf.SHA256] = true
		}
	}
	return w
}

// Revoke is w with the wish that these client certificates are refused.
func Revoke(w Want, clients []facts.Client) Want {
	w.Existing, w.Revoke = true, clients
	return w
}

// EndConnections is w with the wish that every member restarts, one at a time, so that all clients have to show their
// certificates again.
func EndConnections(w Want, s facts.Snapshot) Want {
	w.Existing, w.Restart = true, map[string]int{}
	for name, host := range s.Hosts {
		if host.Process != nil {
			w.Restart[name] = host.Process.PID
		}
	}
	return w
}
