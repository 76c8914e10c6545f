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

// errUnreachable: no connection to the member, or it was lost before the answer came. Whether a write was done is then
// not known. Worth trying again. The other kinds are sentinels of package facts; waiting does not mend those.
var errUnreachable = errors.New("member unreachable")

// Error is what every method of Cluster returns when it fails. It reads "op endpoint: cause".
type Error struct {
	Endpoint string // the client URL that was asked
	Op       string // what was being done, such as "ask status of"
	Kind     error  // a sentinel of facts, or errUnreachable; nil when none fits
	Err      error  // the cause, in the words of etcd or of the library that found it; never nil
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
	return nil, errors.As(rpctypes.Error(err), new(rpctypes.EtcdError))
}

// answers is drawn from api/v3rpc/rpctypes/error.go. Etcd's client turns most of these errors into its own type, and
// passes a few on as they are.
var answers = []struct {
	kind    error
	answers []error
}{
	{errUnreachable, []error{rpctypes.ErrGRPCStopped}},
	{facts.ErrPermission, []error{
		rpctypes.ErrGRPCPermissionDenied, rpctypes.ErrGRPCUserEmpty, rpctypes.ErrGRPCInvalidAuthToken,
		rpctypes.ErrGRPCAuthFailed,
	}},
	{facts.ErrNoMember, []error{rpctypes.ErrGRPCMemberNotFound}},
	{facts.ErrPeerURLs, []error{rpctypes.ErrGRPCPeerURLExist}},
	{facts.ErrLearners, []error{rpctypes.ErrGRPCTooManyLearners}},
	{facts.ErrLearner, []error{rpctypes.ErrGRPCNotSupportedForLearner}},
	{facts.ErrNoSpace, []error{rpctypes.ErrGRPCNoSpace}},
	{facts.ErrCorrupt, []error{rpctypes.ErrGRPCCorrupt}},
	{facts.ErrDowngradeTarget, []error{
		rpctypes.ErrGRPCInvalidDowngradeTargetVersion,
		rpctypes.ErrGRPCWrongDowngradeVersionFormat,
	}},
}

// These wrap the error of a connection that was made, and say how far it had come.
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
	case errors.As(cause, &network), errors.Is(cause, io.EOF), errors.Is(cause, io.ErrUnexpectedEOF),
		errors.Is(cause, context.Canceled):
		return errUnreachable
	case errors.As(cause, &handshake):
		return facts.ErrTLS // no common protocol or version
	}
	return errUnreachable
}
