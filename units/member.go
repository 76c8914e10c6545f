package units

import (
	"path"
	"time"
)

// Member is all that is wanted of one etcd member, as far as its host is concerned. The zero value of a tuning field
// leaves that flag out, so that the default of that etcd version holds.
type Member struct {
	Cluster, Name string
	User          string // system user and group that it runs as
	Writer        string // version of clusterup that writes the unit, for people; "": not said
	Unit          string // unit name without ".service", for example "etcd-prod"
	BinDir        string // absolute; named by version and digest, so that a new binary is a new command line
	Version       string // "3.6.16"; flags differ from minor to minor
	ConfigDir     string // /etc/etcd/CLUSTER
	DataDir       string
	// WALDir is what --wal-dir says; "" keeps the WAL inside DataDir. etcd makes it by renaming another directory onto
	// it (server/storage/wal, Create), so the member gets write access to its parent, which must be its own.
	WALDir string

	// Absolute paths of the trust bundles, see [Trust]; "" leaves out every flag of TLS for peers or for clients. It is
	// the URLs below that say who speaks https: on http URLs etcd listens without TLS, whatever certificates it has,
	// and on https URLs it does not start without them.
	PeerTrust, ClientTrust string
	// absolute paths of the lists of revoked certificates, see [CRL]; "" or no trust bundle of that role: none
	PeerCRL, ClientCRL string
	// absolute path of the key by which it signs tokens, see [TokenKeyPath]; "": nobody logs in with a password
	TokenKey string

	ListenPeer, ListenClient       []string // URLs
	AdvertisePeer, AdvertiseClient []string // URLs
	ListenMetrics                  string   // URL; "" serves metrics on the client URLs only

	InitialCluster []Peer // in any order; a peer with several URLs appears once for each
	Token          string // unique for each bootstrap; no secret
	State          string // "new" or "existing"

	Heartbeat, Election time.Duration
	QuotaBackendBytes   int64
	AutoCompaction      time.Duration // how much history to keep; 0 is off
	SnapshotCount       int

	// Unchecked leaves out [HashCheckGate], which members of before have not
	Unchecked bool

	Flags map[string]string // further flags, without dashes; those that follow from the fields above are ignored
}

// Peer is one entry of initial-cluster.
type Peer struct{ Name, URL string }

// walDir is where the member's *.wal files lie: etcd puts them straight into a WAL directory of its own.
func (m Member) walDir() string {
	if m.WALDir != "" {
		return m.WALDir
	}
	return path.Join(m.DataDir, "member", "wal")
}

// birthPath is where the birth marker of a member with this configuration directory lies.
func birthPath(configDir string) string { return path.Join(configDir, "born.json") }
