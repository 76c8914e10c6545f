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

// Kinds of failure. Those that waiting does not mend are words of package facts, on which callers branch; these say what
// went wrong where it may pass, or where nobody has to tell it from another failure.
var (
	// errUnreachable: no connection to the member, or it was lost before the answer came. Whether a write was done is
	// then not known. Not: a member that was connected but stayed silent (errTimeout). Worth trying again.
	errUnreachable = errors.New("member unreachable")

	// errTimeout: the member is connected, but its answer did not come in time; whether a write was done is not known.
	// Worth trying again.
	errTimeout = errors.New("no answer in time")

	// errNoLeader: the member answered that it knows no leader, or that its cluster could not agree in time, as without
	// a quorum or during an election. Whether a write was done is not known. Worth trying again.
	errNoLeader = errors.New("no leader or no quorum")

	// errNotLeader: the call must be made to the leader, and this member is not it (any more). Find the leader, then
	// try again.
	errNotLeader = errors.New("not the leader")

	// errUnhealthy: a change of membership is refused since members were not all connected for long enough (5 s), or
	// too few are started. Worth trying again.
	errUnhealthy = errors.New("cluster not healthy enough")

	// errRevision: the member does not hold the data of that revision: they were compacted away, or it has not applied
	// them yet. Choose the revision anew, then try again.
	errRevision = errors.New("revision not held")

	// errSnapshot: a snapshot arrived cut short or altered: it is not what its own digest says. What was written of it
	// is of no use. Worth trying again.
	errSnapshot = errors.New("snapshot damaged")

	// errDowngrading: a downgrade is under way already, to whatever version. See facts.Status for which.
	errDowngrading = errors.New("downgrade under way")

	// errCanary: what was read is not what had just been written. Never worth trying again; something is deeply wrong.
	errCanary = errors.New("canary read back wrong")
)

// Error is what every method of Cluster returns when it fails. It reads "op endpoint: cause".
type Error struct {
	Endpoint string // the client URL that was asked
	Op       string // what was being done, such as "ask status of"
	Kind     error  // one of the sentinels of this package or of facts; nil when none fits
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
func (e *Error) broken() bool {
	return errors.Is(e.Kind, errUnreachable) || errors.Is(e.Kind, facts.ErrTLS)
}

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
	{errUnreachable, []error{rpctypes.ErrGRPCStopped}},
	{errNoLeader, []error{
		rpctypes.ErrGRPCNoLeader, rpctypes.ErrGRPCLeaderChanged, rpctypes.ErrGRPCTimeout, rpctypes.ErrGRPCTimeoutDueToLeaderFail,
		rpctypes.ErrGRPCTimeoutDueToConnectionLost, rpctypes.ErrGRPCTimeoutWaitAppliedIndex,
	}},
	{facts.ErrPermission, []error{
		rpctypes.ErrGRPCPermissionDenied, rpctypes.ErrGRPCUserEmpty, rpctypes.ErrGRPCInvalidAuthToken, rpctypes.ErrGRPCAuthFailed,
	}},
	{errNotLeader, []error{rpctypes.ErrGRPCNotLeader}},
	{facts.ErrNoMember, []error{rpctypes.ErrGRPCMemberNotFound}},
	{facts.ErrLearner, []error{rpctypes.ErrGRPCNotSupportedForLearner}},
	{facts.ErrNoSpace, []error{rpctypes.ErrGRPCNoSpace}},
	{facts.ErrCorrupt, []error{rpctypes.ErrGRPCCorrupt}},
	{errRevision, []error{rpctypes.ErrGRPCCompacted, rpctypes.ErrGRPCFutureRev}},
	{facts.ErrDowngradeTarget, []error{rpctypes.ErrGRPCInvalidDowngradeTargetVersion, rpctypes.ErrGRPCWrongDowngradeVersionFormat}},
	{errDowngrading, []error{rpctypes.ErrGRPCDowngradeInProcess}},
	{errUnhealthy, []error{rpctypes.ErrGRPCUnhealthy, rpctypes.ErrGRPCMemberNotEnoughStarted}},
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
		return facts.ErrTLS
	case errors.As(cause, &op) && op.Op == "remote error": // how crypto/tls marks an alert that the other side sent
		return facts.ErrTLS
	case errors.As(cause, &network), errors.Is(cause, io.EOF), errors.Is(cause, io.ErrUnexpectedEOF), errors.Is(cause, context.Canceled):
		return errUnreachable
	case errors.As(cause, &handshake):
		return facts.ErrTLS // no common protocol or version
	}
	return errUnreachable
}
