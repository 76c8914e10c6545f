package units

import (
	_ "embed"
	"strings"
)

//go:embed guard.sh
var guardScript string

// guard is the command that refuses to start a member whose birth marker is there while its WAL is not. The paths are
// arguments of the script, so no shell ever parses them. Each line of the script is a whole command.
func guard(m Member) string {
	lines := strings.Split(strings.TrimSpace(guardScript), "\n")
	for i, line := range lines {
		lines[i] = dollars(escape(line)) // in single quotes systemd reads nothing else: the script has no backslash
	}
	return "/bin/sh -c '" + strings.Join(lines, "; \\\n    ") + "' \\\n    guard " +
		dollars(quote(birthPath(m.ConfigDir))) + " " + dollars(quote(m.walDir()))
}
