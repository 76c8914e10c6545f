package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/pool"
	"github.com/clusterup/clusterup/units"
)

// Stage is a set of steps that run now. As many hosts as Width says work side by side; the steps of one host run in
// their order.
//
// Width is a decision of the rule that wants the stage, as the gate is: the same steps may be safe on all hosts at once
// (releases for members that do not run) or on one host after the other (beside members that do). Package apply keeps
// to it; it is never more than the hosts of the steps.
type Stage struct {
	Name  string `json:"name"`
	Gate  string `json:"gate"`  // what was seen to hold, and makes the stage safe
	Width int    `json:"width"` // how many hosts work at once, at most; never 0
	// the balancer whose nodes the hosts of the steps are; empty: they are those of members
	Balancer string `json:"balancer,omitempty"`
	Steps    []Step `json:"steps"` // sorted by host, in the order of the inventory
}

// SideBySide is a stage in which all hosts of its steps work at once; nil where there are no steps.
func SideBySide(name, gate string, steps []Step) *Stage {
	if len(steps) == 0 {
		return nil
	}
	hosts := map[string]bool{}
	for _, step := range steps {
		hosts[step.Host] = true
	}
	return &Stage{Name: name, Gate: gate, Width: len(hosts), Steps: steps}
}

// Kind is what a step does.
type Kind string

