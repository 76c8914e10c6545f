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

// Diff has the changes that make of what HAProxy has in a backend what is wanted there, those first that add to the
// pool. A server that is not wanted is drained, and deleted when no client has a connection to it any more, or when
// overdue says so; only that is left to do once it is settled. While no wanted server takes clients, none is taken from
// them.
func Diff(b Backend, has []Seen, want map[string]pool.Server, overdue func(name string) bool,
) (changes []string, settled bool) {
	settled = true
	seen := map[string]Seen{}
	takes := false
	for _, s := range has {
		if s.Backend == b.Name {
			seen[s.Name] = s
			takes = takes || s.Takes()
		}
	}
	empty := takes && pool.Taking(want) == 0

	var more, less []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		w, on := want[name], b.Name+"/"+name
		s, there := seen[name]
		var c commands
		if there {
			c = change(on, s, w)
		} else {
			c = b.add(on, name, w)
		}
		switch {
		case len(c) == 0, empty && s.Takes() && !w.Takes():
		case w.Takes():
			more, settled = append(more, c.line()), false
		default:
			less, settled = append(less, c.line()), false
		}
	}
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		if _, wanted := want[name]; wanted || empty || !backendName.MatchString(name) {
			continue
		}
		if c := leave(b.Name+"/"+name, seen[name], overdue(name)); len(c) > 0 {
			less = append(less, c.line())
			settled = settled && seen[name].State != pool.Ready
		}
	}
	return append(more, less...), settled
}

// commands are sent in one line: HAProxy does nothing else between them.
type commands []string

func (c commands) line() string { return strings.Join(c, ";") }

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
	moved := s.Address != w.Address || s.Port != w.Port
	if s.Checked && !s.Checking && s.State == pool.Maint {
		c.add("enable health %s", on)
	}
	unproven := s.Checked && w.State != pool.Maint && (moved || s.State == pool.Maint)
	if unproven && s.State != pool.Drain {
		c.add("set server %s state drain", on)
		s.State = pool.Drain
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
