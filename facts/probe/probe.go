package probe

import (
	"context"
	"io"
	"net"
	"time"
)

// Host is what a probe needs of one host. All methods are safe for concurrent use and name the host in errors.
type Host interface {
	// AskUntil runs a script that only looks. The script's standard input is empty, and ends when until is closed or
	// the connection falls; the script is to end with it. out gets what the script writes as it comes, from one
	// goroutine. AskUntil blocks until the script is gone.
	AskUntil(ctx context.Context, script string, until <-chan struct{}, out io.Writer) error
	// DialContext connects to an address as seen from the host, through the connection to it. Where the host does not
	// forward connections the error satisfies errors.Is(err, facts.ErrNoForwarding).
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Ask says what to probe on one host.
type Ask struct {
	DataDir   string
	WALDir    string // what --wal-dir says; empty: inside DataDir
	Addresses []string
	Ports     []int
	Writes    []string // directories in which something is made and removed again, in the nearest that exists
	Doors     []Door
	Disk      bool     // measure writes; it takes 1.2 s at most, and one write
	Ping      []string // addresses whose round-trip time is wanted; it takes half a second
}

// Door is one address at which a host must be reached.
type Door struct {
	Name    string `json:"name"`    // peer or client
	Address string `json:"address"` // HOST:PORT as others dial it
	Listen  string `json:"-"`       // HOST:PORT for a listener that stands in for the member; empty: none
	Running bool   `json:"-"`       // the member itself listens
	Plain   bool   `json:"-"`       // the member speaks http there, so that nothing shows who it is
	Leaf    string `json:"-"`       // SHA-256 of the certificate that the member has to show there; empty: any will do
	Shut    string `json:"-"`       // why nobody listens; empty when Listen or Running
}

// Probe is what was found out about one host beyond its facts, at the price of a connection and a few writes. What
// could not be found out is zero.
type Probe struct {
	Failed string `json:"failed,omitempty"` // why there is no answer; all but Reach is then zero
	Err    error  `json:"-"`                // the error behind Failed

	CPUs int   `json:"cpus"`
	Swap int64 `json:"swap"` // bytes in use as swap space, or ready to be
	// yes, no, or container: the clock is that of the machine beneath; empty: not known
	Synced string `json:"synced,omitempty"`
	// active ones of those that keep time or filter packets
	Services []string         `json:"services,omitempty"`
	Places   map[string]Place `json:"places,omitempty"` // data, wal, opt
	// directory → why nothing could be made there, in the host's words
	Sealed map[string]string `json:"sealed,omitempty"`
	// mount points above data and log that /etc/fstab names, and where nothing is mounted
	Unmounted []string `json:"unmounted,omitempty"`
	// of synchronous writes where the write-ahead log will lie
	Fsync     Latency       `json:"fsync"`
	Addresses []HostAddress `json:"addresses,omitempty"` // of all interfaces; nil: not known
	// names among the asked addresses → what they mean on the host
	Resolved map[string][]string `json:"resolved,omitempty"`
	// enforcing, permissive, disabled; empty: the kernel has none
	SELinux   string     `json:"selinux,omitempty"`
	AppArmor  string     `json:"apparmor,omitempty"` // enabled; else empty
	Confined  []string   `json:"confined,omitempty"` // AppArmor profiles with etcd in their name
	Firewall  []Firewall `json:"firewall,omitempty"`
	OpenFiles int64      `json:"open_files"` // the most that a unit may get
	// the mean time that packets took to an address and back
	Pings map[string]time.Duration `json:"pings_ns,omitempty"`
	// who called at its doors, HOST:PORT, by the process that answered
	Callers map[string]string `json:"-"`
	Reach   []Reach           `json:"reach,omitempty"`  // by member and door, in the order asked
	Unread  []string          `json:"unread,omitempty"` // lines of the answer that cannot be read, and why
}

// Place is the file system on which a directory lies or will lie.
type Place struct {
	Dir     string   `json:"dir"`   // the nearest directory that exists
	Type    string   `json:"type"`  // as in /proc/mounts: ext4, xfs, overlay, tmpfs, nfs4, …
	Mount   string   `json:"mount"` // mount point
	Options []string `json:"options,omitempty"`
	Inodes  int64    `json:"inodes"` // 0: the file system does not count them
	Unused  int64    `json:"inodes_free"`
	Free    int64    `json:"free"` // bytes; -1: not known
}

// Latency is the time of single synchronous writes of 2300 bytes, as etcd appends to its log: dd with O_DSYNC, which is
// a write with an fdatasync in it, into space allocated before. Each time is dd's own, taken around the write alone, so
// that starting dd is not in it.
type Latency struct {
	Samples int           `json:"samples"`
	P50     time.Duration `json:"p50_ns"`
	P99     time.Duration `json:"p99_ns"` // with fewer than 100 samples the slowest
	Max     time.Duration `json:"max_ns"`
	Floor   time.Duration `json:"floor_ns"`      // the same write to /dev/null: what the method itself costs
	Why     string        `json:"why,omitempty"` // it was not measured, in the host's words
}

// HostAddress is an IP address of one of a host's interfaces.
type HostAddress struct {
	IP        string `json:"ip"`
	Duplicate bool   `json:"duplicate,omitempty"` // IPv6 found that another machine uses it
}

// Firewall is one set of packet filter rules.
type Firewall struct {
	Tool  string `json:"tool"`           // nft, iptables, ip6tables
	Rules int    `json:"rules"`          // that accept, drop, reject or branch
	Named int    `json:"named"`          // of these, that name one of the member's ports
	Drop  bool   `json:"drop,omitempty"` // what no rule takes is dropped on its way in
}

// Reach is one try to connect from this host to a door of another, or of its own.
type Reach struct {
	To      string        `json:"to"` // member
	Door    Door          `json:"door"`
	Took    time.Duration `json:"took_ns"`           // from the control machine, until the connection stood
	From    string        `json:"from,omitempty"`    // the address that the other end saw; empty: not known
	By      string        `json:"-"`                 // the process that answered; see Probe.Callers
	Error   string        `json:"error,omitempty"`   // it failed
	Clipped bool          `json:"clipped,omitempty"` // the connection stood, and what should have come through it did not
	Skipped string        `json:"skipped,omitempty"` // it was not tried, or could not be
	Barred  bool          `json:"barred,omitempty"`  // the host this one starts from forwards no connections
}

// OK says that the right one answered.
func (r Reach) OK() bool { return r.Error == "" && r.Skipped == "" }