// All kinds of steps. Each has an effect that the facts can see, and a row in the table kinds.
const (
	CreateCA Kind = "create-ca" // on the control machine: the next generation of CA
	RetireCA Kind = "retire-ca" // on the control machine: Generation of CA signs no more
	// on the control machine: the rotation of CA waits after Phase, "": it does not
	HoldRotation Kind = "hold-rotation"
	// on the control machine: the certificate Serial of Client is recorded as revoked
	RevokeClient Kind = "revoke-client"
	// RevokeLeaf records that the certificate of a member that has left, Revoke, is to be refused
	RevokeLeaf Kind = "revoke-leaf"
	// on the control machine: the list of revoked client certificates is signed anew
	ListRevoked Kind = "list-revoked"
	PinRelease  Kind = "pin-release" // on the control machine: Release
	// on the control machine: the key of this Generation, by which members sign tokens
	CreateTokenKey Kind = "create-token-key"
	CreateUser     Kind = "create-user"     // the system user of the members
	MakeDirs       Kind = "make-dirs"       // Paths, created or put right
	InstallRelease Kind = "install-release" // Release into BinDir
	FixModes       Kind = "fix-modes"       // Paths that exist, but not as they should be
	WriteTrust     Kind = "write-trust"     // Changes
	WriteTokenKey  Kind = "write-token-key" // the key of this Generation into the one of Paths
	IssueLeaf      Kind = "issue-leaf"      // Leaf
	WriteUnit      Kind = "write-unit"      // Changes; systemd reads its units again
	ReloadUnits    Kind = "reload-units"    // systemd reads its units again
	EnableUnit     Kind = "enable-unit"
	StartMember    Kind = "start-member" // enabled and started; done when the member says it is ready
	AwaitMember    Kind = "await-member" // a running member becomes healthy
	RestartMember  Kind = "restart-member"
	RecordBirth    Kind = "record-birth" // Birth

	MoveLeader      Kind = "move-leader"      // from Host to To
	SaveSnapshot    Kind = "save-snapshot"    // of the member Host, into the operator directory
	EnableDowngrade Kind = "enable-downgrade" // to the minor Version
	CancelDowngrade Kind = "cancel-downgrade"
	PruneReleases   Kind = "prune-releases" // Paths
	PruneTrust      Kind = "prune-trust"    // Paths
	UpdateMember    Kind = "update-member"  // Member gets PeerURLs, asked of the member Through
	AddLearner      Kind = "add-learner"    // a member at PeerURLs joins without a vote, asked of the member Through
	AwaitLearner    Kind = "await-learner"  // a learner has applied what the voters have
	PromoteMember   Kind = "promote-member" // Member, a learner, gets a vote, asked of the member Through
	RemoveMember    Kind = "remove-member"  // Member leaves the member list, asked of the member Through
	Defragment      Kind = "defragment"     // the member Host gives the free room in its database back
	// the cluster forgets how keys were before the revision that it has then, asked of the member Host
	Compact     Kind = "compact"
	DisarmAlarm Kind = "disarm-alarm" // the Alarm of Member ends, asked of the member Host

	// of etcd's users and roles, each asked of the member Host
	PutRole     Kind = "put-role"     // Role is made if need be, and gets or loses permissions
	PutUser     Kind = "put-user"     // User is made if need be, and gets or loses roles
	SetPassword Kind = "set-password" // User gets that of its source; made anew where etcd gives it none otherwise
	DropRole    Kind = "drop-role"    // Role
	DropUser    Kind = "drop-user"    // User
	EnableAuth  Kind = "enable-auth"  // permissions are on from then on
	DisableAuth Kind = "disable-auth" // users and roles stay

	PutServers Kind = "put-servers" // Pool, through the member Host

	// of the host of a balancer's node
	InstallPackages Kind = "install-packages" // Packages of the distribution, which apt then leaves at their version
	PrepareService  Kind = "prepare-service"  // the system user Account, and Paths for it
	PlaceProgram    Kind = "place-program"    // Program
	IssueClient     Kind = "issue-client"     // Leaf, of the client that the service is towards etcd
	WriteService    Kind = "write-service"    // Changes, which Try accepts; systemd reads a changed unit again
	// Unit is enabled and started; when it is active, Paths are removed, but for programs that others use
	StartService   Kind = "start-service"
	RestartService Kind = "restart-service" // likewise
	ReloadService  Kind = "reload-service"  // Unit reads its configuration anew
	RemoveService  Kind = "remove-service"  // Unit is stopped and disabled, and Paths are removed likewise

	// AwaitRaftSnapshot writes a key and deletes it: a member that runs with snapshot-count 1 takes its raft snapshot
	// then.
	AwaitRaftSnapshot Kind = "await-raft-snapshot"
	AwaitVersion      Kind = "await-version" // the cluster, and the data of all members, become of the minor Version
	AwaitLeader       Kind = "await-leader"  // all members that serve reads name the same leader

	MarkRestore   Kind = "mark-restore"   // Restoring, on a host that takes part; only to restore the cluster
	SalvageMember Kind = "salvage-member" // Salvage: a snapshot of a copy of its data; only to recover the cluster
	RestoreData   Kind = "restore-data"   // Restore: the member's data is made from a snapshot; only to restore the cluster
	UnmarkRestore Kind = "unmark-restore" // the restored cluster serves; only to restore the cluster

	StopMember  Kind = "stop-member"  // stopped and disabled; only to end the cluster
	MoveAside   Kind = "move-aside"   // Paths, with all that is in them
	PurgeData   Kind = "purge-data"   // Paths; only to destroy the cluster, and only by name
	RemoveFiles Kind = "remove-files" // Paths, and releases that no unit uses
)

