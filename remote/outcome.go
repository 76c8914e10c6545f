package remote

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// result is the outcome of a script that has ended.
func (r *running) result() error {
	err := r.err
	said := r.errs.String()
	if r.outErr != nil {
		return r.unheard()
	}
	var exit *ssh.ExitError
	if err != nil && !errors.As(err, &exit) {
		return r.lost(err, said)
	}
	switch seen := r.stdout.seen(); {
	case seen == 0:
		e := r.host.fail(r.op, ErrShell, nil)
		e.Stderr = firstOf(said, r.stderr.noise(), r.stdout.noise())
		e.Remedy = fmt.Sprintf("use a user whose login shell runs commands, or give it one; as root on the host: usermod -s /bin/sh %[1]s "+
			"(a forced command in authorized_keys does the same harm); to try: ssh -p %[2]s %[1]s@%[3]s true", r.host.cfg.User, portOf(r.host.cfg.endpoint()), r.host.cfg.Address)
		return e
	case seen == 1 && r.host.cfg.Sudo:
		return r.noSudo(said)
	case exit == nil:
		return nil
	}
	e := r.host.fail(r.op, ErrScript, nil)
	e.Stderr, e.ExitStatus = said, exit.ExitStatus()
	if sig := exit.Signal(); sig != "" {
		e.Err = fmt.Errorf("ended by signal %s", sig)
	}
	return e
}

// unheard is the outcome of a script whose output nobody took to its end.
func (r *running) unheard() error {
	if errors.Is(r.outErr, errTooMuch) || errors.Is(r.outErr, errUnasked) {
		e := r.host.fail(r.op, ErrScript, r.outErr)
		e.Remedy = "look at the host: it does not run what it was given"
		return e
	}
	return r.host.fail(r.op, nil, fmt.Errorf("write output of script: %w", r.outErr))
}

func (r *running) lost(err error, said string) error {
	e := r.host.fail(r.op, ErrLost, err)
	if r.s.conn.dead() {
		e.Err = errors.New("the connection to the host ended while it ran")
	}
	e.Stderr = said
	e.Remedy = "run again when the host answers"
	return e
}

func (r *running) noSudo(said string) error {
	e := r.host.fail("become root", ErrSudo, nil)
	e.Stderr = firstOf(said, r.stderr.noise(), "sudo gave no reason")
	e.Remedy = fmt.Sprintf("let %[1]s use sudo without a password; as root on the host: "+
		"echo '%[1]s ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/clusterup && chmod 0440 /etc/sudoers.d/clusterup", r.host.cfg.User)
	return e
}

func firstOf(texts ...string) string {
	for _, s := range texts {
		if brief(s) != "" {
			return s
		}
	}
	return ""
}
