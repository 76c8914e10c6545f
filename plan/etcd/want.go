package etcd

import (
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// Want is what the operator wants, as far as it does not come from looking.
type Want struct {
	Cluster  *inventory.Cluster
	Releases map[string]plan.Release // by Release.Pin: those of Versions, for the architectures of the hosts seen
	// Token makes a cluster ID unique; it is used only when nothing that was seen has one. Empty in plans that are only shown:
	// Placeholder stands for it there, so that two equal plans look equal.
	Token  string
	Writer string      // version of this clusterup, for people
	Accept []plan.Risk // what the operator accepts by name
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

func (w Want) accepts(r plan.Risk) bool { return slices.Contains(w.Accept, r) }
