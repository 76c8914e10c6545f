package plan

import (
	"errors"
	"fmt"
	"strings"
)

// Refusal is a change that clusterup will not make, with the reason and the remedy.
type Refusal struct {
	Kind   RefusalKind `json:"kind"`
	Host   string      `json:"host,omitempty"` // empty: it concerns the whole cluster
	Reason string      `json:"reason"`         // what was seen
	Remedy string      `json:"remedy"`         // what to do
}

func (r Refusal) String() string {
	if r.Host == "" {
		return r.Reason
	}
	return r.Host + ": " + r.Reason
}

// RefusalKind names a class of refusals; each has a heading in the operations guide.
type RefusalKind string

// All refusals.
const (
	Unreachable RefusalKind = "unreachable" // a host could not be looked at
	// a host cannot run a member: no systemd, no release for its architecture, a tool missing
	Unsuitable RefusalKind = "unsuitable"
	// a host's clock is so far off that certificates would not be valid there
	ClockOff    RefusalKind = "clock-off"
	PortTaken   RefusalKind = "port-taken"   // another process holds a port of the member
	ForeignData RefusalKind = "foreign-data" // a data directory holds what this cluster did not put there
	// a member keeps its data elsewhere, or runs as another user, than the inventory says
	DataMoved      RefusalKind = "data-moved"
	CAKeyMissing   RefusalKind = "ca-key-missing"  // the operator directory has a CA's certificate, but not its key
	MixedData      RefusalKind = "mixed-data"      // some hosts hold the cluster's data, and others nothing
	DataLost       RefusalKind = "data-lost"       // a host that had a member has no data any more
	ForeignCA      RefusalKind = "foreign-ca"      // the hosts trust a CA that is not in this operator directory
	Membership     RefusalKind = "membership"      // the member list and the inventory differ
	QuorumAtRisk   RefusalKind = "quorum"          // a voter would go down and no quorum would be left
	UnitDiverted   RefusalKind = "unit-diverted"   // something other than the unit file decides what systemd runs
	ForeignUnit    RefusalKind = "foreign-unit"    // a unit of the member's name that clusterup did not write
	VersionChange  RefusalKind = "version"         // the wanted version is not one that the cluster can be taken to
	Alarmed        RefusalKind = "alarm"           // an alarm is raised, and restarting members would not help
	V2Content      RefusalKind = "v2-content"      // data that the wanted version does not start with
	GivenCA        RefusalKind = "given-ca"        // a CA that clusterup did not make has to be renewed by whoever made it
	NoUser         RefusalKind = "no-user"         // etcd's permissions are on, and refuse clusterup
	Permissions    RefusalKind = "permissions"     // etcd's permissions are not as the inventory can have them
	Backends       RefusalKind = "backends"        // the servers of a balancer are not known, or would be none
	ForeignConfig  RefusalKind = "foreign-config"  // a service has a configuration that clusterup did not write
	NoCluster      RefusalKind = "no-cluster"      // a verb would change a cluster that does not exist yet
	TooLate        RefusalKind = "too-late"        // a rotation has come too far to be taken back
	Insecure       RefusalKind = "insecure"        // TLS would be switched off
	OlderClusterup RefusalKind = "older-clusterup" // a newer clusterup wrote what lies on a host
	Restoring      RefusalKind = "restoring"       // a restore was begun, and has not ended
	SnapshotUnfit  RefusalKind = "snapshot-unfit"  // a snapshot that the wanted cluster cannot be made from
	NeedsConsent   RefusalKind = "needs-consent"   // it can be done, if the operator accepts it by name
)

// Refused is the error of Next when nothing may be done; it holds every reason found, sorted by host.
type Refused struct {
	Refusals []Refusal
	Waits    []Wait // what dark hosts keep from being done; empty unless Only(Unreachable) holds, or Beside
	Beside   bool   // all that can be done beside what is refused comes first
}

func (r *Refused) Error() string {
	lines := make([]string, 0, len(r.Refusals))
	for _, refusal := range r.Refusals {
		lines = append(lines, refusal.String())
	}
	return "refused: " + strings.Join(lines, "; ")
}

// Only says whether there are refusals, all of one kind.
func (r *Refused) Only(kind RefusalKind) bool {
	for _, refusal := range r.Refusals {
		if refusal.Kind != kind {
			return false
		}
	}
	return len(r.Refusals) > 0
}

// DarkOnly says that an error is of dark hosts alone: a plan then goes as far as it can without them.
func DarkOnly(err error) bool {
	var refused *Refused
	return errors.As(err, &refused) && refused.Only(Unreachable)
}

// GoesOn says that an error holds up nothing that can be done beside it: a plan then goes as far as it can.
func GoesOn(err error) bool {
	var refused *Refused
	return DarkOnly(err) || errors.As(err, &refused) && refused.Beside
}

// RefusalsOf are the refusals in an error, be it a *Refused or a *NoMajority; nil: there are none.
func RefusalsOf(err error) []Refusal {
	if refused := new(Refused); errors.As(err, &refused) {
		return refused.Refusals
	}
	if short := new(NoMajority); errors.As(err, &short) {
		return short.Missing
	}
	return nil
}

// Refuse is a refusal whose reason is formatted; host may be empty.
func Refuse(kind RefusalKind, host, remedy, format string, args ...any) Refusal {
	return Refusal{Kind: kind, Host: host, Reason: fmt.Sprintf(format, args...), Remedy: remedy}
}

// OneRefusal is Refuse, as a list of one.
func OneRefusal(kind RefusalKind, host, remedy, format string, args ...any) []Refusal {
	return []Refusal{Refuse(kind, host, remedy, format, args...)}
}
