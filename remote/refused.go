package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"
)

// explain says what class of failure a handshake ended in.
func (l *login) explain(ctx context.Context, err error, keys *hostKeys, offer *offer) error {
	var none *ssh.AlgorithmNegotiationError
	switch {
	case l.badKey != nil:
		if errors.Is(l.badKey, errFirstContact) {
			return l.badKey
		}
		return l.wrap("verify host key", ErrHostKey, l.badKey)
	case ctx.Err() != nil:
		return l.unreachable(ctx, context.Cause(ctx))
	case errors.As(err, &none):
		return l.noCommon(none, keys)
	case l.further != nil:
		return l.halfway()
	case l.signed && broken(err) && (l.said != "" || l.again): // once, it may be the network
		return l.turnedAway()
	case l.trusted && !broken(err):
		return l.refused(err, offer)
	case broken(err):
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	return l.error(ErrUnreachable, err, "check that sshd listens at "+l.cfg.endpoint())
}

// noCommon tells a host that lacks the known key types from one that has nothing of what we have.
func (l *login) noCommon(none *ssh.AlgorithmNegotiationError, keys *hostKeys) error {
	theirs := brief(algorithms(none.RequestedAlgorithms))
	if none.What != "host key" || len(keys.known) == 0 {
		return l.error(ErrUnreachable, fmt.Errorf("no %s in common: sshd there offers only %s", none.What, theirs),
			fmt.Sprintf("have its sshd_config allow one of %s as well", algorithms(none.SupportedAlgorithms)))
	}
	plain := slices.IndexFunc(keys.known, func(k knownKey) bool { return !k.authority })
	if plain < 0 {
		return l.error(ErrHostKey,
			fmt.Errorf("the host has no certificate by the authority at %s; it offers %s", keys.known[0].place(), theirs),
			"set HostCertificate in its sshd_config, or add its own key to known_hosts")
	}
	known := keys.known[plain]
	return l.error(ErrHostKey,
		fmt.Errorf("the host has no key of the type on file (%s at %s); it offers %s",
			describe(known.key), known.place(), theirs),
		"the host may have been reinstalled: check, then remove that line")
}

// algorithms is a list of them in words, without the names in it that only announce extensions.
func algorithms(names []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return strings.HasPrefix(name, "ext-info-") || strings.HasPrefix(name, "kex-strict-")
	}), ", ")
}

// refused is a login that the host did not accept.
func (l *login) refused(err error, offer *offer) error {
	for _, s := range offer.signers {
		if lazy, ok := s.(*lazySigner); ok && lazy.err != nil {
			return l.error(ErrAuth, lazy.err, "")
		}
	}
	if l.methods != nil && !slices.Contains(l.methods, "publickey") {
		return l.error(ErrAuth,
			fmt.Errorf("user %s: the host takes no keys, only %s", l.cfg.User, brief(strings.Join(l.methods, ", "))),
			"set PubkeyAuthentication yes for this user in sshd_config of the host")
	}
	said := "no key to offer"
	if len(offer.names) > 0 {
		said = "none accepted of " + strings.Join(offer.names, ", ")
	}
	if len(offer.notes) > 0 {
		said += "; " + strings.Join(offer.notes, "; ")
	}
	remedy := fmt.Sprintf("try: ssh -p %s %s@%s; the public key belongs in ~%s/.ssh/authorized_keys there",
		l.cfg.port(), l.cfg.User, l.cfg.Address, l.cfg.User)
	if len(l.cfg.IdentityFiles) == 0 {
		remedy += "; or set identity_file"
	}
	return l.error(ErrAuth, fmt.Errorf("user %s: %s: %w", l.cfg.User, said, err), remedy)
}

// halfway is a login for which a key is not enough.
func (l *login) halfway() error {
	return l.error(ErrAuth,
		fmt.Errorf("user %s: the host accepted the key, and asks for %s besides",
			l.cfg.User, brief(strings.Join(l.further, " or "))),
		fmt.Sprintf("clusterup logs in by key alone: have sshd_config there say "+
			"\"AuthenticationMethods publickey\" for this user, in a block \"Match User %s\" before other Match blocks; then: systemctl reload ssh (or sshd)", l.cfg.User))
}

// turnedAway is a login that the host ended although it had accepted the key.
func (l *login) turnedAway() error {
	text := "user " + l.cfg.User + ": the host accepted the key, and then ended the connection"
	if l.said != "" {
		text += ": " + l.said
	}
	return l.error(ErrAuth, errors.New(text),
		fmt.Sprintf("the account may have expired or be locked, or logins are barred; on the host, as root: "+
			"chage -l %s; ls /etc/nologin /run/nologin; its log says why: journalctl -t sshd -t sshd-session", l.cfg.User))
}

// unreachable is a failure to get a byte stream, with the words people look for.
func (l *login) unreachable(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	where := l.cfg.endpoint()
	switch {
	case errors.Is(err, errTimeout):
		return l.error(ErrUnreachable, fmt.Errorf("%s: %w (%s)", where, err, l.cfg.timeout()),
			"check address, routes and firewalls")
	case errors.Is(err, syscall.ECONNREFUSED):
		return l.error(ErrUnreachable, err, "check that sshd runs there, and its port")
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return l.error(ErrUnreachable, err, "check that the host is up, its address, and routes")
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return l.error(ErrUnreachable, err, "check the address")
	}
	if broken(err) || errors.Is(err, ErrLost) {
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	return l.wrap("connect", ErrUnreachable, err)
}
