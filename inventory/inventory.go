// Package inventory reads the HCL file that says what is wanted: which clusters, on which hosts, with which settings.
//
// It owns the language (variables, locals, functions, for_each), the defaults and every check that needs nothing but
// the file, each tied to the place in the source where the mistake is. It must not open a network connection, read the
// clock or look at a host; of the file system it reads only the inventory, the variable files and what the function
// file() names.
package inventory

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// File is one inventory, complete with defaults. It holds at least one cluster.
type File struct {
	Path     string // as given to Load or Parse
	Clusters []*Cluster
}

// Cluster returns the cluster with that name; "" picks the only one. The error names the choices.
func (f *File) Cluster(name string) (*Cluster, error) {
	names := make([]string, 0, len(f.Clusters))
	for _, c := range f.Clusters {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	if name == "" && len(f.Clusters) == 1 {
		return f.Clusters[0], nil
	}
	if name == "" {
		return nil, fmt.Errorf("choose a cluster of %s with --cluster: it holds %s", f.Path, strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("choose cluster %q of %s: it holds only %s", name, f.Path, strings.Join(names, ", "))
}

// Cluster is one wanted etcd cluster.
type Cluster struct {
	Name    string // [a-z0-9.-], at most 63 bytes; part of paths and unit names
	Version string // "3.6.16", without a v

	User     string // system user and group of the members, at most 31 bytes; default etcd-NAME
	DataDir  string // default /var/lib/etcd-NAME
	WALDir   string // "": inside the data directory
	UnitName string // systemd unit without ".service"; default etcd-NAME

	PeerPort    int // default 2380
	ClientPort  int // default 2379
	MetricsPort int // plain HTTP on 127.0.0.1; default 2381, 0: off

	SSH     SSH // what members start from; Member.SSH is the merged result
	Release Release
	PKI     PKI
	TLS     TLS
	Etcd    Etcd

	Snapshot Snapshot

	// Auth is nil where the inventory says nothing of permissions: then they are to be off, and nobody's users and roles
	// are touched.
	Auth *Auth

	Balancers []Balancer // in the order of the file

	Clients []Client
	Members []Member // in the order of the file, also those that are to leave; see Present

	Dir   string // directory of the inventory, absolute; the operator directory is Dir/.clusterup/NAME
	Range Range  // the header of the block
}

// Present returns the members that are wanted, in the order of the file: at least one, all but those that are Absent.
func (c *Cluster) Present() []Member {
	return slices.DeleteFunc(slices.Clone(c.Members), func(m Member) bool { return m.Absent })
}

// Nodes returns the nodes of all balancers, in the order of the file, also those that are to leave.
func (c *Cluster) Nodes() []Node {
	var out []Node
	for _, b := range c.Balancers {
		out = append(out, b.Nodes...)
	}
	return out
}

// SSH says how a host is reached. All paths are absolute.
type SSH struct {
	User           string   // "": the current user
	Port           int      // default 22
	IdentityFiles  []string // empty: the agent, then the usual files
	KnownHosts     []string // never empty; new keys belong in the first
	Sudo           bool     // run commands through sudo -n
	Agent          bool     // use the SSH agent; default true
	Jump           []Jump   // in the order in which they are passed
	ConnectTimeout time.Duration
}

// Jump is one host that connections are passed through.
type Jump struct {
	Address       string // IP address without brackets, or DNS name
	Port          int    // default 22
	User          string // default: the user of the surrounding ssh block
	IdentityFiles []string
}

// Release says where the etcd binaries come from. At most one of Mirror,
// Archive and Archives is set; none: etcd's releases on GitHub.
type Release struct {
	Mirror   string            // http, https or file URL, without a final slash
	Archive  string            // absolute path, for whichever architecture the hosts have
	Archives map[string]string // architecture ("amd64") to absolute path
	SHA256   map[string]string // architecture to 64 lower-case hex digits
}

// PKI says what certificates are made.
type PKI struct {
	CALifetime  time.Duration // default 10 years of 365 days
	Lifetime    time.Duration // of a leaf; default 1 year
	RenewBefore time.Duration // before the end of a leaf; default Lifetime/3
	Algorithm   string        // ecdsa-p256 (default), ecdsa-p384, ed25519, rsa-3072, rsa-4096

	// SealTo are SSH public keys (ssh-ed25519, ssh-rsa; with their comments) and age recipients that the keys of CAs
	// are encrypted to. Empty: they are not.
	SealTo []string

	PeerCA, ClientCA *GivenCA // nil: clusterup makes its own; both are the same where one CA is for both
}

// GivenCA is a CA that comes from elsewhere. It has a Key or an External.
type GivenCA struct {
	Cert     string      // absolute path of its certificate and chain, in PEM; "" is possible with External only
	Key      string      // absolute path of its private key
	External *ExternalCA // signs in place of Key
}

// ExternalCA is a cfssl server. Exactly one of AuthKeyEnv and AuthKeyFile is set; what they name holds the key in
// hexadecimal.
type ExternalCA struct {
	URL         string // https, or http on this machine; without a final slash
	AuthKeyEnv  string // name of an environment variable
	AuthKeyFile string // absolute path
	Label       string // of one of its CAs; "": its default
	Profile     string // "": its default
	CAFile      string // absolute path of what its own certificate is checked with; "": the system's CAs
}

// TLS says who speaks https; http otherwise. The zero value is no TLS anywhere, which is not the default.
type TLS struct {
	Peers          bool // members with each other; default true
	Clients        bool // clients with members, on ClientPort; default true
	HTTPClientPort int  // http as well, for clients that have not moved to TLS yet; default 0: none, and only with Clients
}

// Etcd holds the settings that all members share.
type Etcd struct {
	QuotaBackendBytes int64             // default 8 GiB
	AutoCompaction    time.Duration     // keep this much history; default 1h, 0: never compact
	HeartbeatInterval time.Duration     // whole milliseconds; default 100ms
	ElectionTimeout   time.Duration     // whole milliseconds; default 1s
	SnapshotCount     int               // 0: etcd's default
	Flags             map[string]string // as the etcd of Version calls them; see FlagsFor
}

// Snapshot says what is wanted of the copies of the data on the control machine.
type Snapshot struct {
	// SealTo are recipients as in PKI.SealTo, to whom snapshots are encrypted. Empty: they are not.
	SealTo []string
	MaxAge time.Duration // of the newest, before check asks for another; 0: it does not
}

// Auth says what is wanted of etcd's users, roles and permissions. The user root with the role root is always wanted.
type Auth struct {
	Enabled bool // default true; false: permissions are switched off, and users and roles stay as they are
	// in the order of the file; root is among them only where the file has it, and has the role root in any case
	Users []AuthUser
	Roles []AuthRole // in the order of the file, without root
	Range Range
}

// AuthUser is a user of etcd: the common name of a client's certificate, or a name to log in with.
type AuthUser struct {
	Name     string    // 1 to 64 printable characters of ASCII
	Roles    []string  // of the block, and root; none: the user may do nothing with keys
	Password *Password // nil: by certificate alone
}

// AuthRole is a set of permissions.
type AuthRole struct {
	Name        string // 1 to 64 printable characters of ASCII
	Permissions []Permission
}

// Permission allows something with the keys of a range, as etcd knows ranges. Read, Write or both are true.
type Permission struct {
	Key         string // the first one, never empty
	End         string // "": that key alone; "\x00": all from it on; else those before it
	Read, Write bool
}

// Client is a client certificate that is wanted.
type Client struct {
	Name         string        // what it is called here
	User         string        // the common name, which etcd takes for a user; default Name; "": its certificate has none
	Organization string        // "": none
	Lifetime     time.Duration // default that of PKI
}

// Member is one etcd server, which is wanted unless it is Absent.
type Member struct {
	Name    string
	Address string // the service address: IP without brackets, or DNS name

	SSHAddress    string // default Address
	SSHPort       int    // default SSH.Port
	PeerAddress   string // default Address
	ClientAddress string // default Address
	Names         []string

	SSH     SSH    // merged with the cluster's ssh block
	DataDir string // merged with the cluster's
	WALDir  string

	// Absent says that the member is to leave the cluster, and that its host is to be made clean; false: it is wanted.
	Absent bool

	Range Range
}

// Range is a place in the inventory, for messages. Line and Column count from 1.
type Range struct {
	File   string
	Line   int
	Column int
}

func (r Range) String() string {
	return fmt.Sprintf("%s:%d:%d", r.File, r.Line, r.Column)
}
