package units

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Born is the birth marker: proof, outside the data directory, that this host once held a member with data. While it is
// there, the unit does not start the member without its WAL: a member that comes back with its old ID and an empty log
// has forgotten its votes (etcd issue 13509).
type Born struct {
	Cluster   string `json:"cluster"`
	Member    string `json:"member"`
	ClusterID string `json:"cluster_id"` // hexadecimal, as etcdctl prints it
	MemberID  string `json:"member_id"`  // likewise
	Token     string `json:"token"`
	DataDir   string `json:"data_dir,omitempty"`   // where its data lies; empty in older markers
	WALDir    string `json:"wal_dir,omitempty"`    // what --wal-dir says
	User      string `json:"user,omitempty"`       // that it runs as; empty in older markers
	Form      int    `json:"form,omitempty"`       // see [Form]; 0 in markers of form 1
	WrittenBy string `json:"written_by,omitempty"` // version of clusterup, for people
	// clusters that this one was restored in place of, as hexadecimal IDs; data of theirs is nobody's any more
	Ended    []string  `json:"ended,omitempty"`
	Begins   int64     `json:"begins,omitempty"`   // the revision that its store begins with; 0: with none, or it was not noted
	Snapshot string    `json:"snapshot,omitempty"` // the SHA-256 of the one that its data was made from; "": none
	Created  time.Time `json:"created"`            // written in UTC, to the second
}

// Birth is the birth marker of the member with this configuration directory.
func Birth(configDir string, b Born) File {
	b.Created = b.Created.UTC().Truncate(time.Second)
	data, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		// Only a year beyond 9999 cannot be written. A marker without a date still guards.
		b.Created = time.Time{}
		data, _ = json.MarshalIndent(b, "", "  ")
	}
	return Plain(birthPath(configDir), append(data, '\n'))
}

// ParseBirth reads a birth marker. Fields that it does not know are left alone; one without the IDs is an error.
func ParseBirth(data []byte) (Born, error) {
	var b Born
	if err := json.Unmarshal(data, &b); err != nil {
		return Born{}, fmt.Errorf("read birth marker: %w", err)
	}
	for _, id := range []struct{ field, value string }{{"cluster_id", b.ClusterID}, {"member_id", b.MemberID}} {
		if _, err := strconv.ParseUint(id.value, 16, 64); err != nil {
			return Born{}, fmt.Errorf("read birth marker: %s is %q, not a hexadecimal ID", id.field, id.value)
		}
	}
	return b, nil
}
