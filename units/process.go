package units

import (
	"maps"
	"slices"
	"strings"
)

// Once a WAL exists, etcd takes the membership from it and does not look at these flags (embed.StartEtcd reads them
// only for a member that is not initialized).
var bootstrapOnly = []string{
	"initial-advertise-peer-urls",
	"initial-cluster",
	"initial-cluster-state",
	"initial-cluster-token",
}

const unset = "(unset)"

// DiffArgs says why a member that runs with one command line has to restart where another is wanted: one line for each
// flag that differs, sorted, for people: "--quota-backend-bytes: 2147483648 → 8589934592". The binary comes first; nil
// means that it may go on. The order of flags, the way they are written ("--f=v", "--f v", "-f=v", "--f" for
// "--f=true") and the flags that only matter to a bootstrap make no difference; the path of the binary does.
func DiffArgs(running, wanted []string) []string {
	var lines []string
	if a, b := binary(running), binary(wanted); a != b {
		lines = append(lines, "binary: "+a+" → "+b)
	}
	a, b := parse(running), parse(wanted)
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		av, bv := shown(a, name), shown(b, name)
		if av != bv && !slices.Contains(bootstrapOnly, name) {
			lines = append(lines, "--"+name+": "+av+" → "+bv)
		}
	}
	return lines
}

func binary(args []string) string {
	if len(args) == 0 {
		return unset
	}
	return args[0]
}

func shown(flags map[string]string, name string) string {
	value, set := flags[name]
	switch {
	case !set:
		return unset
	case value == "":
		return `""`
	default:
		return value
	}
}

// parse reads a command line as Go's flag package does: one dash or two, the last of a repeated flag wins, "--" and the
// first argument that is no flag end the list. It knows no types, so a flag that is followed by another flag, or by
// nothing, is taken to be a switch that is on.
func parse(args []string) map[string]string {
	flags := map[string]string{}
	for i := 1; i < len(args); i++ {
		name, ok := strings.CutPrefix(args[i], "-")
		name = strings.TrimPrefix(name, "-")
		if !ok || name == "" {
			break
		}
		value := "true"
		if n, v, inline := strings.Cut(name, "="); inline {
			name, value = n, v
		} else if i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
			i++
			value = args[i]
		}
		flags[name] = value
	}
	return flags
}
