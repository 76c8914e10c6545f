package apply

import "time"

// Entry is one line of journal.jsonl: what a run did, for people. Nothing is ever decided from it.
type Entry struct {
	Run     string    `json:"run"`
	Time    time.Time `json:"time"`
	Seconds float64   `json:"seconds"`
	User    string    `json:"user"`
	From    string    `json:"from"`
	Command string    `json:"command"`
	Version string    `json:"clusterup"`
	Etcd    string    `json:"etcd"`
	Steps   []string  `json:"steps"`   // IDs of the steps done, sorted
	Outcome string    `json:"outcome"` // done, exit CODE, NotFinished
	Error   string    `json:"error,omitempty"`
}

// NotFinished is the outcome of a run that has only its first line: it goes on, or was killed. How long it took and
// what it did is not known.
const NotFinished = "not finished"
