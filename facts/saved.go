package facts

import (
	"path/filepath"
	"time"
)

// SavedSnapshot is a copy of a cluster's data that lies on the control machine. It is the description beside the copy,
// too, where Path is the name of the file alone. What older versions of clusterup did not write is zero.
type SavedSnapshot struct {
	Path      string   `json:"path"` // of the file, absolute
	Cluster   string   `json:"cluster,omitempty"`
	ClusterID ID       `json:"cluster_id"`
	Members   []Listed `json:"members,omitempty"` // of the cluster then
	Member    string   `json:"member,omitempty"`  // that it was taken from
	Version   string   `json:"version"`           // of that member, "3.5.35"
	// what the member had applied right before: all writes up to here are in it, and perhaps some after; zero: not known
	Revision int64 `json:"revision"`
	// of what the store held at that revision
	Keys *int64   `json:"keys,omitempty"` // how many; nil: not known
	Hash *KeyHash `json:"hash,omitempty"` // nil: not known

	Size   int64  `json:"size,omitempty"` // bytes of the snapshot itself, plain
	SHA256 string `json:"sha256"`         // of the same, hexadecimal

	SealedTo   []string `json:"sealed_to,omitempty"`   // recipients; none: the file is the snapshot itself, plain
	FileSize   int64    `json:"file_size,omitempty"`   // bytes of the sealed file
	FileSHA256 string   `json:"file_sha256,omitempty"` // of the sealed file, hexadecimal

	Taken time.Time `json:"taken"`        // the control machine's clock
	By    string    `json:"by,omitempty"` // USER@MACHINE
	For   string    `json:"for,omitempty"`
	// the recovery that took it of a copy of a member's data; empty: it is of a member that served
	Salvage string `json:"salvage,omitempty"`

	Verified time.Time `json:"verified,omitzero"` // when all of it was last read, and fitted its digest; zero: when taken
	Drilled  time.Time `json:"drilled,omitzero"`  // when it was last restored on trial; zero: never
	Damage   string    `json:"damage,omitempty"`  // what was wrong when it was last read; empty: nothing
}

// KeyHash is etcd's digest of all keys up to a revision (HashKV). Those of one revision can be compared if Compacted is
// the same.
type KeyHash struct {
	Sum       uint32 `json:"sum"`
	Compacted int64  `json:"compacted"` // below which history was dropped before
}

// File is the name of the file.
func (s SavedSnapshot) File() string { return filepath.Base(s.Path) }

// Sealed says whether the file has to be opened with a key.
func (s SavedSnapshot) Sealed() bool { return len(s.SealedTo) > 0 }

// Checked is when its bytes were last seen to be right.
func (s SavedSnapshot) Checked() time.Time {
	if s.Verified.IsZero() {
		return s.Taken
	}
	return s.Verified
}
