package probe

import (
	"cmp"
	_ "embed"
	"fmt"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/lines"
)

//go:embed probe.sh
var script string

//go:embed listen.sh
var listenScript string

// Script is the POSIX shell script that answers a. It needs root. Where it listens at doors, it says nonce to whoever
// connects, and goes on until its input ends. What it writes lies in one directory of its own, which it removes however
// it ends. unique is a name for that directory that nothing else can have: letters and digits.
func (a Ask) Script(nonce, unique string) string {
	disk := ""
	if a.Disk {
		disk = "yes"
	}
	return lines.Assign([][2]string{
		{"data", a.DataDir},
		{"wal", cmp.Or(a.WALDir, a.DataDir)},
		{"opt", facts.ReleaseDir},
		{"addresses", strings.Join(a.Addresses, " ")},
		{"ports", strings.Trim(fmt.Sprint(a.Ports), "[]")},
		{"disk", disk},
		{"unique", facts.ScratchPrefix + unique},
		{"pings", strings.Join(a.Ping, " ")},
		{"writes", strings.Join(a.Writes, " ")},
		{"listen", strings.Join(a.listens(), " ")},
		{"nonce", nonce},
		{"link", "/run/" + facts.ListenerName + "-" + unique},
	}) + lines.Program(listenScript, script)
}

// listens are the doors at which something has to listen for the probe.
func (a Ask) listens() []string {
	var listen []string
	for _, door := range a.Doors {
		if door.Listen != "" {
			listen = append(listen, door.Listen)
		}
	}
	return listen
}
