// Package version is the arithmetic of etcd's versions: which comes after which, and by which ways a cluster goes from
// one to another. It knows nothing of members or hosts.
package version

import (
	"strconv"
	"strings"

	"golang.org/x/mod/semver"
)

// A cluster goes from one version to another one minor version at a time, and all members reach one before the first
// goes to the next (law 6). Facts: etcd's upgrade guides and server/etcdserver/version/monitor.go.

// waypoints are the releases by which a cluster passes through a minor version other than the one wanted.
var waypoints = map[string]string{"3.5": "3.5.35", "3.6": "3.6.16", "3.7": "3.7.3"}

// floors are the oldest releases of a minor version from which the next one may be entered: older ones turn voters into
// learners, keep members that were removed, or leave etcd v2 content behind (etcd issues 19557, 20967, 21849;
// upgrade_3_6.md, upgrade_3_7.md).
var floors = map[string]string{"3.5": "3.5.32", "3.6": "3.6.11"}

// Route are the versions that all members reach in turn, the wanted one last. The oldest member is of low, and the
// newest of high; where both are empty nothing runs yet, and the way is the wanted version alone.
func Route(low, high, wanted string) []string {
	if low == "" {
		return []string{wanted}
	}
	var way []string
	for range 10 { // there are not so many minor versions
		next := hop(low, high, wanted)
		way = append(way, next)
		if next == wanted {
			break
		}
		low, high = next, next
	}
	return way
}

// hop is the next version that all members are to reach, where the oldest is of low and the newest of high.
func hop(low, high, wanted string) string {
	to := func(at string) string {
		if at == Minor(wanted) {
			return wanted
		}
		return waypoints[at]
	}
	up, down := CompareMinor(wanted, low) > 0, CompareMinor(wanted, high) < 0
	switch mixed := !SameMinor(low, high); {
	case mixed && !down:
		return to(Minor(high))
	case mixed:
		return to(Minor(low))
	case up && BelowFloor(low):
		return waypoints[Minor(low)]
	case up:
		return to(neighbour(low, +1))
	case down:
		return to(neighbour(low, -1))
	}
	return wanted
}

// Floor is the oldest release of a version's minor version from which the next one may be entered; "": any may.
func Floor(version string) string { return floors[Minor(version)] }

// BelowFloor says that the next minor version may not be entered from a version.
func BelowFloor(version string) bool { return Compare(version, Floor(version)) < 0 }

// Apart says that two versions are more than one minor version apart, so that members of both make no cluster.
func Apart(low, high string) bool {
	return !SameMinor(low, high) && neighbour(low, +1) != Minor(high)
}

// Minor is the first two numbers of a version: "3.6" of "3.6.16".
func Minor(version string) string { return strings.TrimPrefix(semver.MajorMinor("v"+version), "v") }

// SameMinor says that two versions are of one minor version.
func SameMinor(a, b string) bool { return Minor(a) == Minor(b) }

// CompareMinor is Compare of their minor versions.
func CompareMinor(a, b string) int { return Compare(Minor(a), Minor(b)) }

// neighbour is the minor version that lies by steps after that of a version: "3.7" of "3.6.16" and +1.
func neighbour(version string, by int) string {
	major, minor, _ := strings.Cut(Minor(version), ".")
	n, _ := strconv.Atoi(minor)
	return major + "." + strconv.Itoa(n+by)
}

// Compare is -1 where a is older than b, 0 where they are the same, and +1 where it is newer: "3.5.9", "3.5.10", "3.6".
// Numbers that are not given count as 0, and an empty version is older than all.
func Compare(a, b string) int { return semver.Compare("v"+a, "v"+b) }
