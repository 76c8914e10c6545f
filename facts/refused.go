package facts

import (
	"errors"
)

// Errors of a member, or of the way to it, that waiting does not mend. Package quorum and the SSH layer wrap these, and
// callers that wait branch on them. Any other error may pass by itself: a refused connection, no leader, no answer in
// time.
var (
	// ErrPermission: etcd's access control refuses the user of the client certificate, or refuses a client without one.
	// It holds from the first answer on, since a member reads its users from its data before it answers.
	ErrPermission = errors.New("permission denied")

	// ErrNoAccess: SSH to the member's host is refused: authentication, the host's key, or sudo. No member is asked
	// then.
	ErrNoAccess = errors.New("no access to the host")

	// ErrNoMember: the member list has no member of that ID.
	ErrNoMember = errors.New("no such member")

	// ErrPeerURLs: another member of the list is known at one of the peer URLs that a member was to get.
	ErrPeerURLs = errors.New("peer URLs of another member")

	// ErrLearners: no other learner may join before one has a vote or has left (--max-learners, 1 by default).
	ErrLearners = errors.New("too many learners")

	// ErrNoSpace: the member refuses writes since its database has reached its quota.
	ErrNoSpace = errors.New("database out of space")

	// ErrCorrupt: the member refuses to serve since its data differ from the others'.
	ErrCorrupt = errors.New("data corrupt")

	// ErrDowngradeTarget: the cluster cannot go down to that version: only one minor version at a time, and from 3.6
	// on.
	ErrDowngradeTarget = errors.New("no version to go down to")

	// ErrTooMuch: etcd has more users, roles or permissions than clusterup takes.
	ErrTooMuch = errors.New("more than clusterup takes")

	// ErrTLS: one side refused the other in the handshake: a certificate that is not trusted, expired or for another
	// name, or a port that speaks no TLS. A member may show it for a moment: between the halves of a pair that is being
	// swapped, and as it starts.
	ErrTLS = errors.New("TLS refused")

	// ErrLearner: a learner does not serve this call. A member that starts takes itself for one until its log has told
	// it of its promotion.
	ErrLearner = errors.New("not served by a learner")
)

// ErrNoForwarding means that a host's sshd opens no connections for us (AllowTcpForwarding). Never worth a retry.
var ErrNoForwarding = errors.New("the host forwards no connections")

// ErrNoCertificate means that a port answered, and ended the handshake before it had shown a certificate. Trying again
// is of no use while the same pair lies there.
var ErrNoCertificate = errors.New("it has no certificate that it can show")

// ErrRefused means that a port did not accept the certificate that it was shown. Trying again is of no use while it
// runs with the same CAs.
var ErrRefused = errors.New("it does not accept the certificate that it was shown")

// Hopeless says that trying again does not help.
func Hopeless(err error) bool {
	return isAny(err, ErrNoForwarding, ErrPermission, ErrNoAccess, ErrNoMember, ErrPeerURLs, ErrLearners, ErrNoSpace,
		ErrCorrupt, ErrDowngradeTarget, ErrTooMuch)
}

// Stubborn says that trying again helps at most within seconds, in which a member starts.
func Stubborn(err error) bool { return isAny(err, ErrTLS, ErrLearner) }

func isAny(err error, kinds ...error) bool {
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
