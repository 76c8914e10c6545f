package facts

import (
	"fmt"
	"strconv"
)

// ID is an etcd cluster or member ID. It reads and writes as etcdctl prints it: lower-case hexadecimal.
// Zero means "none" or "not known".
type ID uint64

// String is the ID in lower-case hexadecimal, "" for zero.
func (id ID) String() string {
	if id == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(id), 16)
}

// MarshalText makes an ID a hexadecimal string in JSON, since 64 bits do not fit a JSON number.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = 0
		return nil
	}
	v, err := strconv.ParseUint(string(text), 16, 64)
	if err != nil {
		return fmt.Errorf("parse etcd ID %q: %w", text, err)
	}
	*id = ID(v)
	return nil
}

// Listed is one entry of the cluster's member list.
type Listed struct {
	ID         ID       `json:"id"`
	Name       string   `json:"name"` // empty until the member has started for the first time
	PeerURLs   []string `json:"peer_urls"`
	ClientURLs []string `json:"client_urls"` // empty until the member has published itself
	Learner    bool     `json:"learner,omitempty"`
}

// Status is what one member says of itself (the Maintenance Status call, which every member answers locally, also
// without quorum).
type Status struct {
	ClusterID      ID     `json:"cluster_id"`
	MemberID       ID     `json:"member_id"`
	Version        string `json:"version"`                   // of the running server, "3.6.16"
	StorageVersion string `json:"storage_version,omitempty"` // "3.6.0"; empty before 3.6
	// target of an enabled downgrade, "3.5.0"; empty: none, or a member of 3.5, which does not say
	Downgrade string `json:"downgrade,omitempty"`
	Leader    ID     `json:"leader"` // zero: this member knows no leader
	Term      uint64 `json:"raft_term"`
	Index     uint64 `json:"raft_index"`
	Applied   uint64 `json:"raft_applied_index"`
	DBSize    int64  `json:"db_size"`        // bytes, as allocated
	DBInUse   int64  `json:"db_size_in_use"` // bytes
	Learner   bool   `json:"learner,omitempty"`
	// the member's own words, such as that it knows no leader; alarms are in Alarms
	Errors []string `json:"errors,omitempty"`
}

// Rights are what a client may do, as far as a read has shown it.
type Rights struct {
	Known bool `json:"known"` // all else is false where it is not
	On    bool `json:"on"`    // etcd's permissions are on; else every client may read and write everything
	Reads bool `json:"reads"` // they are on, and let this client read keys all the same
}

// Alarm is a raised alarm of one member.
type Alarm struct {
	Member ID     `json:"member"`
	Type   string `json:"type"` // NOSPACE or CORRUPT
}

// Hash is a digest of a member's keys up to a revision. Two are of the same data where they are equal.
type Hash struct {
	Sum       uint32 `json:"sum"`
	Revision  int64  `json:"revision"`
	Compacted int64  `json:"compacted"`       // history below it was dropped
	Error     string `json:"error,omitempty"` // why there is none
}
