package haproxy

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/clusterup/clusterup/pool"
)

var home = netip.MustParseAddr("10.0.0.1")

func server(port uint16, state pool.State) pool.Server {
	return pool.Server{Address: home, Port: port, Check: port, Weight: 100, State: state}
}

func never(string) bool { return false }

func TestDiff(t *testing.T) {
	up := func(name string, s pool.Server) Seen {
		return Seen{Backend: "b", Name: name, Server: s, Up: true, Checked: true, Checking: true}
	}
	one := up("one", server(1, pool.Ready))
	other := server(1, pool.Ready)
	other.Address, other.Weight, other.Check = netip.MustParseAddr("fd00::1"), 7, 9
	for name, test := range map[string]struct {
		args []string
		has  []Seen
		want map[string]pool.Server
		do   []string
		kept []string
	}{
		"as it is": {has: []Seen{one}, want: map[string]pool.Server{"one": one.Server}},
		"new": {
			args: []string{"check", "verifyhost", "{name}"}, want: map[string]pool.Server{"one": one.Server},
			do: []string{"add server b/one 10.0.0.1:1 check verifyhost one weight 100 port 1;enable health b/one;" +
				"set server b/one state drain;set server b/one health down;set server b/one state ready"},
		},
		"new, without checks": {
			want: map[string]pool.Server{"one": other, "two": server(2, pool.Maint), "three": server(3, pool.Drain)},
			do: []string{
				"add server b/one [fd00::1]:1  weight 7;set server b/one state ready",
				"add server b/three 10.0.0.1:3  weight 100;set server b/three state drain",
				"add server b/two 10.0.0.1:2  weight 100",
			},
		},
		"moves": {
			has: []Seen{one, up("two", server(2, pool.Ready))}, want: map[string]pool.Server{"one": other, "two": server(2, pool.Ready)},
			do: []string{"set server b/one state drain"},
		},
		"moves on": {
			has:  []Seen{up("one", server(1, pool.Drain)), up("two", server(2, pool.Ready))},
			want: map[string]pool.Server{"one": other, "two": server(2, pool.Ready)},
			do: []string{"set server b/one addr fd00::1 port 1;set server b/one check-port 9;" +
				"set server b/one weight 7;set server b/one health down;set server b/one state ready"},
		},
		"the only one moves": {
			has: []Seen{one}, want: map[string]pool.Server{"one": server(9, pool.Ready)},
			do: []string{"set server b/one state drain"},
		},
		"half of all that move go first": {
			has:  []Seen{one, up("two", server(2, pool.Ready))},
			want: map[string]pool.Server{"one": server(9, pool.Ready), "two": server(9, pool.Ready)},
			do:   []string{"set server b/one state drain"},
			kept: []string{"b/two"},
		},
		"a foreign name": {has: []Seen{one, {Backend: "b", Name: "a;b"}}, want: map[string]pool.Server{"one": one.Server}},
		"another backend": {
			has: []Seen{one, {Backend: "c", Name: "two", Up: true}}, want: map[string]pool.Server{"one": one.Server},
		},
		"leaves": {
			has: []Seen{
				one, up("two", server(2, pool.Ready)), up("three", server(3, pool.Drain)), up("four", server(4, pool.Maint)),
				{Backend: "b", Name: "five", Server: server(5, pool.Drain), Used: 1},
			},
			want: map[string]pool.Server{"one": one.Server},
			do: []string{
				"set server b/two state drain", "del server b/four", "set server b/three state maint;del server b/three",
			},
		},
		"nobody is wanted": {has: []Seen{one}, want: nil, kept: []string{"b/one"}},
		"nobody takes clients": {
			has: []Seen{one}, want: map[string]pool.Server{"one": server(1, pool.Drain)}, kept: []string{"b/one"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := Diff(Backend{Name: "b", Server: test.args}, test.has, test.want, never)
			if diff := cmp.Diff(test.do, d.Changes) + cmp.Diff(test.kept, d.Kept); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// model is HAProxy as far as these commands go. A server is up after a check if something listens at its port.
type model struct {
	t       *rapid.T
	servers map[string]*Seen
	lives   func(port uint16) bool
}

func (m *model) seen() []Seen {
	var all []Seen
	for _, name := range slices.Sorted(maps.Keys(m.servers)) {
		all = append(all, *m.servers[name])
	}
	return all
}

func (m *model) serving() int {
	n := 0
	for _, s := range m.servers {
		if s.Up && s.Takes() {
			n++
		}
	}
	return n
}

func (m *model) check() {
	for _, s := range m.servers {
		if s.State != pool.Maint && s.Checking {
			s.Up = m.lives(s.Port)
		}
	}
}

func (m *model) do(line string) {
	for command := range strings.SplitSeq(line, ";") {
		words := strings.Fields(command)
		kind, on := words[0]+" "+words[1], words[2]
		s := m.servers[on]
		if (s == nil) != (kind == "add server") {
			m.t.Fatalf("%s: %v", command, s)
		}
		number := func(word string) int {
			n, err := strconv.Atoi(word)
			if err != nil {
				m.t.Fatal(command)
			}
			return n
		}
		switch {
		case kind == "add server":
			at := netip.MustParseAddrPort(words[3])
			m.servers[on] = &Seen{
				Backend: "b", Name: strings.TrimPrefix(on, "b/"), Checked: words[4] == "check",
				Server: pool.Server{
					Address: at.Addr(), Port: at.Port(), Weight: number(words[6]), Check: uint16(number(words[8])), State: pool.Maint,
				},
			}
		case kind == "del server":
			if s.State != pool.Maint || s.Used > 0 {
				return
			}
			delete(m.servers, on)
		case kind == "enable health":
			s.Checking = true
		case words[3] == "state":
			if s.State == pool.Maint { // HAProxy counts it as up until a check fails
				s.Up = true
			}
			if s.State = pool.State(words[4]); s.State == pool.Maint {
				s.Up = false
			}
		case words[3] == "health":
			s.Up = false
		case words[3] == "addr":
			s.Address, s.Port = netip.MustParseAddr(words[4]), uint16(number(words[6]))
		case words[3] == "weight":
			s.Weight = number(words[4])
		case words[3] == "check-port":
			s.Server.Check = uint16(number(words[4]))
		default:
			m.t.Fatalf("what is %q?", command)
		}
		if s := m.servers[on]; s != nil && s.Takes() && s.Up && !m.lives(s.Port) && s.State == pool.Ready {
			m.t.Fatalf("after %q of %q clients go to a dead server", command, line)
		}
	}
}

// For any wishes, and any servers that live: no server that is dead gets clients by a change, while one is up
// there always is one up, and in the end HAProxy has what is wanted unless that would leave nobody.
func TestDiffLaws(t *testing.T) {
	b := Backend{Name: "b", Server: []string{"check"}}
	rapid.Check(t, func(t *rapid.T) {
		dead := rapid.SliceOfN(rapid.Uint16Range(1, 6), 0, 4).Draw(t, "dead")
		m := &model{t: t, servers: map[string]*Seen{}, lives: func(port uint16) bool { return !slices.Contains(dead, port) }}
		for range rapid.IntRange(1, 5).Draw(t, "wishes") {
			want := map[string]pool.Server{}
			for i := range 5 {
				if rapid.Bool().Draw(t, "there") {
					s := server(rapid.Uint16Range(1, 6).Draw(t, "port"), rapid.SampledFrom([]pool.State{
						pool.Ready, pool.Ready, pool.Drain, pool.Maint,
					}).Draw(t, "state"))
					s.Weight = rapid.IntRange(0, 2).Draw(t, "weight")
					want[fmt.Sprintf("s%d", i)] = s
				}
			}
			var d Difference
			for range 8 {
				d = Diff(b, m.seen(), want, never)
				for _, line := range d.Changes {
					before := m.serving()
					m.do(line)
					if before > 0 && m.serving() == 0 && pool.Taking(want) != 1 {
						t.Fatalf("nobody serves after %q", line)
					}
				}
				m.check()
			}
			if len(d.Changes) > 0 {
				t.Fatalf("it never ends: %q", d.Changes)
			}
			for name, w := range want {
				s := m.servers["b/"+name]
				if (s == nil || s.Server != w) && !slices.Contains(d.Kept, "b/"+name) {
					t.Fatalf("%s is %+v, wanted %+v, kept %v", name, s, w, d.Kept)
				}
			}
			for on, s := range m.servers {
				if _, wanted := want[s.Name]; !wanted && !slices.Contains(d.Kept, on) {
					t.Fatalf("%s is still there", on)
				}
			}
			if d.Settled != (len(d.Kept) == 0) {
				t.Fatalf("%+v", d)
			}
		}
	})
}
