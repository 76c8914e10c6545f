package units

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
)

// Restoring is the mark of a host that takes part in a restore. It lies there from before its member stops until all
// members of the restored cluster serve, so that any machine can go on, and nothing else is done meanwhile.
type Restoring struct {
	Form     int       `json:"form"` // see [Form]
	Cluster  string    `json:"cluster"`
	Verb     string    `json:"verb"`            // the command that goes on: "snapshot restore", "recover"
	SHA256   string    `json:"sha256"`          // of the snapshot, hexadecimal; empty in a recovery that has yet to make it
	Revision int64     `json:"revision"`        // of the snapshot, at least
	Token    string    `json:"token"`           // of the cluster that is made from it
	Members  []string  `json:"members"`         // of that cluster
	PeerCA   int       `json:"peer_ca"`         // the last generation that signed for peers before; 0: there was none
	Ended    []string  `json:"ended,omitempty"` // clusters whose place it takes, as hexadecimal IDs
	Above    int64     `json:"above,omitempty"` // the highest revision that is known of clusters before
	By       string    `json:"by,omitempty"`    // who began it, for people
	Begun    time.Time `json:"begun"`           // written in UTC, to the second
}

// RestoringPath is where the mark of the member with this configuration directory lies.
func RestoringPath(configDir string) string { return path.Join(configDir, "restoring.json") }

// Mark is the mark as a file.
func Mark(configDir string, r Restoring) File {
	r.Form, r.Begun = Form, r.Begun.UTC().Truncate(time.Second)
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil { // as with [Birth], a year beyond 9999
		r.Begun = time.Time{}
		data, _ = json.MarshalIndent(r, "", "  ")
	}
	return Plain(RestoringPath(configDir), append(data, '\n'))
}

// ParseRestoring reads a mark. One without a digest, a token or members is an error.
func ParseRestoring(data []byte) (Restoring, error) {
	var r Restoring
	if err := json.Unmarshal(data, &r); err != nil {
		return Restoring{}, fmt.Errorf("read the mark of a restore: %w", err)
	}
	if r.SHA256 == "" && r.Verb != "recover" || r.Token == "" || len(r.Members) == 0 {
		return Restoring{}, errors.New("read the mark of a restore: it names no snapshot, token or members")
	}
	if r.Form > Form {
		return Restoring{}, errors.New("read the mark of a restore: a newer clusterup wrote it")
	}
	if strings.Trim(r.SHA256, "0123456789abcdef") != "" || len(r.SHA256) > 64 || len(r.Token) > 128 || len(r.By) > 256 {
		return Restoring{}, errors.New("read the mark of a restore: clusterup did not write it")
	}
	return r, nil
}
