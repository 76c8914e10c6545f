package plan

import "strings"

// Risk is something that clusterup does only when the operator accepts it by name.
type Risk string

// Downtime accepts that the cluster may not answer for a while: its only member restarts, one of two, or one that may
// or may not serve.
const Downtime Risk = "downtime"

// ForeignCluster accepts that the operator directory is another one than the cluster was made with, or an older copy. A
// cluster is then destroyed although its CAs are not in the directory. A CA is dropped, or a revocation undone, that
// the directory does not know.
const ForeignCluster Risk = "foreign-ca"

// Downgrade accepts that the cluster goes back a minor version.
const Downgrade Risk = "downgrade"

// Hops accepts that the cluster passes through other versions than the one that is asked for.
const Hops Risk = "hops"

// OldClients accepts that clients with certificates of a dropped CA lose the cluster.
const OldClients Risk = "old-clients"

// NoAuth accepts that etcd's permissions are switched off, so that every client may do everything.
const NoAuth Risk = "no-auth"

// DropGrants accepts that users, roles and permissions are taken away that the inventory has not.
const DropGrants Risk = "drop-grants"

// Shrink accepts that less than half of a balancer's servers are left at once.
const Shrink Risk = "shrink"

// OtherSnapshot accepts that a restore that was begun from one snapshot is given up for another one.
const OtherSnapshot Risk = "other-snapshot"

// Again accepts that a cluster is restored once more from the snapshot that it was made from.
const Again Risk = "again"

// Gone accepts that a cluster is destroyed without a host that cannot be looked at: what lies there stays.
func Gone(host string) Risk { return Risk("gone:" + host) }

// Replace accepts that a member is removed from the cluster and added anew, without the data that it had.
func Replace(member string) Risk { return Risk("replace:" + member) }

// Remove accepts that a member is removed from the cluster whose host is not there to be made clean.
func Remove(member string) Risk { return Risk("remove:" + member) }

// Bound binds a consent about a member to one ID: "replace:etcd-2@8e9e05c52164694d". It does not hold for the member
// that comes after that one by the same name.
func Bound(r Risk, id string) Risk { return r + Risk("@"+id) }

// Is says whether a consent is another one, bound to an ID or not.
func (r Risk) Is(other Risk) bool {
	return r == other || strings.HasPrefix(string(r), string(other)+"@")
}

// Risks are all that can be accepted without naming a host.
func Risks() []Risk {
	return []Risk{Downtime, Downgrade, ForeignCluster, Hops, OldClients, NoAuth, DropGrants, Shrink, OtherSnapshot, Again}
}

// OfMembers are the beginnings of those that name a member or its host.
func OfMembers() []Risk { return []Risk{Replace(""), Remove(""), Gone("")} }
