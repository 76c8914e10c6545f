package quorum

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/clusterup/clusterup/facts"
)

// The kinds of failure that a caller may want to tell apart, for errors.Is. Those that waiting does not mend are words
// of package facts.
var (
	// ErrUnreachable: no connection to the member, or it was lost before the answer came. Whether a write was done is
	// then not known. Not: a member that was connected but stayed silent (ErrTimeout). Worth trying again.
	ErrUnreachable = errors.New("member unreachable")

	// ErrTLS: one side refused the other in the handshake: a certificate that is not trusted, expired or for another
	// name, or a port that speaks no TLS. Trying again does not help.
	ErrTLS = facts.ErrTLS

	// ErrTimeout: the member is connected, but its answer did not come in time; whether a write was done is not known.
	// Worth trying again.
	ErrTimeout = errors.New("no answer in time")

	// ErrNoLeader: the member answered that it knows no leader, or that its cluster could not agree in time, as without
	// a quorum or during an election. Whether a write was done is not known. Worth trying again.
	ErrNoLeader = errors.New("no leader or no quorum")

	// ErrPermission: etcd's access control refuses the user of the client certificate. Trying again does not help.
	ErrPermission = facts.ErrPermission

	// ErrNotLeader: the call must be made to the leader, and this member is not it (any more). Find the leader, then
	// try again.
	ErrNotLeader = errors.New("not the leader")

	// ErrLearner: a learner does not serve this call. Ask a voter.
	ErrLearner = facts.ErrLearner

	// ErrNoSpace: the member refuses writes since its database has reached its quota. Trying again does not help.
	ErrNoSpace = facts.ErrNoSpace

	// ErrCorrupt: the member refuses to serve since its data differ from the others'. Trying again does not help.
	ErrCorrupt = facts.ErrCorrupt

	// ErrNoMember: the member list has no member of that ID. Trying again does not help.
	ErrNoMember = facts.ErrNoMember

	// ErrUnhealthy: a change of membership is refused since members were not all connected for long enough (5 s), or
	// too few are started. Worth trying again.
	ErrUnhealthy = errors.New("cluster not healthy enough")

	// ErrRevision: the member does not hold the data of that revision: they were compacted away, or it has not applied
	// them yet. Choose the revision anew, then try again.
	ErrRevision = errors.New("revision not held")

	// ErrSnapshot: a snapshot arrived cut short or altered: it is not what its own digest says. What was written of it
	// is of no use. Worth trying again.
	ErrSnapshot = errors.New("snapshot damaged")

	// ErrDowngradeTarget: the cluster cannot go down to that version: only one minor version at a time, and from 3.6
	// on. Trying again does not help.
	ErrDowngradeTarget = facts.ErrDowngradeTarget

	// ErrDowngrading: a downgrade is under way already, to whatever version. See facts.Status for which.
	ErrDowngrading = errors.New("downgrade under way")

	// ErrCanary: what was read is not what had just been written. Never worth trying again; something is deeply wrong.
	ErrCanary = errors.New("canary read back wrong")
)

// Error is what every method of Cluster returns when it fails. It reads "op endpoint: cause".
type Error struct {
	Endpoint string // the client URL that was asked
	Op       string // what was being done, such as "ask status of"
	Kind     error  // one of the sentinels of this package; nil when none fits
	Err      error  // the cause, in the words of who found it; never nil
}

func (e *Error) Error() string { return fmt.Sprintf("%s %s: %s", e.Op, e.Endpoint, e.Err) }

// Unwrap makes both the kind and the cause visible to errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	if e.Kind == nil {
		return []error{e.Err}
	}
	return []error{e.Kind, e.Err}
}

// broken says whether the connection is of no more use.
func (e *Error) broken() bool { return errors.Is(e.Kind, ErrUnreachable) || errors.Is(e.Kind, ErrTLS) }

// kindOfAnswer sorts what etcd itself answers; answered is false when err is not an answer of etcd at all.
func kindOfAnswer(err error) (kind error, answered bool) {
	for _, row := range answers {
		for _, a := range row.answers {
			if errors.Is(err, a) || errors.Is(err, rpctypes.Error(a)) {
				return row.kind, true
			}
		}
	}
	var other rpctypes.EtcdError
	return nil, errors.As(err, &other)
}

// answers is drawn from api/v3rpc/rpctypes/error.go. Etcd's client turns most of these errors into its own type, and
// passes a few on as they are.
var answers = []struct {
	kind    error
	answers []error
}{
	{ErrUnreachable, []error{rpctypes.ErrGRPCStopped}},
	{ErrNoLeader, []error{
		rpctypes.ErrGRPCNoLeader, rpctypes.ErrGRPCLeaderChanged, rpctypes.ErrGRPCTimeout, rpctypes.ErrGRPCTimeoutDueToLeaderFail,
		rpctypes.ErrGRPCTimeoutDueToConnectionLost, rpctypes.ErrGRPCTimeoutWaitAppliedIndex,
	}},
	{ErrPermission, []error{
		rpctypes.ErrGRPCPermissionDenied, rpctypes.ErrGRPCUserEmpty, rpctypes.ErrGRPCInvalidAuthToken, rpctypes.ErrGRPCAuthFailed,
	}},
	{ErrNotLeader, []error{rpctypes.ErrGRPCNotLeader}},
	{ErrNoMember, []error{rpctypes.ErrGRPCMemberNotFound}},
	{ErrLearner, []error{rpctypes.ErrGRPCNotSupportedForLearner}},
	{ErrNoSpace, []error{rpctypes.ErrGRPCNoSpace}},
	{ErrCorrupt, []error{rpctypes.ErrGRPCCorrupt}},
	{ErrRevision, []error{rpctypes.ErrGRPCCompacted, rpctypes.ErrGRPCFutureRev}},
	{ErrDowngradeTarget, []error{rpctypes.ErrGRPCInvalidDowngradeTargetVersion, rpctypes.ErrGRPCWrongDowngradeVersionFormat}},
	{ErrDowngrading, []error{rpctypes.ErrGRPCDowngradeInProcess}},
	{ErrUnhealthy, []error{rpctypes.ErrGRPCUnhealthy, rpctypes.ErrGRPCMemberNotEnoughStarted}},
}

// These say how a connection failed once it was there, around the error that it was.
type (
	handshakeFailed struct{ error }
	lost            struct{ error }
)

func (e *handshakeFailed) Error() string { return "TLS handshake: " + e.error.Error() }
func (e *handshakeFailed) Unwrap() error { return e.error }
func (e *lost) Error() string            { return "connection lost: " + e.error.Error() }
func (e *lost) Unwrap() error            { return e.error }

// kindOfTransport tells a refusal by certificate or protocol from a connection that just did not work.
func kindOfTransport(cause error) error {
	var (
		op        *net.OpError
		record    tls.RecordHeaderError
		verify    *tls.CertificateVerificationError
		handshake *handshakeFailed
		network   net.Error
	)
	switch {
	case errors.As(cause, &verify), errors.As(cause, &record):
		return ErrTLS
	case errors.As(cause, &op) && op.Op == "remote error": // how crypto/tls marks an alert that the other side sent
		return ErrTLS
	case errors.As(cause, &network), errors.Is(cause, io.EOF), errors.Is(cause, io.ErrUnexpectedEOF), errors.Is(cause, context.Canceled):
		return ErrUnreachable
	case errors.As(cause, &handshake):
		return ErrTLS // no common protocol or version
	}
	return ErrUnreachable
}