// Step is one change on one host, or on the control machine.
type Step struct {
	Kind Kind   `json:"kind"`
	Host string `json:"host,omitempty"` // the member's name; empty: the control machine
	Why  string `json:"why"`

	Unit    string `json:"unit,omitempty"`    // without .service
	Version string `json:"version,omitempty"` // of etcd
	From    string `json:"from,omitempty"`    // the version of etcd that the member ran before
	To      string `json:"to,omitempty"`      // the member that leads then
	Through string `json:"through,omitempty"` // the member that is asked
	CA      string `json:"ca,omitempty"`      // role

	Generation int      `json:"generation,omitempty"` // of the CA, or of the key for tokens
	Phase      string   `json:"phase,omitempty"`      // HoldTrust or HoldLeaves
	Member     facts.ID `json:"member,omitempty"`
	PeerURLs   []string `json:"peer_urls,omitempty"`
	Alarm      string   `json:"alarm,omitempty"`  // NOSPACE or CORRUPT
	Client     string   `json:"client,omitempty"` // name
	Serial     string   `json:"serial,omitempty"` // of a client certificate, hexadecimal

	Revoke *facts.Recorded `json:"revoke,omitempty"` // the certificate of a member that is to be refused

	Role *RoleChange `json:"role,omitempty"` // of etcd's permissions
	User *UserChange `json:"user,omitempty"` // likewise

	Pool *pool.Change `json:"pool,omitempty"` // of a balancer's servers

	Packages []string `json:"packages,omitempty"` // to install
	Account  string   `json:"account,omitempty"`  // the system user of a service
	Program  *Program `json:"program,omitempty"`  // to place
	// the command that is to accept a file before it is put in place; its last argument is the file. Empty: none is
	Try []string `json:"try,omitempty"`
	// the file whose digest is noted in Loaded when the service has read it; empty: nobody needs to know
	Config string `json:"config,omitempty"`
	Loaded string `json:"loaded,omitempty"`
	// how clusterup-node tells for which backends the host takes clients: its path, and its configuration. What took
	// clients before the step has to take them again before it is done. Empty: nobody asks
	Takes []string `json:"takes,omitempty"`

	Release *Release    `json:"release,omitempty"` // to pin or install
	Paths   []Path      `json:"paths,omitempty"`   // to make, put right, move or remove
	Changes []Change    `json:"changes,omitempty"` // files to write
	Leaf    *Leaf       `json:"leaf,omitempty"`    // to issue
	Birth   *units.Born `json:"birth,omitempty"`   // Created is filled in when it is written
	Needs   *Needs      `json:"needs,omitempty"`   // nil: nothing has to hold

	Restoring *units.Restoring `json:"restoring,omitempty"` // the mark; Begun is filled in when it is written
	Restore   *Restore         `json:"restore,omitempty"`   // how data is made from a snapshot
	Salvage   *Salvage         `json:"salvage,omitempty"`   // how a snapshot is made from data
}

// RoleChange is what changes of a role. Nothing but its name is set where it goes as a whole.
type RoleChange struct {
	Name   string             `json:"name"`
	New    bool               `json:"new,omitempty"`    // there is none of the name
	Grant  []facts.Permission `json:"grant,omitempty"`  // each takes the place of one for the same keys
	Revoke []facts.Permission `json:"revoke,omitempty"` // whatever they allow
}

// UserChange is what changes of a user. Nothing but its name is set where it goes as a whole.
type UserChange struct {
	Name   string   `json:"name"`
	New    bool     `json:"new,omitempty"`    // there is none of the name
	Grant  []string `json:"grant,omitempty"`  // roles
	Revoke []string `json:"revoke,omitempty"` // roles
	// it gets the password of its source, which is in no plan; false: a new one gets none, and another keeps what it has
	Password bool `json:"password,omitempty"`
}

// Salvage is how etcd runs on a copy of a member's data.
type Salvage struct {
	Args     []string `json:"args"` // its command line; Placeholder stands for the directory of the copy
	Endpoint string   `json:"endpoint"`
	DataDir  string   `json:"data_dir"`          // that is copied
	WALDir   string   `json:"wal_dir,omitempty"` // likewise; empty: it lies within
	User     string   `json:"user"`
	Unit     string   `json:"unit"`  // that it runs as, without .service
	Token    string   `json:"token"` // of the recovery
}

// Restore is how a member's data is made from a snapshot: as if it had been in the cluster from its beginning.
type Restore struct {
	SHA256         string   `json:"sha256"` // of the snapshot
	Name           string   `json:"name"`   // of the member
	PeerURL        string   `json:"peer_url"`
	InitialCluster []string `json:"initial_cluster"` // NAME=URL, of all members
	Token          string   `json:"token"`
	DataDir        string   `json:"data_dir"`
	WALDir         string   `json:"wal_dir,omitempty"` // what --wal-dir says; empty: within DataDir
	User           string   `json:"user"`
	BinDir         string   `json:"bin_dir"`
	// revisions that are skipped, so that no client takes a new one for one that it has seen
	BumpRevision uint64 `json:"bump_revision"`
}

// MarshalJSON writes the Through of update-member as "to" as well: older versions wrote it there, and readers may still
// look for it.
func (s Step) MarshalJSON() ([]byte, error) {
	type plain Step
	if s.Kind == UpdateMember {
		s.To = s.Through
	}
	return json.Marshal(plain(s))
}

