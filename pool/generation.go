package pool

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
)

// Generation is the value of the generation key, which every change of servers writes too. The revision of that key
// tells one change from the next; its value may be empty.
type Generation struct {
	// Confirm is the Digest of a pool: the servers may become these few, once.
	Confirm string `json:"confirm,omitempty"`
}

var digest = regexp.MustCompile(`^[0-9a-f]{16}$`)

// Render is the value that ParseGeneration reads.
func (g Generation) Render() string {
	b, err := json.Marshal(g)
	if err != nil { // there is no such value
		panic(err)
	}
	return string(b)
}

// ParseGeneration reads the value of the generation key.
func ParseGeneration(value []byte) (Generation, error) {
	if len(value) == 0 {
		return Generation{}, nil
	}
	found, err := fields(value, "confirm")
	if err != nil {
		return Generation{}, err
	}
	confirm, err := text(found, "confirm")
	if err != nil {
		return Generation{}, err
	}
	if _, there := found["confirm"]; there && !digest.MatchString(confirm) {
		return Generation{}, fmt.Errorf("confirm %s is no digest: want 16 of 0-9 and a-f, as a report has them",
			Quote(confirm))
	}
	return Generation{Confirm: confirm}, nil
}

// Digest names a pool by the servers in it that take clients, whatever their addresses and weights are.
func Digest(servers map[string]Server) string {
	sum := sha256.New()
	for _, name := range taking(servers) {
		fmt.Fprintln(sum, name)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}
