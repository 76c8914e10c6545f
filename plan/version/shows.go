package version

import (
	"cmp"
	"slices"
)

// showing are the oldest releases of a minor version whose members show every user their status, the member list and
// the alarms while permissions are on; those before 3.5.32 and 3.6.12 show them to root alone
// (server/etcdserver/api/v3rpc/maintenance.go, requireAuthInfo).
var showing = map[string]string{"3.5": "3.5.32", "3.6": "3.6.12"}

// showingNext is the first of a later minor version.
const showingNext = "3.7.0"

// ShowsToAll says whether a member of a version shows every user how it is while permissions are on.
func ShowsToAll(version string) bool {
	return Compare(version, cmp.Or(showing[Minor(version)], showingNext)) >= 0
}

// ShowingToAll are the oldest releases of each minor version for which ShowsToAll holds.
func ShowingToAll() []string {
	all := []string{showingNext}
	for _, least := range showing {
		all = append(all, least)
	}
	slices.SortFunc(all, Compare)
	return all
}