// ID names a step for people, logs and tests: "write-unit/etcd-1", "issue-leaf/peer/etcd-1".
func (s Step) ID() string {
	parts := []string{string(s.Kind)}
	switch {
	case s.Leaf != nil:
		parts = append(parts, s.Leaf.Role)
	case s.Revoke != nil:
		parts = append(parts, s.Revoke.Role, s.Revoke.Member, s.Revoke.Serial)
	case s.Generation != 0 && s.CA == "":
		parts = append(parts, strconv.Itoa(s.Generation))
	case s.Generation != 0:
		parts = append(parts, fmt.Sprintf("%s-%d", s.CA, s.Generation))
	case s.CA != "":
		parts = append(parts, s.CA)
	case s.Client != "":
		parts = append(parts, s.Client, s.Serial)
	case s.Kind == PinRelease:
		parts = append(parts, s.Release.Arch)
	case s.Alarm != "":
		parts = append(parts, s.Alarm, s.Member.String())
	case s.Role != nil:
		parts = append(parts, part(s.Role.Name))
	case s.User != nil:
		parts = append(parts, part(s.User.Name))
	case s.Pool != nil:
		parts = append(parts, s.Pool.Balancer)
	case s.Kind.Traits().Where == Node && s.Unit != "":
		parts = append(parts, s.Unit)
	case len(s.Try) > 0 && len(s.Changes) > 0:
		parts = append(parts, path.Base(s.Changes[0].Path))
	}
	if s.Host != "" {
		parts = append(parts, s.Host)
	}
	return path.Join(parts...)
}

// part is a name as a part of an ID: what may stand in no path, such as "/", is written as in a URL, and the end of a
// very long one is a digest.
func part(name string) string {
	const most = 64 // bytes
	switch {
	case name == "." || name == "..":
		return strings.ReplaceAll(name, ".", "%2E")
	case len(name) > most:
		sum := sha256.Sum256([]byte(name))
		name = name[:most] + "-" + hex.EncodeToString(sum[:4])
	}
	return url.PathEscape(name)
}

// Point names a step for tests that disturb it: as ID does, without what is another one in each run, which are serials
// and the number of a key for tokens. A point that comes again is counted by whoever lists it.
func (s Step) Point() string {
	s.Serial = ""
	if s.CA == "" {
		s.Generation = 0
	}
	if s.Revoke != nil {
		s.Revoke = &facts.Recorded{Role: s.Revoke.Role, Member: s.Revoke.Member}
	}
	return s.ID()
}

// Path is a directory or file with its owner and mode.
type Path struct {
	Path  string      `json:"path"`
	Owner string      `json:"owner"`
	Group string      `json:"group"`
	Mode  fs.FileMode `json:"mode"`
}

// Change is a file that is written. None of them is secret: keys are made when a leaf is issued, and are in no plan.
type Change struct {
	units.File
	Was     []byte `json:"was,omitempty"` // what is there now
	Existed bool   `json:"existed"`
}

// Leaf is a certificate to be issued. Its key is made in the memory of the control machine, and written to the host
// only.
type Leaf struct {
	Role       string        `json:"role"` // peer or server, or client of a service
	CA         string        `json:"ca"`   // role of the CA that signs
	Generation int           `json:"generation"`
	CN         string        `json:"cn"`           // the common name; empty: none
	OU         string        `json:"ou,omitempty"` // whose it is, where that is not the common name
	Names      []string      `json:"names"`        // SANs
	Lifetime   time.Duration `json:"lifetime"`
	Algorithm  string        `json:"algorithm"`
	ConfigDir  string        `json:"config_dir"`
}

// Program is a program of clusterup's own for one architecture.
type Program struct {
	Arch   string `json:"arch"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"` // bytes
	Path   string `json:"path"` // where it lies on hosts
}

// Needs is what has to hold right before a step stops a process: at least so many of these members serve linearizable
// reads. It was so when the stage was decided, and is asked again.
type Needs struct {
	Least int      `json:"least"`
	Serve []string `json:"serve"` // members, in the order of the inventory
}
