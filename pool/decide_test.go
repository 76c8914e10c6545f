package pool

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func some(state State, names ...string) map[string]Server {
	servers := map[string]Server{}
	for _, name := range names {
		servers[name] = Server{
			Address: netip.MustParseAddr("10.0.0.1"), Port: 1, Check: 1, Weight: UsualWeight, State: state,
		}
	}
	return servers
}

func and(servers ...map[string]Server) map[string]Server {
	all := map[string]Server{}
	for _, s := range servers {
		maps.Copy(all, s)
	}
	return all
}

func TestDecide(t *testing.T) {
	four := some(Ready, "a", "b", "c", "d")
	confirm := func(names ...string) Generation { return Generation{Confirm: Digest(some(Ready, names...))} }
	for name, test := range map[string]struct {
		now   Force
		want  Wanted
		most  int
		force map[string]Server
		held  []string
		spent int64
	}{
		"the first time": {want: Wanted{Servers: four}, force: four},
		"nothing at all": {},
		"half goes": {
			now:   Force{Servers: four},
			want:  Wanted{Servers: some(Ready, "a", "b")},
			force: some(Ready, "a", "b"),
		},
		"one of two goes": {
			now:   Force{Servers: some(Ready, "a", "b")},
			want:  Wanted{Servers: some(Ready, "a")},
			force: some(Ready, "a"),
		},
		"more than half": {
			now:   Force{Servers: four},
			want:  Wanted{Servers: some(Ready, "a")},
			force: four,
			held:  []string{"b", "c", "d"},
		},
		"all": {now: Force{Servers: four}, force: four, held: []string{"a", "b", "c", "d"}},
		"by draining": {
			now:   Force{Servers: four},
			want:  Wanted{Servers: some(Drain, "a", "b", "c", "d")},
			force: four,
			held:  []string{"a", "b", "c", "d"},
		},
		"what was drained": {now: Force{Servers: some(Drain, "a")}},
		"in a minute": {
			now:   Force{Servers: four},
			most:  8,
			want:  Wanted{Servers: some(Ready, "a", "b", "c")},
			force: four, held: []string{"d"},
		},
		"a larger pool was in a minute, and this one does not shrink": {
			now:   Force{Servers: four},
			most:  10,
			want:  Wanted{Servers: and(four, some(Ready, "e"))},
			force: and(four, some(Ready, "e")),
		},
		"the rest follows": {
			now:   Force{Servers: and(four, some(Maint, "m"))},
			want:  Wanted{Servers: and(some(Drain, "a", "b", "c"), some(Drain, "m"), some(Maint, "n"))},
			force: and(four, some(Drain, "m"), some(Maint, "n")), held: []string{"a", "b", "c", "d"},
		},
		"others take the place": {
			now:   Force{Servers: four},
			want:  Wanted{Servers: some(Ready, "e", "f")},
			force: some(Ready, "e", "f"),
		},
		"confirmed": {
			now:   Force{Servers: four},
			want:  Wanted{Servers: some(Ready, "a"), Generation: confirm("a"), GenerationRevision: 7},
			force: some(Ready, "a"), spent: 7,
		},
		"another was confirmed": {
			now:   Force{Servers: four},
			want:  Wanted{Servers: some(Ready, "a"), Generation: confirm("b"), GenerationRevision: 7},
			force: four, held: []string{"b", "c", "d"},
		},
		"confirmed once": {
			now:   Force{Servers: four, Spent: 7},
			want:  Wanted{Servers: some(Ready, "a"), Generation: confirm("a"), GenerationRevision: 7},
			force: four, held: []string{"b", "c", "d"}, spent: 7,
		},
		"a confirm that was not needed is used up": {
			now:   Force{Servers: four},
			want:  Wanted{Servers: four, Generation: confirm("a", "b", "c", "d"), GenerationRevision: 7},
			force: four, spent: 7,
		},
		"nobody may confirm none": {
			now:   Force{Servers: four},
			want:  Wanted{Generation: confirm(), GenerationRevision: 7},
			force: four, held: []string{"a", "b", "c", "d"},
		},
		"a bad key keeps its server": {
			now:   Force{Servers: and(four, some(Maint, "m"))},
			want:  Wanted{Bad: map[string]string{"a": "", "b": "", "m": "", "x": ""}},
			force: and(some(Ready, "a", "b"), some(Maint, "m")),
		},
	} {
		t.Run(name, func(t *testing.T) {
			force, held := Decide(test.now, test.want, test.most)
			if !maps.Equal(force.Servers, test.force) || force.Spent != test.spent {
				t.Errorf("in force: %v, spent %d", force.Servers, force.Spent)
			}
			var names []string
			if held != nil {
				names = held.Servers
			}
			if diff := cmp.Diff(test.held, names); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// For any keys the pool never becomes empty, nor less than half of what it was at most without a confirm; and servers
// that do not shrink it are as the keys say.
func TestDecideLaws(t *testing.T) {
	servers := rapid.Custom(func(t *rapid.T) map[string]Server {
		all := map[string]Server{}
		for i := range rapid.IntRange(0, 6).Draw(t, "n") {
			s := some(rapid.SampledFrom([]State{Ready, Drain, Maint}).Draw(t, "state"), "x")["x"]
			s.Weight = rapid.SampledFrom([]int{0, 1, 100}).Draw(t, "weight")
			all[fmt.Sprintf("s%d", (i*rapid.IntRange(1, 3).Draw(t, "stride"))%8)] = s
		}
		return all
	})
	rapid.Check(t, func(t *rapid.T) {
		force := Force{Servers: servers.Draw(t, "first")}
		for range rapid.IntRange(1, 5).Draw(t, "steps") {
			want := Wanted{Servers: servers.Draw(t, "want"), GenerationRevision: rapid.Int64Range(1, 3).Draw(t, "revision")}
			if rapid.Bool().Draw(t, "confirmed") {
				want.Generation.Confirm = Digest(servers.Draw(t, "confirm"))
			}
			most := rapid.IntRange(0, 8).Draw(t, "most")
			next, held := Decide(force, want, most)
			before, after := taking(force.Servers), taking(next.Servers)
			lost := slices.ContainsFunc(before, func(name string) bool { return !next.Servers[name].Takes() })
			small := 2*len(after) < max(most, len(before))
			switch confirm := want.Generation.Confirm == Digest(next.Servers) && want.GenerationRevision != force.Spent; {
			case lost && len(after) == 0:
				t.Fatalf("%v became %v", before, after)
			case lost && small && !confirm:
				t.Fatalf("%v became %v, with %d before that, and nobody has confirmed it", before, after, most)
			case held == nil && !maps.Equal(next.Servers, want.Servers):
				t.Fatalf("wanted %v, got %v, and nothing is held", want.Servers, next.Servers)
			}
			for name, s := range want.Servers {
				if next.Servers[name] != s && (held == nil || !slices.Contains(held.Servers, name)) {
					t.Fatalf("%s is %v, wanted %v, and is not held", name, next.Servers[name], s)
				}
			}
			if again, _ := Decide(next, want, max(most, len(before))); !maps.Equal(again.Servers, next.Servers) {
				t.Fatalf("the same again: %v became %v", next.Servers, again.Servers)
			}
			force = next
		}
	})
}
