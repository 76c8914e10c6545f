package haproxy

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/pool"
)

// Backend is a backend (or a "listen") of HAProxy whose servers are kept to what is wanted.
type Backend struct {
	Name string `json:"name"`
	// Server has the words of a server's line after its address, such as "check", "inter", "2s". "add server" takes
	// none of the backend's "default-server". {name} stands for the server's name. Address, port, weight and the port
	// of checks come from the keys.
	Server []string `json:"server"`
}

var (
	backendName = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,63}$`)
	// A word that means nothing to the parser of HAProxy's commands but itself.
	plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:,=@%+-]{1,255}$`)
	ofKeys    = []string{"port", "weight", "disabled", "enabled", "addr", "track", "cookie", "init-addr"}
)

// Validate is an error unless the backend can be kept.
func (b Backend) Validate() error {
	if !backendName.MatchString(b.Name) {
		return fmt.Errorf("%s is no name of a backend", pool.Quote(b.Name))
	}
	for _, word := range b.Server {
		if !plainWord.MatchString(strings.ReplaceAll(word, "{name}", "")+"x") || slices.Contains(ofKeys, word) {
			return fmt.Errorf("%s cannot be in a server's line of backend %s", pool.Quote(word), b.Name)
		}
	}
	return nil
}

func (b Backend) checked() bool { return slices.Contains(b.Server, "check") }

// Difference is what there is to do in a backend.
type Difference struct {
	Changes []string // to be sent, those first that add to the pool
	// Settled: nothing is left to do but to delete servers that are drained.
	Settled bool
	// Kept names servers that stay as they are until another one is up.
	Kept []string
}

// Diff says how to make of what HAProxy has in a backend what is wanted there. A server that is not wanted is drained,
// and deleted when no client has a connection to it any more, or when overdue says so. While no wanted server takes
// clients, none is taken from them.
func Diff(b Backend, has []Seen, want map[string]pool.Server, overdue func(name string) bool) Difference {
	seen := map[string]Seen{}
	for _, s := range has {
		if s.Backend == b.Name {
			seen[s.Name] = s
		}
	}
	var more, less, moves, goes []step
	proven, pending := 0, 0
	for _, name := range slices.Sorted(maps.Keys(want)) {
		s, there := seen[name]
		w, on := want[name], b.Name+"/"+name
		if !there {
			more = append(more, step{name, b.add(on, name, w)})
			if w.Takes() {
				pending++
			}
			continue
		}
		do, serves := step{name, change(on, s, w)}, s.Takes() && s.Up
		switch moved := s.Checked && s.moved(w); {
		case serves && !w.Takes():
			goes = append(goes, do)
		case serves && moved:
			moves = append(moves, do)
		case !w.Takes():
			less = append(less, do)
		default:
			more = append(more, do)
			if serves {
				proven++
			} else {
				pending++
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		if _, wanted := want[name]; wanted || !backendName.MatchString(name) {
			continue
		}
		s := seen[name]
		if do := (step{name, leave(b.Name+"/"+name, s, overdue(name))}); s.Takes() && s.Up {
			goes = append(goes, do)
		} else {
			less = append(less, do)
		}
	}

	var d Difference
	now := slices.Concat(moves, goes)
	if proven == 0 {
		// Somebody has to move first, if nobody is on the way.
		n := 0
		if pending == 0 {
			n = (len(moves) + 1) / 2
		}
		now = moves[:n]
		for _, do := range slices.Concat(moves[n:], goes) {
			d.Kept = append(d.Kept, b.Name+"/"+do.name)
		}
	}
	d.Settled = len(d.Kept) == 0
	for _, do := range slices.Concat(more, now, less) {
		if len(do.commands) == 0 {
			continue
		}
		d.Changes = append(d.Changes, strings.Join(do.commands, ";"))
		if _, wanted := want[do.name]; wanted || seen[do.name].State == pool.Ready {
			d.Settled = false
		}
	}
	return d
}

// step is what there is to do about one server. HAProxy does nothing else between its commands.
type step struct {
	name string
	commands
}

func (s Seen) moved(w pool.Server) bool { return s.Address != w.Address || s.Port != w.Port }

type commands []string

func (c *commands) add(format string, args ...any) { *c = append(*c, fmt.Sprintf(format, args...)) }

// add makes a server. HAProxy puts it into maintenance at first.
func (b Backend) add(on, name string, w pool.Server) commands {
	words := make([]string, 0, len(b.Server))
	for _, word := range b.Server {
		words = append(words, strings.ReplaceAll(word, "{name}", name))
	}
	var c commands
	c.add("add server %s %s %s weight %d", on, netip.AddrPortFrom(w.Address, w.Port), strings.Join(words, " "), w.Weight)
	s := Seen{Server: w, Checked: b.checked()}
	s.State = pool.Maint
	if s.Checked {
		c[0] += fmt.Sprintf(" port %d", w.Check)
	}
	return append(c, change(on, s, w)...)
}

// change makes of a server what is wanted of it. A checked server that comes out of maintenance, or to another address,
// counts as down until a check has succeeded: HAProxy itself would count it as up until one has failed, and send
// clients to a replica that is no primary. So it is taken from clients before it is changed. Checks that somebody has
// switched off for a server in use stay off.
func change(on string, s Seen, w pool.Server) commands {
	var c commands
	moved := s.moved(w)
	if s.Checked && moved && s.State == pool.Ready {
		// The rest follows with the next look: HAProxy has chosen this server for clients that it has not connected yet,
		// and would send them to the new address.
		c.add("set server %s state drain", on)
		return c
	}
	if s.Checked && !s.Checking && s.State == pool.Maint {
		c.add("enable health %s", on)
	}
	unproven := s.Checked && w.State != pool.Maint && (moved || s.State == pool.Maint)
	for _, first := range []struct {
		now   bool
		state pool.State
	}{{unproven, pool.Drain}, {!unproven && w.State != pool.Ready, w.State}} {
		if first.now && s.State != first.state {
			c.add("set server %s state %s", on, first.state)
			s.State = first.state
		}
	}
	if moved {
		c.add("set server %s addr %s port %d", on, w.Address, w.Port)
	}
	if s.Checked && (s.Check != w.Check || moved) {
		c.add("set server %s check-port %d", on, w.Check)
	}
	if s.Weight != w.Weight {
		c.add("set server %s weight %d", on, w.Weight)
	}
	if unproven {
		c.add("set server %s health down", on)
	}
	if s.State != w.State {
		c.add("set server %s state %s", on, w.State)
	}
	return c
}

// leave takes a server out, in two steps.
func leave(on string, s Seen, overdue bool) commands {
	var c commands
	gone := s.Used == 0 || overdue
	switch {
	case s.State == pool.Ready:
		c.add("set server %s state drain", on)
	case s.State == pool.Drain && gone:
		c.add("set server %s state maint", on)
	}
	if gone && s.State != pool.Ready {
		c.add("del server %s", on)
	}
	return c
}
