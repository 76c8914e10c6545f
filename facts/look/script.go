package look

import (
	_ "embed"
	"fmt"
	"path"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/lines"
)

// The parts of scripts: shared has what hosts of members and of nodes have in common.
var (
	//go:embed host.sh
	shared string
	//go:embed script.sh
	script string
	//go:embed node.sh
	nodeScript string
)

// What a host of a member or of a node is sent behind the variables.
var (
	program     = lines.Program(shared, script)
	nodeProgram = lines.Program(shared, nodeScript)
)

// Script is the POSIX shell script that answers a; it needs root to see everything, and writes nothing.
func Script(a facts.Ask) string {
	var peers strings.Builder
	for _, peer := range a.Peers {
		fmt.Fprintf(&peers, "route get %s\n", peer)
	}
	walDir := a.WALPath()
	if a.WALDir != "" {
		walDir = path.Dir(a.WALDir)
	}
	v2store := ""
	if a.V2Store {
		v2store = "yes"
	}
	v2log := ""
	if a.V2Log {
		v2log = "yes"
	}
	return lines.Assign([][2]string{
		{"unit", a.Unit},
		{"user", a.User},
		{"conf", a.ConfigDir},
		{"data", a.DataDir},
		{"owner", a.Owner},
		{"former", a.Former},
		{"wal", walDir},
		{"walflag", a.WALPath()},
		{"rel", facts.ReleaseDir},
		{"ports", spaced(a.Ports)},
		{"peers", peers.String()},
		{"v2store", v2store},
		{"v2log", v2log},
	}) + program
}

// spaced are numbers parted by spaces.
func spaced(numbers []int) string { return strings.Trim(fmt.Sprint(numbers), "[]") }

// NodeScript is the POSIX shell script that answers a; it needs root to see everything, and writes nothing.
func NodeScript(a facts.NodeAsk) string {
	list := func(entries []string) string { return strings.Join(entries, "\n") }
	return lines.Assign([][2]string{
		{"owner", a.Owner},
		{"ports", spaced(a.Ports)},
		{"packages", list(a.Packages)},
		{"units", list(a.Units)},
		{"users", list(a.Users)},
		{"files", list(a.Files)},
		{"dirs", list(a.Dirs)},
		{"pairs", list(a.Pairs)},
		{"programs", a.Programs},
	}) + nodeProgram
}
