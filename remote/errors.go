package remote

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// The classes of failure. errors.Is finds them in whatever this package returns. Cancelled and timed-out contexts are
// not among them: such errors satisfy errors.Is(err, context.Canceled) and the like.
var (
	// ErrUnreachable: no SSH connection came about: name not found, refused, no route, no answer in time, not an SSH
	// server, no algorithm in common. Not a refusal of key or user. Worth another try later; quick retries were already
	// made.
	ErrUnreachable = errors.New("unreachable")
	// ErrAuth: the host answered and did not accept the user with any key offered, or a key could not be read or
	// opened. Never worth a retry.
	ErrAuth = errors.New("authentication failed")
	// ErrHostKey: the host's key is unknown, has changed, or is revoked; or a known_hosts file is unreadable. Never
	// worth a retry.
	ErrHostKey = errors.New("host key not trusted")
	// ErrKeyChanged is the ErrHostKey of a host that shows another key than the one that is known. Never worth a retry:
	// the host was installed anew, or is another one.
	ErrKeyChanged = fmt.Errorf("%w: it has changed", ErrHostKey)
	// ErrSudo: the user logged in, and sudo did not let it become root without a password, or would log private keys.
	// Never worth a retry.
	ErrSudo = errors.New("sudo refused")
	// ErrShell: the user logged in, and its login shell ran no command (nologin, forced command). Never worth a retry.
	ErrShell = errors.New("account runs no commands")
	// ErrScript: the script ran to its end and exited non-zero; Error.ExitStatus and Error.Stderr say how. Whether a
	// retry helps is for the caller to know.
	ErrScript = errors.New("script failed")
	// ErrLost: the connection ended while something ran; it has been stopped on the host, or soon will be, and how far
	// it came is unknown. Look again before trying again.
	ErrLost = errors.New("connection lost")
	// ErrSilent: a script that only looks did not come to its end in time; the connection is fine. Worth another try
	// later.
	ErrSilent = errors.New("no answer")
	// errNoSpace: a file system is too full for the files of a Put. Nothing was replaced. Worth a retry once there is
	// room.
	errNoSpace = errors.New("no space left")
	// errFile: a file could not be put in place: its directory is missing, its owner is unknown, its digest differs.
	// Nothing was replaced. Not worth a retry as it is, except for a digest that differs.
	errFile = errors.New("file not placed")
	// errTunnel: the host does not forward, or nothing listens at the address asked for. The connection to the host is
	// fine.
	errTunnel = errors.New("no tunnel")
	// ErrForwarding is the errTunnel of a host whose sshd forwards nothing. Never worth a retry.
	ErrForwarding = fmt.Errorf("%w: forwarding is off", errTunnel)
	// errSessions: the host opens no further session on a good connection, and none of ours would make room for it.
	errSessions = errors.New("no session")
)

// causeLimit is how many bytes of the host's own words an error message shows; all of them are in Error.Stderr.
const causeLimit = 200

// errorLimit is how many bytes of an error's own text a message shows.
const errorLimit = 2000

// Error is every failure of this package that concerns one host. Its text is "HOST: OP: CAUSE"; it never holds script
// text.
type Error struct {
	Host       string // the member name, Config.Name
	Op         string // what was being done: "connect", "run script", "put /etc/x"
	Kind       error  // one of the sentinels above; nil when the context ended, or the fault is on this side
	Err        error  // the cause; nil when Stderr is the cause
	Stderr     string // what the host wrote to standard error, at most its last 64 KiB
	ExitStatus int    // of the script, when Kind is ErrScript; 0 otherwise
	Remedy     string // what to do or type next; may be empty
}

// Error gives host, operation and cause in one line.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s: %s", e.Host, e.Op, e.cause())
}

func (e *Error) cause() string {
	words := brief(e.Stderr)
	switch {
	case e.Err != nil && words != "" && !strings.Contains(e.Err.Error(), words):
		return plainText(e.Err) + ": " + words
	case e.Err != nil:
		return plainText(e.Err)
	case words != "":
		return words
	case e.ExitStatus != 0:
		return fmt.Sprintf("exit status %d and no message", e.ExitStatus)
	case e.Kind != nil:
		return e.Kind.Error()
	}
	return "unknown cause"
}

// Unwrap gives the class and the cause, either of which may be nil.
func (e *Error) Unwrap() []error { return []error{e.Kind, e.Err} }

// brief is the end of what a host said, on one line and short: the last words of a failing command say why.
func brief(s string) string {
	s = strings.TrimSpace(strings.Map(printable, s))
	lines := strings.Split(s, "\n")
	text := ""
	for i := len(lines) - 1; i >= 0; i-- {
		line := strings.TrimSpace(lines[i])
		switch {
		case line == "":
		case text == "":
			text = line
		case len(line)+2+len(text) > causeLimit:
			return text
		default:
			text = line + "; " + text
		}
	}
	if len(text) > causeLimit {
		cut := len(text) - causeLimit
		for cut < len(text) && !utf8.RuneStart(text[cut]) {
			cut++
		}
		text = "…" + text[cut:]
	}
	return text
}

// plainText is an error's text as it may stand in a message: a library may have put into it whatever the host said,
// even before the login.
func plainText(err error) string {
	text := strings.ReplaceAll(strings.Map(printable, err.Error()), "\n", "; ")
	if len(text) > errorLimit {
		text = strings.ToValidUTF8(text[:errorLimit], "") + "…"
	}
	return text
}

// printable keeps a host from writing control sequences to the operator's terminal.
func printable(r rune) rune {
	if r == '\n' {
		return r
	}
	if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == utf8.RuneError {
		return ' '
	}
	return r
}
