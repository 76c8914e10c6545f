package remote

import (
	_ "embed"
	"fmt"
	"strings"
)

// Quote makes s one word of a POSIX shell command.
func Quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

//go:embed sh/wrap.sh
var wrapper string

// bootstrap is all that ever stands in an argument list. Whatever the login shell is (sh, fish, csh) reads it the same
// way: one line, nothing but single quotes, and neither ! nor \ inside them. sh reads its program from standard input
// with the read built-in, which takes exactly one line; `sh -s` would swallow what follows, since dash and busybox read
// ahead.
//
// The first line of standard input is the guard, which no start-up file of the login shell gets past unseen: a shell
// that it puts in place of the command executes that line, and a word such as read takes it away.
const bootstrap = `/bin/sh -c 'LC_ALL=C; export LC_ALL; IFS= read -r s; [ "$s" = "` + guard + `" ] || exit 123; ` +
	`IFS= read -r s && eval "$(printf %b "$s")"'`

const guard = "exit 123"

// The frame ends with these where it has run no script.
const (
	exitNoFrame = 123 // the guard was not where it belongs
	exitNoExec  = 124 // sudo keeps it from starting other programs
)

// commandLine says a first mark, which proves that the login shell runs commands, and becomes root if it must.
func commandLine(mark string, sudo bool) string {
	if sudo {
		return "echo " + mark + "; exec sudo -n -- " + bootstrap
	}
	return "echo " + mark + "; exec " + bootstrap
}

// oneLine writes a program so that `printf %b` gives it back.
func oneLine(program string) (string, error) {
	if i := strings.IndexByte(program, 0); i >= 0 {
		return "", fmt.Errorf("script has a NUL byte at offset %d", i)
	}
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(program), nil
}

// preamble is what goes over standard input before the frames.
func preamble(mark, script string, ttl int) ([]byte, error) {
	limit := ""
	if ttl > 0 {
		limit = fmt.Sprint(ttl)
	}
	frame, err := oneLine(fmt.Sprintf("cu_mark=%s; cu_ttl=%s\n%s", mark, limit, wrapper))
	if err != nil {
		return nil, err
	}
	body, err := oneLine(script)
	if err != nil {
		return nil, err
	}
	return []byte(guard + "\n" + frame + "\n" + body + "\n"), nil
}
