package units

import (
	_ "embed"
	"strings"
	"sync"
)

//go:embed marker.sh
var markerScript string

//go:embed guard.sh
var guardText string

//go:embed stop.sh
var stopScript string

//go:embed note.sh
var noteText string

// Guard and note begin with how a birth marker is read.
var (
	guardScript = markerScript + guardText
	noteScript  = markerScript + noteText
)

// guard is the command that refuses to start a member whose birth marker is there while its WAL is not, is of another
// member, or ends before what was noted when the member stopped; and one that would refuse everybody, since a list of
// revoked certificates that it is told of is not there. The paths are arguments of the script, so no shell ever parses
// them. The script's lines are joined into one, so each has to end with what ends a command.
//
// Every WAL file begins with a CRC record and a metadata record, as package facts reads them too. A head that the
// script cannot read is let pass: etcd itself refuses a damaged log, and one in a form that only a later etcd knows
// must not keep a whole cluster from starting.
func guard(m Member, args []string) string {
	command := guardCommand() + logArgs(m)
	for _, flag := range []string{"peer-crl-file", "client-crl-file"} {
		if file := Flag(args, flag); file != "" {
			command += " " + dollars(quote(file))
		}
	}
	return command
}

func logArgs(m Member) string {
	return dollars(quote(birthPath(m.ConfigDir))) + " " + dollars(quote(m.walDir()))
}

// These are commands up to their arguments, the same for every member.
var (
	guardCommand = sync.OnceValue(func() string { return scriptCommand("guard", guardScript) })
	stopCommand  = sync.OnceValue(func() string { return scriptCommand("stop", stopScript) })
	noteCommand  = sync.OnceValue(func() string { return scriptCommand("note", noteScript) })
)

func scriptCommand(name, script string) string {
	lines := strings.Split(strings.TrimSpace(script), "\n")
	for i, line := range lines {
		lines[i] = dollars(Text(line)) // in single quotes systemd reads nothing else: the script has no backslash
	}
	return "/bin/sh -c '" + strings.Join(lines, " \\\n    ") + "' \\\n    " + name + " "
}
