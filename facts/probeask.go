package facts

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed probe.sh
var probeScript string

//go:embed probelisten.sh
var listenScript string

// ListenerName is what the process is called that stands in for a member on its ports while they are probed. It is as
// long as the kernel lets the name of a process be.
const ListenerName = "clusterup-probe"

// ScratchPrefix begins the name of the directory that holds what a probe writes: beside the data directory, or in it
// where that is a mount point. A host that loses power in that second keeps it.
const ScratchPrefix = ".clusterup-probe-"

// Script is the POSIX shell script that answers a. It needs root, and goes on until its input ends where it listens
// at doors: it says nonce to whoever connects. What it writes lies in one directory of its own, which it removes
// however it ends. unique is a name for that directory that nothing else can have: letters and digits.
func (a ProbeAsk) Script(nonce, unique string) string {
	disk := ""
	if a.Disk {
		disk = "yes"
	}
	wal := a.WALDir
	if wal == "" {
		wal = a.DataDir
	}
	return assign([][2]string{
		{"data", a.DataDir},
		{"wal", wal},
		{"opt", ReleaseDir},
		{"addresses", strings.Join(a.Addresses, " ")},
		{"ports", strings.Trim(fmt.Sprint(a.Ports), "[]")},
		{"disk", disk},
		{"unique", ScratchPrefix + unique},
		{"pings", strings.Join(a.Ping, " ")},
		{"writes", strings.Join(a.Writes, " ")},
		{"listen", strings.Join(a.listens(), " ")},
		{"nonce", nonce},
		{"link", "/run/" + ListenerName + "-" + unique},
	}) + slim(sayScript+listenScript+probeScript)
}

// listens are the doors at which something has to listen for the probe.
func (a ProbeAsk) listens() []string {
	var listen []string
	for _, door := range a.Doors {
		if door.Listen != "" {
			listen = append(listen, door.Listen)
		}
	}
	return listen
}

// assign sets shell variables.
func assign(variables [][2]string) string {
	var b strings.Builder
	for _, v := range variables {
		fmt.Fprintf(&b, "%s='%s'\n", v[0], strings.ReplaceAll(v[1], "'", `'\''`))
	}
	return b.String()
}
