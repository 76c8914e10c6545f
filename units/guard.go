package units

import (
	_ "embed"
	"strings"
	"sync"
)

//go:embed guard.sh
var guardScript string

// guard is the command that refuses to start a member whose birth marker is there while its WAL is not, or is of
// another member, and one that would refuse everybody, since a list of revoked certificates that it is told of is not
// there. The paths are arguments of the script, so no shell ever parses them. The script's lines are joined into one,
// so each has to end with what ends a command.
//
// Every WAL file begins with a CRC record and a metadata record, as package facts reads them too. A head that the
// script cannot read is let pass: etcd itself refuses a damaged log, and one in a form that only a later etcd knows
// must not keep a whole cluster from starting.
func guard(m Member, args []string) string {
	paths := []string{birthPath(m.ConfigDir), m.walDir()}
	for _, flag := range []string{"peer-crl-file", "client-crl-file"} {
		if file := Flag(args, flag); file != "" {
			paths = append(paths, file)
		}
	}
	for i, file := range paths {
		paths[i] = dollars(quote(file))
	}
	return guardCommand() + strings.Join(paths, " ")
}

// guardCommand is the guard's command up to its arguments, the same for every member.
var guardCommand = sync.OnceValue(func() string {
	lines := strings.Split(strings.TrimSpace(guardScript), "\n")
	for i, line := range lines {
		lines[i] = dollars(escape(line)) // in single quotes systemd reads nothing else: the script has no backslash
	}
	return "/bin/sh -c '" + strings.Join(lines, " \\\n    ") + "' \\\n    guard "
})
