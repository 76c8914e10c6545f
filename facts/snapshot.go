package facts

import (
	"io/fs"
	"net/netip"
	"slices"
	"time"

	"github.com/clusterup/clusterup/pool"
)

// Snapshot is all that was seen at one moment: the operator directory, every host of the inventory, and the cluster's
// own view. Decisions are made on a Snapshot alone, so two equal ones lead to equal plans.
type Snapshot struct {
	Taken    time.Time       `json:"taken"` // the control machine's clock
	Operator Operator        `json:"operator"`
	Hosts    map[string]Host `json:"hosts"` // by member name
	// hosts of balancers, by the name of the node; nil: nobody looked, or there are none
	Nodes   map[string]Node `json:"nodes,omitempty"`
	Members []Listed        `json:"members,omitempty"` // the member list, sorted by ID; nil when no member answered
	// the cluster whose member list and alarms these are; zero: not known
	Cluster ID      `json:"cluster,omitempty"`
	Alarms  []Alarm `json:"alarms,omitempty"`
	// Auth is what the cluster says of permissions; nil: no member serves, or AuthError says why those do not tell
	Auth      *Auth  `json:"auth,omitempty"`
	AuthError string `json:"auth_error,omitempty"`
	// Pools are what the keys of balancers say, by the name of the balancer; PoolErrors says why those of others are not
	// known. In neither: nobody asked, since no member served
	Pools      map[string]pool.Wanted `json:"pools,omitempty"`
	PoolErrors map[string]string      `json:"pool_errors,omitempty"`
	// Hashes are digests of the members' data, by name; nil: nobody asked, as is the rule. See Hash
	Hashes map[string]Hash `json:"hashes,omitempty"`

	// Simulated says that nobody saw this: it is what a plan expects to see, so that names may stand in it for what is
	// not made yet.
	Simulated bool `json:"-"`
}

