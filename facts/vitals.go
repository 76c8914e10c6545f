package facts

import "time"

// Vitals are what a member counts of itself since its process has started; status and check ask for them. A zero value
// is not known.
type Vitals struct {
	Started       time.Time `json:"started,omitzero"` // by its host's clock
	LeaderChanges int64     `json:"leader_changes"`   // that it has seen
	Fsyncs        int64     `json:"fsyncs"`           // of its write-ahead log
	// FsyncP99 is how many seconds 99 of 100 of those took at most, by the bounds of etcd's histogram; twice the last one
	// where more took longer than that
	FsyncP99 float64 `json:"fsync_p99_seconds"`
}
