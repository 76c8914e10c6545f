package plan

import (
	"fmt"
	"strings"
)

// NoMajority means that a run holds the lock on too few hosts to change any (law 14).
type NoMajority struct {
	Held, Need, Of int       // hosts: held, needed, and out of how many
	Every          bool      // nothing tells of a cluster, so that every host of the inventory is needed
	Missing        []Refusal // of kind Unreachable: each host that is not held, and why
}

func (e *NoMajority) Error() string {
	missing := make([]string, 0, len(e.Missing))
	for _, r := range e.Missing {
		missing = append(missing, r.String())
	}
	return e.Head() + ": " + strings.Join(missing, "; ")
}

// Head says how many hosts are needed, without the reasons of those that are missing.
func (e *NoMajority) Head() string {
	if e.Every {
		return fmt.Sprintf(
			"no host shows a cluster, and before there is one its lock is held on every host: %d of %d can be locked", e.Held,
			e.Of)
	}
	return fmt.Sprintf("the cluster's lock is held on the hosts of at least %d of its %d members, and %d can be locked",
		e.Need, e.Of, e.Held)
}
