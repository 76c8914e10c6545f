package pool

import (
	"fmt"
	"maps"
	"slices"
)

// MaxChange is how many servers one Change may put and remove: etcd takes 128 operations in a transaction where nobody
// says otherwise (--max-txn-ops), and the generation is one of them.
const MaxChange = 100

// Change is what is done to the keys of a balancer in one transaction, if these keys are still as they were read.
type Change struct {
	Balancer string            `json:"balancer"`
	Put      map[string]Server `json:"put,omitempty"`
	Remove   []string          `json:"remove,omitempty"`
	Was      map[string]Server `json:"was,omitempty"` // those of these servers that there were, as far as their keys were good
	// the Digest of the pool that the generation key confirms; empty: it confirms nothing
	Confirm string `json:"confirm,omitempty"`
	// revisions of the keys as they were read, by the names of servers; 0 or missing: there was no such key
	Generation int64            `json:"generation"`
	Revisions  map[string]int64 `json:"revisions,omitempty"`
	Read       int64            `json:"read"` // the revision at which all keys were read: none has changed since
}

// Change is what leads from w to other servers: keys that are to be put and removed. Those that are not in one of both
// are left alone.
func (w Wanted) Change(balancer string, put map[string]Server, remove ...string) Change {
	c := Change{
		Balancer: balancer, Put: put, Remove: remove, Generation: w.GenerationRevision, Revisions: map[string]int64{},
		Read: w.Revision, Was: map[string]Server{},
	}
	for _, name := range c.Names() {
		if server, there := w.Servers[name]; there {
			c.Was[name] = server
		}
		if revision := w.Revisions[name]; revision != 0 {
			c.Revisions[name] = revision
		}
	}
	return c
}

// Names are the servers that a change is about, sorted.
func (c Change) Names() []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.AppendSeq(slices.Clone(c.Remove), maps.Keys(c.Put)))))
}

// Rest adds revisions of the other servers that take clients, so that the change is not made where one of them is gone
// meanwhile: of so many as a transaction has room for.
func (c *Change) Rest(w Wanted) {
	c.Revisions = maps.Clone(c.Revisions)
	names := c.Names()
	for _, name := range taking(w.Servers) {
		if len(c.Revisions) < MaxChange && !slices.Contains(names, name) {
			c.Revisions[name] = w.Revisions[name]
		}
	}
}

// After is what the keys say once the change is made, at the next revision.
func (c Change) After(w Wanted) Wanted {
	w.Servers, w.Bad, w.Revisions = maps.Clone(w.Servers), maps.Clone(w.Bad), maps.Clone(w.Revisions)
	if w.Servers == nil {
		w.Servers, w.Revisions = map[string]Server{}, map[string]int64{}
	}
	w.Revision++
	for _, name := range c.Names() {
		delete(w.Servers, name)
		delete(w.Bad, name)
		delete(w.Revisions, name)
		if server, put := c.Put[name]; put {
			w.Servers[name], w.Revisions[name] = server, w.Revision
		}
	}
	w.Generation, w.GenerationRevision = Generation{Confirm: c.Confirm}, w.Revision
	return w
}

// Done says that the keys are as the change makes them, whoever has made it.
func (c Change) Done(w Wanted) bool {
	for name, server := range c.Put {
		if w.Servers[name] != server {
			return false
		}
	}
	return !slices.ContainsFunc(c.Remove, func(name string) bool { return w.Revisions[name] != 0 }) &&
		w.Generation.Confirm == c.Confirm
}

// Shrinks says why followers would hold the change back, as Decide does; empty: they would not. Confirmable says that
// they go along where the generation key confirms it.
func (c Change) Shrinks(w Wanted) (why string, confirmable bool) {
	before, after := Taking(w.Servers), Taking(c.After(w).Servers)
	switch {
	case after >= before:
		return "", false
	case after == 0:
		return "no server would be left that takes clients", false
	case 2*after < before:
		return fmt.Sprintf("%d of %d servers that take clients would be left", after, before), true
	}
	return "", false
}
