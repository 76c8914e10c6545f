package version

import "cmp"

// bounding are the oldest releases of a minor version in which etcd's permissions hold. In those before, whoever may
// read one key can watch all that come after it (server/etcdserver/api/v3rpc/watch.go: the end of a range was changed
// only after it was looked at), and in those before 3.5.30 and 3.6.11 a transaction hides a put from parts of the
// checks (server/etcdserver/apply, CheckTxnAuth).
var bounding = map[string]string{"3.5": "3.5.33", "3.6": "3.6.14", "3.7": "3.7.1"}

// boundingNext is the first of a later minor version.
const boundingNext = "3.8.0"

// Bounds says whether a member of a version keeps its users to what they may do while permissions are on.
func Bounds(version string) bool { return Compare(version, BoundsFrom(version)) >= 0 }

// BoundsFrom is the oldest release of a version's minor version for which Bounds holds; where there is none, of a later
// one.
func BoundsFrom(version string) string { return cmp.Or(bounding[Minor(version)], boundingNext) }
