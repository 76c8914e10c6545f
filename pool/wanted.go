package pool

import (
	"fmt"
	"net/netip"
	"strings"
)

// Key is a key of a balancer as etcd has it.
type Key struct {
	Value    []byte
	Revision int64 // of its last change
}

// Wanted is what the keys of a balancer say at one revision.
type Wanted struct {
	Revision int64             `json:"revision"`
	Servers  map[string]Server `json:"servers,omitempty"` // those whose keys are good
	// what is wrong with other keys, by the name of the server, which may be no good name
	Bad map[string]string `json:"bad,omitempty"`
	// of the last change of each server's key, good or not
	Revisions map[string]int64 `json:"revisions,omitempty"`

	Generation         Generation `json:"generation,omitzero"`
	GenerationRevision int64      `json:"generation_revision,omitempty"` // 0: there is no such key
}

// Read says what the keys of a balancer, by their whole names, want. See ParseServer for networks. It is an error when
// there are more servers than MaxServers; a key that is not good is none.
func (k Keys) Read(keys map[string]Key, revision int64, networks []netip.Prefix) (Wanted, error) {
	want := Wanted{
		Revision: revision, Servers: map[string]Server{}, Bad: map[string]string{}, Revisions: map[string]int64{},
	}
	if n := len(keys); n > MaxServers+1 {
		return Wanted{}, fmt.Errorf("%s %d: none of them is changed", TooMany, MaxServers)
	}
	for key, is := range keys {
		if key == k.Generation() {
			g, err := ParseGeneration(is.Value)
			if err != nil {
				want.Bad[badGeneration] = err.Error()
			}
			want.Generation, want.GenerationRevision = g, is.Revision
			continue
		}
		name, ok := strings.CutPrefix(key, k.Servers())
		if !ok {
			continue
		}
		want.Revisions[name] = is.Revision
		if err := CheckName(name); err != nil {
			want.Bad[name] = err.Error()
			continue
		}
		s, err := ParseServer(is.Value, networks)
		if err != nil {
			want.Bad[name] = err.Error()
			continue
		}
		want.Servers[name] = s
	}
	return want, nil
}

// TooMany is how the error begins that there are more servers than a balancer may have.
const TooMany = "there are more servers than"

// badGeneration stands for the generation key among names of servers, of which it is none.
const badGeneration = "(generation)"
