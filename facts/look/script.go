package look

import (
	_ "embed"
	"fmt"
	"path"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/lines"
)

//go:embed script.sh
var script string

// program is what a host is sent behind the variables.
var program = lines.Program(script)

// Script is the POSIX shell script that answers a; it needs root to see everything, and writes nothing.
func Script(a facts.Ask) string {
	var peers strings.Builder
	for _, peer := range a.Peers {
		fmt.Fprintf(&peers, "route get %s\n", peer)
	}
	ports := strings.Trim(fmt.Sprint(a.Ports), "[]")
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
		{"ports", ports},
		{"peers", peers.String()},
		{"v2store", v2store},
		{"v2log", v2log},
	}) + program
}
