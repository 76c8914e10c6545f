package plan

import (
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
)

// Want is what the operator wants, as far as it does not come from looking.
type Want struct {
	Cluster  *inventory.Cluster
	Releases map[string]Release // by Release.Pin: those of Versions, for the architectures of the hosts seen
	// Token makes a cluster ID unique; it is used only when nothing that was seen has one. Empty in plans that are only shown: a
	// placeholder stands for it there, so that two equal plans look equal.
	Token  string
	Writer string // version of this clusterup, for people
	Accept []Risk // what the operator accepts by name
	// HoldLast leaves the last member at its minor version when the cluster goes to the next: until then one can turn back.
	HoldLast bool

	Existing   bool              // nothing is done unless there is a cluster already
	Generation map[string]int    // role → the least generation of its CA; one that is not there is made. See RotateCA
	Hold       map[string]string // role → the phase after which the rotation of its CA waits, "": none; a role that is not in it stays as it is
	Abort      []string          // roles of CAs whose rotation is to be taken back
	Revoke     []facts.Client    // client certificates that are to be refused
	Restart    map[string]int    // member → PID of the process that is not to go on, so that its connections end. See EndConnections
	Replace    map[string]bool   // SHA-256 of leaves that are not to stay in use. See RotateCerts
}

// Risk is something that clusterup does only when the operator accepts it by name.
type Risk string

// Downtime accepts that the cluster may not answer for a while: its only member restarts, one of its two, or one of which it is not known
// whether it serves.
const Downtime Risk = "downtime"

// ForeignCluster accepts that a cluster is destroyed whose CAs are not in this operator directory; and that a CA is dropped, or a
// revocation undone, of which this operator directory does not know.
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

func (w Want) accepts(r Risk) bool { return slices.Contains(w.Accept, r) }

// Release is a verified etcd release for one architecture.
type Release struct {
	Version  string            `json:"version"`
	Arch     string            `json:"arch"`
	SHA256   string            `json:"sha256"`   // of the archive
	Binaries map[string]string `json:"binaries"` // name → SHA-256: etcd, etcdctl, etcdutl
}

// Pin is the key of a release in the operator's lock file.
func (r Release) Pin() string { return r.Version + "/" + r.Arch }
