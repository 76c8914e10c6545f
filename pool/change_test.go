package pool

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func wantedOf(revision int64, servers map[string]Server) Wanted {
	w := Wanted{Revision: revision, Servers: servers, Revisions: map[string]int64{}, GenerationRevision: revision - 1}
	for name := range servers {
		w.Revisions[name] = revision - 1
	}
	return w
}

func TestChange(t *testing.T) {
	w := wantedOf(9, some(Ready, "a", "b"))
	w.Bad, w.Revisions["c"] = map[string]string{"c": "no JSON"}, 5
	c := w.Change("front", and(some(Drain, "a"), some(Ready, "d")), "c", "gone")
	if d := cmp.Diff(map[string]int64{"a": 8, "c": 5}, c.Revisions); d != "" || c.Generation != 8 {
		t.Errorf("read at generation %d: %s", c.Generation, d)
	}
	if !maps.Equal(c.Was, some(Ready, "a")) {
		t.Errorf("there were %v", c.Was)
	}
	after := c.After(w)
	if !maps.Equal(after.Servers, and(some(Drain, "a"), some(Ready, "b", "d"))) || len(after.Bad) != 0 {
		t.Errorf("then there are %v, and bad ones: %v", after.Servers, after.Bad)
	}
	if d := cmp.Diff(map[string]int64{"a": 10, "b": 8, "d": 10}, after.Revisions); d != "" {
		t.Error(d)
	}
	if c.Done(w) || !c.Done(after) {
		t.Errorf("done before: %v, after: %v", c.Done(w), c.Done(after))
	}
	if !maps.Equal(w.Servers, some(Ready, "a", "b")) {
		t.Errorf("what was read has changed: %v", w.Servers)
	}
	if first := c.After(Wanted{}); !first.Servers["d"].Takes() {
		t.Errorf("from nothing: %v", first)
	}
}

// A change that is already done by halves is not done.
func TestChangeDone(t *testing.T) {
	w := wantedOf(9, some(Ready, "a", "b"))
	for name, c := range map[string]Change{
		"one is otherwise":    {Put: and(some(Ready, "a"), some(Maint, "b"))},
		"one is missing":      {Put: some(Ready, "a", "c")},
		"one is there still":  {Remove: []string{"b", "c"}},
		"nobody confirmed it": {Put: some(Ready, "a"), Confirm: "0123456789abcdef"},
	} {
		if c.Done(w) {
			t.Errorf("%s: it counts as done", name)
		}
	}
	if !(Change{Put: some(Ready, "a"), Remove: []string{"c"}}).Done(w) {
		t.Error("what is so does not count as done")
	}
}

// Shrinks says of each change what Decide makes of it.
func TestShrinks(t *testing.T) {
	four := some(Ready, "a", "b", "c", "d")
	for name, test := range map[string]struct {
		has           map[string]Server
		put           map[string]Server
		remove        []string
		held, confirm bool
	}{
		"half":            {has: four, remove: []string{"a", "b"}},
		"more than half":  {has: four, remove: []string{"a", "b", "c"}, held: true, confirm: true},
		"by draining":     {has: four, put: some(Drain, "a", "b", "c"), held: true, confirm: true},
		"all":             {has: four, put: some(Maint, "a", "b", "c", "d"), held: true},
		"the only one":    {has: some(Ready, "a"), remove: []string{"a"}, held: true},
		"one of two":      {has: some(Ready, "a", "b"), remove: []string{"a"}},
		"a drained one":   {has: some(Drain, "a"), remove: []string{"a"}},
		"others come":     {has: four, put: some(Ready, "e", "f", "g"), remove: []string{"a", "b", "c", "d"}},
		"nothing is lost": {has: four, put: some(Ready, "a")},
	} {
		t.Run(name, func(t *testing.T) {
			w := wantedOf(9, test.has)
			c := w.Change("front", test.put, test.remove...)
			why, confirmable := c.Shrinks(w)
			if (why != "") != test.held || confirmable != test.confirm {
				t.Errorf("it shrinks: %q, and may be confirmed: %v", why, confirmable)
			}
			force, held := Decide(Force{Servers: test.has}, c.After(w), 0)
			if (held != nil) != test.held {
				t.Fatalf("a node holds %+v, and has %v", held, force.Servers)
			}
			c.Confirm = Digest(c.After(w).Servers)
			if _, held := Decide(Force{Servers: test.has}, c.After(w), 0); test.held && (held == nil) != test.confirm {
				t.Errorf("confirmed, a node holds %+v", held)
			}
		})
	}
}

func TestTold(t *testing.T) {
	keys := Keys{Balancer: "front"}
	w := wantedOf(9, some(Ready, "a"))
	has := map[string]State{"a": Ready}
	told := keys.Told(map[string]Key{
		keys.Follower("lb-1"):   {Value: []byte(Report{Generation: 8, Servers: has}.Render())},
		keys.Follower("lb-2"):   {Value: []byte("{")},
		keys.Follower("\x1blb"): {Value: []byte(Report{Generation: 7, Servers: has, Trouble: "no socket"}.Render())},
		keys.Server("pg-1"):     {Value: []byte("{}")},
	})
	got := map[string]string{}
	for _, t := range told {
		got[t.Node] = t.Lacks(w)
	}
	if d := cmp.Diff(map[string]string{
		"lb-1": "", "lb-2": "its report is not readable: it is no report: unexpected end of JSON input",
		`"\x1blb"`: "no socket",
	}, got); d != "" {
		t.Error(d)
	}
	for why, r := range map[string]Report{
		"it holds a, b back: too few":           {Generation: 8, Servers: has, Held: &Held{Servers: []string{"a", "b"}, Why: "too few"}},
		"it refuses the key of c: no JSON":      {Generation: 7, Servers: has, Refused: []Refused{{Server: "c", Why: "no JSON"}}},
		"it does not follow the keys now: gone": {Away: "gone"},
		"a is kept until another server is up":  {Kept: []string{"a"}},
		"it has not reported the change yet":    {Generation: 8, Servers: map[string]State{"a": Drain}},
		"":                                      {Generation: 9, Servers: has, Kept: []string{"a"}},
	} {
		if got := (Told{Report: r}).Lacks(w); got != why {
			t.Errorf("it lacks %q, want %q", got, why)
		}
	}
}
