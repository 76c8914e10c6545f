package operator

import (
	"errors"
	"slices"

	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/remote"
	"github.com/clusterup/clusterup/snapshot"
)

// Advice says what to do next about an error, "" for nothing, and whether the error is of a host that could not be
// looked at.
func Advice(err error) (next string, dark bool) { return Remedy(err), unreachable(err) }

// Remedy is what an error itself says to do next; "": it says nothing.
func Remedy(err error) string {
	var host *remote.Error
	switch {
	// of the member's own host, and not of one that is jumped over
	case errors.As(err, &host) && errors.Is(host.Kind, remote.ErrKeyChanged) && !errors.As(host.Err, new(*remote.Error)):
		return host.Remedy + "; then, if its data went with the old system: clusterup member replace " + host.Host + " INVENTORY"
	case errors.As(err, &host):
		return host.Remedy
	case errors.Is(err, pki.ErrNoCA):
		return "clusterup apply makes the CAs of a new cluster; for one that exists, put ca/ back from the backup of the operator directory"
	case errors.Is(err, snapshot.ErrOther):
		return "check which snapshot and which inventory are meant; " +
			"one without a description fits where a member has the name of one of its members"
	case errors.Is(err, pki.ErrSealed):
		return "name a file with the private key of a recipient: in CLUSTERUP_IDENTITY, or as identity_file in the inventory"
	}
	return ""
}

// unreachable says whether an error is of a host that could not be looked at.
func unreachable(err error) bool {
	kinds := []error{
		remote.ErrUnreachable, remote.ErrAuth, remote.ErrHostKey, remote.ErrSudo, remote.ErrShell, remote.ErrSilent,
	}
	return slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) })
}
