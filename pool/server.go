package pool

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
)

// State is what is wanted of a server.
type State string

// The states that there are.
const (
	Ready State = "ready" // takes clients
	Drain State = "drain" // keeps the clients that it has, and takes no new ones
	Maint State = "maint" // is not used, and not checked
)

const (
	// MaxServers is how many servers a balancer may have.
	MaxServers = 1000
	// MaxWeight is HAProxy's; see configuration.txt, "weight".
	MaxWeight = 256
	// UsualWeight is the weight of a server whose key has none. HAProxy's is 1, which leaves no room below.
	UsualWeight = 100
)

// Server is the value of a server's key.
type Server struct {
	Address netip.Addr `json:"address"` // without a zone
	Port    uint16     `json:"port"`
	Check   uint16     `json:"check"`  // the port that health checks go to
	Weight  int        `json:"weight"` // 0 to MaxWeight; with 0 it takes no new clients
	State   State      `json:"state"`
}

// Takes says whether the server takes new clients, as far as its key decides that.
func (s Server) Takes() bool { return s.State == Ready && s.Weight > 0 }

// String is the server for people: "10.0.0.21:6432, check 8008, weight 100, ready".
func (s Server) String() string {
	text := netip.AddrPortFrom(s.Address, s.Port).String()
	if s.Check != s.Port {
		text += fmt.Sprintf(", check %d", s.Check)
	}
	return text + fmt.Sprintf(", weight %d, %s", s.Weight, s.State)
}

// Render is the value that ParseServer reads.
func (s Server) Render() string {
	b, err := json.Marshal(s)
	if err != nil { // there is no such value
		panic(err)
	}
	return string(b)
}

// ParseServer reads the value of a server's key: address (an IP address) and port; check, weight and state, which are
// port, UsualWeight and ready where they are missing. With networks, the address must lie in one of them; without,
// anywhere but on the node itself, as 127.0.0.1 and fe80::1 do.
func ParseServer(value []byte, networks []netip.Prefix) (Server, error) {
	found, err := fields(value, "address", "port", "check", "weight", "state")
	if err != nil {
		return Server{}, err
	}
	address, err1 := text(found, "address")
	port, err2 := number(found, "port", 1, 65535, 0)
	check, err3 := number(found, "check", 1, 65535, port)
	weight, err4 := number(found, "weight", 0, MaxWeight, UsualWeight)
	state, err5 := text(found, "state")
	if err := cmp.Or(err1, err2, err3, err4, err5); err != nil {
		return Server{}, err
	}
	for _, name := range []string{"address", "port"} {
		if _, there := found[name]; !there {
			return Server{}, fmt.Errorf("field %q is missing", name)
		}
	}
	s := Server{Port: uint16(port), Check: uint16(check), Weight: int(weight), State: State(state)}
	if _, there := found["state"]; !there {
		s.State = Ready
	}
	if !slices.Contains([]State{Ready, Drain, Maint}, s.State) {
		return Server{}, fmt.Errorf("state %s is unknown: there are ready, drain, maint", Quote(state))
	}
	if s.Address, err = parseAddress(address, networks); err != nil {
		return Server{}, err
	}
	return s, nil
}

func parseAddress(text string, networks []netip.Prefix) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("address %s is no IP address", Quote(text))
	}
	a = a.Unmap()
	if a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return netip.Addr{}, fmt.Errorf("address %s is of no one server", a)
	}
	if len(networks) == 0 {
		if a.IsLoopback() || a.IsLinkLocalUnicast() {
			return netip.Addr{}, fmt.Errorf("address %s is another one on each node", a)
		}
		return a, nil
	}
	if !slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(a) }) {
		return netip.Addr{}, fmt.Errorf("address %s is in none of the networks that servers may be in", a)
	}
	return a, nil
}
