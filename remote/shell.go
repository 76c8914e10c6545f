package remote

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"
)

//go:embed sh/held.sh
var heldScript string

// frame is the program that runs one script after the other in a held shell (see sh/held.sh). It is sent without
// comments and indentation, since a shell reads it a byte at a time.
var frame = regexp.MustCompile(`(?m)^\t*(#.*)?\n?`).ReplaceAllString(heldScript, "")

// guard is the first line of standard input, which no start-up file of the login shell gets past unseen: a shell that
// it puts in place of the command executes that line, and a word such as read takes it away. It also ends the program.
const guard = "exit 123"

// bootstrap is all that ever stands in an argument list. Every login shell (sh, fish, csh) reads it the same way: it is
// one line, nothing but single quotes, and neither ! nor \ inside them. sh reads its program from standard input with
// the read built-in, which takes exactly one line; `sh -s` would swallow what follows, since dash and busybox read
// ahead. The line end is the last of the three characters of IFS, so that none has to be written here.
const bootstrap = `/bin/sh -c 'LC_ALL=C; export LC_ALL; n=${IFS#??}; p=; IFS= read -r s; [ "$s" = "` + guard +
	`" ] || exit 123; ` +
	`IFS= read -r s; until [ "$s" = "` + guard + `" ]; do p=$p$s$n; IFS= read -r s || exit 125; done; eval "$p"'`

// Exit statuses of a shell that has run no script.
const (
	exitNoPrintf = 122 // it has no printf of its own
	exitNoFrame  = 123 // the guard was not where it belongs
	exitNoExec   = 124 // sudo keeps it from starting other programs
)

// commandLine says a first mark, which proves that the login shell runs commands, and becomes root if it must.
func commandLine(mark string, sudo bool) string {
	if sudo {
		return "echo " + mark + "; exec sudo -n -- " + bootstrap
	}
	return "echo " + mark + "; exec " + bootstrap
}

// program is text for bootstrap.
func program(text string) string { return guard + "\n" + text + "\n" + guard + "\n" }

// framed is a command for the frame of the shell, with the input that follows it. The frame keeps a long script that
// only looks; the next time "MARK k" is enough to run it.
func (sh *shell) framed(c command) string {
	how := "s"
	switch {
	case c.input == nil:
	case c.input.stays, c.input.until != nil:
		how = "o"
	default:
		how = "f"
	}
	script := strings.TrimSuffix(c.script, "\n") + "\n"
	if len(script) < longScript {
		return sh.mark + " " + how + "\n" + script + sh.mark + "\n"
	}
	script += "#" + sh.mark
	if c.looks && how == "s" {
		if script == sh.kept {
			return sh.mark + " k\n"
		}
		how, sh.kept = "k", script
	}
	return fmt.Sprintf("%s %s %d\n%s", sh.mark, how, len(script), script)
}

// longScript is the length in bytes from which on a process that reads a script costs the host less than its shell
// does, which reads it a byte at a time. Measured: 0.6 µs a byte, and 2 to 3 ms a process.
const longScript = 4 << 10

// readable says why no shell could read a script.
func readable(script string) error {
	if i := strings.IndexByte(script, 0); i >= 0 {
		return fmt.Errorf("script has a NUL byte at offset %d", i)
	}
	return nil
}
