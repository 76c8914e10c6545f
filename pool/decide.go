package pool

import (
	"fmt"
	"maps"
	"slices"
)

// Force is what is in force on a node: what HAProxy is kept to.
type Force struct {
	Servers map[string]Server `json:"servers"`
	// Spent is the revision of the generation key whose confirm has been used, so that it is good once.
	Spent int64 `json:"spent"`
}

// Held says that servers go on taking clients, although their keys say otherwise or are gone.
type Held struct {
	Servers []string `json:"servers"` // their names, sorted
	Why     string   `json:"why"`
	Confirm string   `json:"confirm,omitempty"` // with this in the generation key they would go; "": nothing lets them go
}

// Decide says what is in force from now on. A server whose key is bad stays as it is. Other servers follow their keys,
// unless too many of those that take clients would no longer do so: then all of these stay as they are, and the rest
// follows its keys all the same. Too many are all of them, whatever is confirmed; or so many that less than half of
// most would be left, unless the generation key confirms just what would be left. Most is the largest pool of the time
// that counts as at once; the pool in force counts in any case.
func Decide(now Force, want Wanted, most int) (Force, *Held) {
	next := Force{Servers: map[string]Server{}, Spent: now.Spent}
	maps.Copy(next.Servers, want.Servers)
	for name := range want.Bad {
		if s, there := now.Servers[name]; there {
			next.Servers[name] = s
		}
	}
	before, after := taking(now.Servers), taking(next.Servers)
	lost := slices.DeleteFunc(slices.Clone(before), func(name string) bool { return next.Servers[name].Takes() })
	most = max(most, len(before))
	left := Digest(next.Servers)
	confirmed := want.Generation.Confirm == left && want.GenerationRevision != now.Spent

	var held *Held
	switch {
	case len(lost) == 0:
	case len(after) == 0:
		held = &Held{Servers: lost, Why: "no server would be left that takes clients"}
	case 2*len(after) < most && !confirmed:
		held = &Held{
			Servers: lost, Confirm: left,
			Why: fmt.Sprintf("%d of %d servers that take clients would be left at once", len(after), most),
		}
	}
	if held != nil {
		for _, name := range lost {
			next.Servers[name] = now.Servers[name]
		}
	}
	// Whether it was needed or not: the pool has become what was confirmed.
	if want.Generation.Confirm == Digest(next.Servers) {
		next.Spent = want.GenerationRevision
	}
	return next, held
}

// taking has the names of the servers that take clients, sorted.
func taking(servers map[string]Server) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		if servers[name].Takes() {
			names = append(names, name)
		}
	}
	return names
}

// Taking says how many servers take clients.
func Taking(servers map[string]Server) int { return len(taking(servers)) }
