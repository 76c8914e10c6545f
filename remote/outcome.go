package remote

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// result is the outcome of a script that is over.
func (r *running) result() error {
	said := r.errs.String()
	switch {
	case r.outErr != nil:
		return r.unheard()
	case r.whole.Load() && r.status == 0:
		return nil
	case r.whole.Load():
		e := r.host.fail(r.op, ErrScript, nil)
		e.Stderr, e.ExitStatus = said, r.status
		return e
	case r.lies:
		return r.host.fail(r.op, ErrScript, errMark).advise(lyingRemedy)
	}
	var exit *ssh.ExitError
	if r.err != nil && !errors.As(r.err, &exit) || r.at.Load() >= ready {
		return r.lost(r.err, said)
	}
	return r.unframed(exit)
}

const lyingRemedy = "look at the host: it does not run what it was given"

// unheard is the outcome of a script whose output nobody took to its end.
func (r *running) unheard() error {
	if errors.Is(r.outErr, errTooMuch) {
		return r.host.fail(r.op, ErrScript, r.outErr).advise(lyingRemedy)
	}
	return r.host.fail(r.op, nil, fmt.Errorf("write output of script: %w", r.outErr))
}

func (r *running) lost(err error, said string) error {
	if err == nil || r.s.conn.dead() {
		err = errors.New("the connection to the host ended while it ran")
	}
	e := r.host.fail(r.op, ErrLost, err).advise("run again when the host answers")
	e.Stderr = said
	return e
}

// unframed says why the frame never ran.
func (r *running) unframed(exit *ssh.ExitError) error {
	status := 0
	if exit != nil {
		status = exit.ExitStatus()
	}
	said := firstOf(r.words.String(), r.noise.String())
	switch {
	case status == exitNoFrame:
		return r.startUp()
	case status == exitNoPrintf:
		return r.host.fail(r.op, ErrShell, errors.New("/bin/sh there has no printf of its own")).
			advise("make /bin/sh dash, bash or busybox")
	case r.at.Load() == loggedIn && r.host.cfg.Sudo:
		return r.noSudo(status, said)
	}
	e := r.host.fail(r.op, ErrShell, nil).advise(fmt.Sprintf(
		"use a user whose login shell runs commands, or give it one; as root on the host: "+
			"usermod -s /bin/sh %[1]s (a forced command in authorized_keys does the same harm); to try: ssh -p %[2]s %[1]s@%[3]s true",
		r.host.cfg.User, r.host.cfg.port(), r.host.cfg.Address))
	e.Stderr = said
	return e
}

// startUp is the error of a login shell whose start-up files take the place of the command.
func (r *running) startUp() error {
	return r.host.fail(r.op, ErrShell, fmt.Errorf("a start-up file of %s's shell replaces it, "+
		"or reads its input (as exec, read and cat do), so that no command gets through", r.host.cfg.User)).
		advise(fmt.Sprintf("on the host, look at ~%[1]s/.bashrc (or .zshenv, .tcshrc, config.fish) and "+
			"/etc/bash.bashrc: put those words behind a line that lets interactive shells alone pass, such as: "+
			"case $- in *i*) ;; *) return ;; esac", r.host.cfg.User))
}

// unbegun says why a script had not begun when it was given up. It is nil if nothing tells, as when a shell waits for
// its home directory.
func (r *running) unbegun(patience time.Duration) error {
	ended := false
	select {
	case <-r.ended:
		ended = true
	default:
	}
	var exit *ssh.ExitError
	switch {
	case ended && errors.As(r.err, &exit) && exit.ExitStatus() == exitNoFrame: // its input had been taken
		return r.startUp()
	case r.at.Load() != loggedIn || !r.host.cfg.Sudo:
		return nil
	}
	return r.host.fail("become root", ErrSudo, fmt.Errorf("sudo did not end within %s", patience)).
		advise("as that user on the host: time sudo -n true; it may wait for a name server or a directory of users")
}

// noSudo says why the user did not become root. The words are sudo's own, in whichever language.
func (r *running) noSudo(status int, said string) error {
	user := r.host.cfg.User
	e := r.host.fail("become root", ErrSudo, nil)
	e.Stderr = firstOf(said, "sudo gave no reason")
	switch {
	case status == exitNoExec:
		e.Stderr = "sudo lets the shell of root start no other program (noexec)"
		e.Remedy = sudoers(user, "exempt it from noexec", "Defaults:%s !noexec")
	case status == 127:
		e.Remedy = "install sudo on the host, or log in as root: ssh { user = \"root\" }, without sudo"
	case strings.Contains(strings.ToLower(said), "tty"):
		e.Remedy = sudoers(user, "let it use sudo without a terminal", "Defaults:%s !requiretty")
	default:
		e.Remedy = sudoers(user, "let it use sudo without a password", "%s ALL=(ALL) NOPASSWD: ALL")
	}
	return e
}

// sudoers is a remedy: a line for a file that sudo reads after all others.
func sudoers(user, why, line string) string {
	const file = "/etc/sudoers.d/zz-clusterup"
	return fmt.Sprintf("%s; as root on the host: echo '%s' >> %s && chmod 0440 %s",
		strings.Replace(why, "it", user, 1), fmt.Sprintf(line, user), file, file)
}

func firstOf(texts ...string) string {
	for _, s := range texts {
		if brief(s) != "" {
			return s
		}
	}
	return ""
}
