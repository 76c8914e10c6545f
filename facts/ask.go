package facts

import (
	"net/netip"
	"path"
)

// ReleaseDir is where releases lie on every host, one directory a version and digest.
const ReleaseDir = "/opt/clusterup/etcd"

// Ask says where to look on one host. All paths are absolute; none may hold a TAB or a newline.
type Ask struct {
	Unit      string // without .service
	User      string // that the member runs as
	ConfigDir string // /etc/etcd/NAME
	DataDir   string
	Owner     string       // the file in which runs that hold the cluster's lock say so; empty: it is not looked at
	Former    string       // exists if the member has data at the former default path
	WALDir    string       // what --wal-dir says; empty: DataDir/member/wal
	Ports     []int        // whose listeners are wanted
	Peers     []netip.Addr // of the other members; wanted is the address from which this host goes to each
	Endpoint  string       // client URL of the member; empty: the etcd API is not asked
	Peer      string       // host:port at which its peers dial it; empty: it is not looked at
	// have a running 3.5 member's data checked for content of the v2 API; takes seconds with a large WAL
	V2Store bool
	// have the log of a running 3.6 member searched for requests of 3.5; takes a moment with a large WAL
	V2Log bool
}

// WALPath is the directory that holds the *.wal files.
func (a Ask) WALPath() string {
	if a.WALDir != "" {
		return a.WALDir
	}
	return path.Join(a.DataDir, "member", "wal")
}

// ListenerName is the name of the process that stands in for a member on its ports while they are probed. It has 15
// characters, the most that the kernel keeps.
const ListenerName = "clusterup-probe"

// ScratchPrefix begins the name of the directory that holds what a probe writes: beside the data directory, or in it
// where that is a mount point. A host that loses power in that second keeps it.
const ScratchPrefix = ".clusterup-probe-"
