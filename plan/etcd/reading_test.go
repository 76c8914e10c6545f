package etcd

import (
	"encoding/json"
	"sync"

	"github.com/clusterup/clusterup/units"
)

// Walks read the same few texts in every state, so each text is read once.
var (
	markers  sync.Map // text → bornAs
	commands sync.Map // text → []string
)

// bornAs is what a birth marker says.
type bornAs struct {
	Member    string `json:"member"`
	ClusterID string `json:"cluster_id"`
	MemberID  string `json:"member_id"`
}

// markerOf reads a birth marker; one that cannot be read is one of nobody knows what.
func markerOf(text []byte) bornAs {
	if known, ok := markers.Load(string(text)); ok {
		return known.(bornAs)
	}
	var born bornAs
	_ = json.Unmarshal(text, &born)
	markers.Store(string(text), born)
	return born
}

// commandOf is what a unit starts.
func commandOf(unit []byte) []string {
	if known, ok := commands.Load(string(unit)); ok {
		return known.([]string)
	}
	command := units.Command(unit)
	commands.Store(string(unit), command)
	return command
}
