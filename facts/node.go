package facts

// Node is what was seen of a host on which a balancer runs.
type Node struct {
	Machine
	// packages that were asked for, by name; one that neither dpkg nor apt knows is not in it
	Software map[string]Package `json:"software,omitempty"`
	Units    map[string]Service `json:"units,omitempty"` // by name, without .service
	Users    map[string]bool    `json:"users,omitempty"` // those that were asked for and exist, with a group of that name
	// by the link that stands for a pair of certificate and key; see [NodeAsk]
	Pairs map[string]Leaf `json:"pairs,omitempty"`
}

// Package is a package of the distribution.
type Package struct {
	Version   string `json:"version,omitempty"`   // that is installed; empty: none is
	Candidate string `json:"candidate,omitempty"` // that apt would install; asked only where none is installed
	Held      bool   `json:"held,omitempty"`      // apt leaves it at its version
	// its configuration files that are just as they came with it
	Shipped []string `json:"shipped,omitempty"`
}

// Service is a unit, and what runs of it.
type Service struct {
	Unit
	Process *Process `json:"process,omitempty"` // its main process; nil: it does not run
}

// NodeAsk says where to look on the host of a node. All paths are absolute and clean; none may hold a TAB or a newline.
type NodeAsk struct {
	Owner    string   // see [Ask]
	Packages []string // names of Debian's packages
	Units    []string // without .service
	Users    []string
	Files    []string // of which all is wanted that Machine.Files holds; their contents, too, if they are regular
	// directories of which the same is wanted for all that lies in them, but no contents of keys
	Dirs []string
	// links such as DIR/tls/client, each to a directory beside it with cert.pem, key.pem and sums, as units.Leaf has them
	Pairs    []string
	Programs string // the directory with one directory a release of clusterup-node, by digest
	Ports    []int  // whose listeners are wanted
}