// Names are the hosts' names, sorted.
func (s Snapshot) Names() []string {
	names := make([]string, 0, len(s.Hosts))
	for name := range s.Hosts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Operator is what the operator directory on the control machine holds.
type Operator struct {
	CAs []CA `json:"cas,omitempty"` // sorted by role, then generation
	// role → the phase after which the rotation of its CA is to wait: trust or leaves
	Holds map[string]string `json:"holds,omitempty"`
	// role → why the newest CA is not the one that the inventory names; absent: it is that one
	Replaced map[string]string `json:"replaced,omitempty"`
	// role → generation of the older CA that the inventory names again; absent: it names none
	Reverts map[string]int `json:"reverts,omitempty"`
	// role → why the CA that the inventory names is of no use to members
	Unfit map[string]string `json:"unfit,omitempty"`
	// the keys of CAs are not encrypted to those whom the inventory names, or are encrypted although it names nobody
	Unsealed bool `json:"unsealed,omitempty"`
	// client certificates that were issued, sorted by name, age and serial number
	Clients []Client `json:"clients,omitempty"`
	// certificates of members that were issued, those of peers first, by member, age and serial number
	Leaves []Recorded `json:"leaves,omitempty"`
	// role → the list of certificates of its CA that members are to refuse
	Revoked map[string]Revoked `json:"revoked,omitempty"`
	// roles of which the inventory names a CA that has no right to sign lists of revoked certificates
	Listless map[string]bool `json:"listless,omitempty"`
	// keys by which members sign tokens, the oldest first; only the last one is there as a whole
	TokenKeys []TokenKey        `json:"token_keys,omitempty"`
	Pinned    map[string]string `json:"pinned,omitempty"` // "VERSION/ARCH" → SHA-256 of the archive (release.lock.hcl)
	// sorted by Taken; only those whose digest was verified when they were saved
	Snapshots []SavedSnapshot `json:"snapshots,omitempty"`
}

// CA is a certificate authority of the operator directory. The private key is never part of a fact.
type CA struct {
	Role       string    `json:"role"` // peer or client
	Generation int       `json:"generation"`
	SHA256     string    `json:"sha256"` // of the DER certificate, hexadecimal
	NotBefore  time.Time `json:"not_before"`
	NotAfter   time.Time `json:"not_after"`
	PEM        []byte    `json:"pem"` // the certificate
	// what is trusted for it, in PEM: itself, or the root above it; empty: itself
	Trust   []byte `json:"trust,omitempty"`
	Signing bool   `json:"signing"`
	// it signs no more, and is not to be trusted any more once nothing needs it
	Retired bool `json:"retired,omitempty"`
	// it is not clusterup's own, so that its successor comes from elsewhere
	Given bool `json:"given,omitempty"`
	// where the key of one that is not clusterup's own lay when it was taken over; empty: not known
	KeyFile string `json:"key_file,omitempty"`
	Lists   bool   `json:"lists,omitempty"` // it can sign lists of revoked certificates
}

// Trusted is the certificate, in PEM, that has to be trusted for the CA.
func (c CA) Trusted() []byte {
	if len(c.Trust) > 0 {
		return c.Trust
	}
	return c.PEM
}

// Client is a client certificate that was issued from the operator directory.
type Client struct {
	Name       string    `json:"name"`
	Serial     string    `json:"serial"`     // lower-case hexadecimal
	Generation int       `json:"generation"` // of the client CA that signed it; 0: one that is not there any more
	NotBefore  time.Time `json:"not_before"`
	NotAfter   time.Time `json:"not_after"`
	Revoked    bool      `json:"revoked,omitempty"`
}

// ClientPair is the pair of a client as it lies on the control machine.
type ClientPair struct {
	Client
	// why nobody can use it, such as a key of another pair; empty: it is whole. All else is zero where it is not
	Broken       string `json:"broken,omitempty"`
	User         string `json:"user,omitempty"`         // the common name; empty: it has none
	Organization string `json:"organization,omitempty"` // empty: none
	Algorithm    string `json:"algorithm"`
}

// Recorded is a certificate that was issued to a member from the operator directory. Clusters of before have some that
// were not recorded.
type Recorded struct {
	Member     string    `json:"member"`
	Role       string    `json:"role"`                 // peer or server
	Serial     string    `json:"serial"`               // lower-case hexadecimal
	Generation int       `json:"generation,omitempty"` // of the CA that signed it; 0: one that is not there any more
	NotAfter   time.Time `json:"not_after,omitzero"`   // zero: not known, since it was not recorded when it was issued
	Revoked    bool      `json:"revoked,omitempty"`
}

// Revoked is the list of certificates of one CA that members are to refuse, as it was signed last.
type Revoked struct {
	List    []byte `json:"list,omitempty"` // in DER; nil: none was signed yet
	Current bool   `json:"current"`        // it names all that are revoked, and is of the CA that signs lists now
}

// Host is what was seen of one host of the inventory: the machine, and the member that is to live on it.
type Host struct {
	Machine
	Member
}

// Machine is what a host said of itself, whoever lives there.
type Machine struct {
	Name        string `json:"name"`
	Unreachable string `json:"unreachable,omitempty"` // why it could not be looked at; all else is then zero
	// why its member, which runs, could not be asked: nothing is known of it
	Unasked string `json:"unasked,omitempty"`
	Err     error  `json:"-"` // the error behind Unreachable or Unasked

	Arch      string `json:"arch"`    // as Go names it: amd64, arm64
	OS        string `json:"os"`      // ID and VERSION_ID of os-release: "debian 12"
	Systemd   int    `json:"systemd"` // version; 0: PID 1 is not systemd
	MachineID string `json:"machine_id"`
	BootID    string `json:"boot_id"`
	// host's clock minus the control machine's, as far as the answer's journey lets one tell
	ClockOffset time.Duration `json:"clock_offset"`
	Memory      int64         `json:"memory"` // bytes
	// what the last run that held the cluster's lock has left to say of itself; apply says what it means
	Run string `json:"run,omitempty"`

	// data, wal, opt (where releases go); one that is missing is not known
	Rooms map[string]Room `json:"rooms"`
	// directories on the way to where things lie, links followed: kind, mode, owner, group
	Ways map[string]File `json:"ways,omitempty"`
	// of these, where not even root can write: read-only or immutable
	Sealed []string `json:"sealed,omitempty"`
	// address of a peer → the one from which this host goes there
	Sources map[netip.Addr]netip.Addr `json:"sources,omitempty"`
	// lines of the answer that cannot be read, and why; what they were to tell is not known
	Unread []string `json:"unread,omitempty"`

	EtcdUser bool            `json:"etcd_user"` // the system user and group that the member is to run as exist
	Files    map[string]File `json:"files"`     // by path: all that lies where clusterup puts things
	Sockets  []Socket        `json:"sockets,omitempty"`
	// installed or removed, whose purge deletes /var/lib/etcd and the user etcd
	Packages []string          `json:"packages,omitempty"`
	Missing  []string          `json:"missing,omitempty"` // commands that clusterup needs and the host lacks
	Binaries map[string]string `json:"binaries"`          // path under the release directory → SHA-256
	// path of a key by which a member signs tokens → SHA-256 of what is there; the key itself stays there
	TokenKeys map[string]string `json:"token_keys,omitempty"`
	// releases that a unit of this or another cluster names; told only where there are more than two
	InUse []string `json:"in_use,omitempty"`
}

// Member is what was seen of one member: its unit and its files, and what it said itself.
type Member struct {
	Unit    Unit            `json:"unit"`
	Process *Process        `json:"process,omitempty"` // the unit's main process; nil: not running
	Data    Data            `json:"data"`
	Place   *Data           `json:"place,omitempty"`   // what lies where Data is to be; nil: it is there
	V2Store *V2Store        `json:"v2store,omitempty"` // nil: not asked, or not a member that could be
	Leaves  map[string]Leaf `json:"leaves,omitempty"`  // by role: peer, server

	Endpoint  string  `json:"endpoint,omitempty"` // client URL at which the member was asked; empty: it does not run
	Etcd      *Status `json:"etcd,omitempty"`     // nil: the member did not answer
	EtcdError string  `json:"etcd_error,omitempty"`
	// it did not answer since etcd's permissions are on, and refuse whoever asked
	Denied    bool     `json:"denied,omitempty"`
	Reads     bool     `json:"reads"`                // a linearizable read through this member succeeded just now
	ReadError string   `json:"read_error,omitempty"` // why it did not
	Listed    []Listed `json:"-"`                    // the member list as this member holds it
	Alarms    []Alarm  `json:"-"`
	// what it says of permissions; nil: it did not tell, or serves no linearizable read
	Auth *AuthState `json:"auth,omitempty"`

	// Serves is what the member's ports showed in new TLS handshakes, by the role of the certificate; a port without
	// TLS is not in it.
	Serves map[string][]Served `json:"serves,omitempty"`
}

// Served is what one port showed when it was dialled from one host. etcd reads its certificates anew at each handshake
// (client/pkg/transport/listener.go), so this is what a new client or peer gets.
type Served struct {
	From   string `json:"from"`             // the member on whose host it was dialled; its own where there is no other
	SHA256 string `json:"sha256,omitempty"` // of the leaf in DER, hexadecimal; empty: it was not seen
	Name   string `json:"name,omitempty"`   // see Whose
	Error  string `json:"error,omitempty"`  // why not
	// the port itself ended the handshake: it cannot show what lies there, such as a key of another pair
	Broken bool `json:"broken,omitempty"`

	// While the CA changes: which certificates both sides accept. CAs are told by the SHA-256 of their certificates.
	Accepts string   `json:"accepts,omitempty"` // a certificate of this CA was shown there, and accepted; empty: none was
	Refuses string   `json:"refuses,omitempty"` // why that of the newest CA was not, though the member runs with it
	Valid   []string `json:"valid,omitempty"`   // CAs each of which alone suffices to accept what was shown, both ways
	Invalid string   `json:"invalid,omitempty"` // why the newest CA, with which the member runs, does not
}

// Dark says that nothing is known of the host, or of its member: it could not be looked at, or was not. All else is
// unknown then, not absent.
func (m Machine) Dark() bool { return m.Unreachable != "" || m.Unasked != "" || m.Name == "" }

// Healthy says that the member runs, knows a leader and serves a linearizable read, with nothing to complain of. It is
// what people are told; decisions rest on what plan/etcd calls serving.
func (m Member) Healthy() bool {
	return m.Process != nil && m.Etcd != nil && m.Etcd.Leader != 0 && m.Reads && len(m.Etcd.Errors) == 0
}

// Room is how much space there is on a file system, for others than root.
type Room struct {
	Dir        string `json:"dir"`  // the nearest directory that exists
	Size       int64  `json:"size"` // bytes
	Free       int64  `json:"free"` // bytes
	Inodes     int64  `json:"inodes"`
	InodesFree int64  `json:"inodes_free"` // of no meaning where Inodes is 0: the file system does not count them
}

// File is one path on a host.
type File struct {
	Kind   Kind        `json:"kind"`
	Mode   fs.FileMode `json:"mode"` // permission bits
	Owner  string      `json:"owner"`
	Group  string      `json:"group"`
	Size   int64       `json:"size"`
	Target string      `json:"target,omitempty"` // of a symbolic link
	// of the small public files that clusterup writes: units, bundles, certificates, markers
	Content []byte `json:"content,omitempty"`
}

// Kind is the type of a file.
type Kind string

// The kinds that matter here; others read as Other.
const (
	Regular Kind = "file"
	Dir     Kind = "dir"
	Link    Kind = "link"
	Other   Kind = "other"
)

// NoName is the owner of a file or process whose number belongs to no user.
const NoName = "UNKNOWN"

// Data is what lies in the member's data directory: the one that it uses, else the one that it is to use.
type Data struct {
	// where it lies, if not where it is to be, as its unit says, else its birth marker. Both are root's: whoever runs as
	// the member chooses its command line. WALDir is what --wal-dir says; empty: within Dir
	Dir    string `json:"dir,omitempty"`
	WALDir string `json:"wal_dir,omitempty"`

	Exists    bool     `json:"exists"`               // the directory is there
	Entries   []string `json:"entries,omitempty"`    // its entries, at most 8 (maxEntries)
	WAL       bool     `json:"wal"`                  // a write-ahead log is there: the member has started once
	ClusterID ID       `json:"cluster_id,omitempty"` // from the head of the WAL
	MemberID  ID       `json:"member_id,omitempty"`
	// how far the WAL comes; nil: the member runs, nothing was noted of its log, or it cannot be read
	Log *Log `json:"log,omitempty"`
}

// Log is how far a write-ahead log comes, and how far it has come.
type Log struct {
	Noted  string `json:"noted"`  // by the unit when its member stopped, as it stands there
	Newest string `json:"newest"` // base name of its newest file
	Feeds  int64  `json:"feeds"`  // how many line feeds are in that
}

// V2Store says whether a running member's data is free of what the next minor version does not start on. Of a 3.5
// member it is what `etcdutl check v2store` said: 3.6 does not read content of the v2 API
// (etcd.io/docs/v3.6/upgrades/upgrade_3_6). Of a 3.6 member it is whether 3.7 would have to replay requests that 3.5
// wrote, in the v2 format, to publish members and the cluster's version: 3.7 panics at the first
// (server/etcdserver/apply.Apply). They lie in the log until a raft snapshot is taken after the cluster has become 3.6.
type V2Store struct {
	Clean bool   `json:"clean"` // it said that there is none, neither in the v2 store nor in the WAL
	Text  string `json:"text"`  // its own words, at most 500 bytes; before 3.5.32 that it does not know the question
}

// Socket is a listening TCP socket on one of the member's ports.
type Socket struct {
	Address string `json:"address"` // "0.0.0.0", "::", "10.0.0.11", "*"
	Port    int    `json:"port"`
	PID     int    `json:"pid,omitempty"`
	Process string `json:"process,omitempty"`
}
