package plan

// Risk is something that clusterup does only when the operator accepts it by name.
type Risk string

// Downtime accepts that the cluster may not answer for a while: its only member restarts, one of its two, or one of
// which it is not known whether it serves.
const Downtime Risk = "downtime"

// ForeignCluster accepts that a cluster is destroyed whose CAs are not in this operator directory; and that a CA is
// dropped, or a revocation undone, of which this operator directory does not know.
const ForeignCluster Risk = "foreign-ca"

// Downgrade accepts that the cluster goes back a minor version.
const Downgrade Risk = "downgrade"

// Hops accepts that the cluster passes through other versions than the one that is asked for.
const Hops Risk = "hops"

// OldClients accepts that clients lose the cluster whose certificates are of a CA that is dropped.
const OldClients Risk = "old-clients"

// Gone accepts that a cluster is destroyed without a host that cannot be looked at: what lies there stays.
func Gone(host string) Risk { return Risk("gone:" + host) }

// Risks are all that can be accepted without naming a host.
func Risks() []Risk { return []Risk{Downtime, Downgrade, ForeignCluster, Hops, OldClients} }
