package facts

import (
	_ "embed"
	"fmt"
	"net/netip"
	"path"
	"strings"
)

//go:embed say.sh
var sayScript string

//go:embed script.sh
var script string

// lookScript is what a host is sent behind the variables: it reads it a byte at a time.
var lookScript = slim(sayScript + script)

// ReleaseDir is where releases lie on every host, one directory a version and digest.
const ReleaseDir = "/opt/clusterup/etcd"

// Ask says where to look on one host. All paths are absolute; none may hold a TAB or a newline.
type Ask struct {
	Unit      string // without .service
	User      string // that the member runs as
	ConfigDir string // /etc/etcd/NAME
	DataDir   string
	Owner     string       // the file in which runs that hold the cluster's lock say so; empty: it is not looked at
	Former    string       // is there if it has data where that lay before, by default
	WALDir    string       // what --wal-dir says; empty: DataDir/member/wal
	Ports     []int        // whose listeners are wanted
	Peers     []netip.Addr // of the other members: from where this host goes to them is wanted
	Endpoint  string       // client URL of the member; empty: the etcd API is not asked
	Peer      string       // host:port at which its peers dial it; empty: it is not looked at
	V2Store   bool         // have a running 3.5 member's data checked for content of the v2 API; takes seconds with a large WAL
	V2Log     bool         // have the log of a running 3.6 member searched for requests of 3.5; takes a moment with a large WAL
}

// WALPath is the directory that holds the *.wal files.
func (a Ask) WALPath() string {
	if a.WALDir != "" {
		return a.WALDir
	}
	return path.Join(a.DataDir, "member", "wal")
}

// Script is the POSIX shell script that answers a; it needs root to see everything, and writes nothing.
func (a Ask) Script() string {
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
	return assign([][2]string{
		{"unit", a.Unit},
		{"user", a.User},
		{"conf", a.ConfigDir},
		{"data", a.DataDir},
		{"owner", a.Owner},
		{"former", a.Former},
		{"wal", walDir},
		{"walflag", a.WALPath()},
		{"rel", ReleaseDir},
		{"ports", ports},
		{"peers", peers.String()},
		{"v2store", v2store},
		{"v2log", v2log},
	}) + lookScript
}

// slim takes comments and indentation out of a shell script. None of ours has text that would miss them.
func slim(script string) string {
	var b strings.Builder
	for line := range strings.Lines(script) {
		if line = strings.TrimLeft(line, " "); line != "\n" && !strings.HasPrefix(line, "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}
