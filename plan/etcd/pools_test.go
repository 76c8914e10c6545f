package etcd

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/pool"
)

// balancing wants servers pg-1 to pg-n of a balancer.
func balancing(t *testing.T, n int, accept ...plan.Risk) Want {
	t.Helper()
	w := wanted(t, 3)
	w.Accept = accept
	front := inventory.Balancer{Name: "front"}
	for i := range n {
		front.Servers = append(front.Servers, inventory.Server{
			Name: fmt.Sprintf("pg-%d", i+1), Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(21 + i)}), Port: 6432, Check: 8008,
			Weight: inventory.UsualWeight,
		})
	}
	w.Cluster.Balancers = []inventory.Balancer{front}
	return w
}

// having is a cluster that serves, with these servers of the balancer.
func having(s facts.Snapshot, servers map[string]pool.Server, bad ...string) facts.Snapshot {
	has := pool.Wanted{
		Revision: 9, Servers: servers, Bad: map[string]string{}, Revisions: map[string]int64{}, GenerationRevision: 8,
	}
	for _, name := range bad {
		has.Bad[name], has.Revisions[name] = "it is no JSON object", 7
	}
	for name := range servers {
		has.Revisions[name] = 8
	}
	s.Pools = map[string]pool.Wanted{"front": has}
	return s
}

// served are servers as the inventory has them, in a state.
func served(w Want, state pool.State, names ...string) map[string]pool.Server {
	all := map[string]pool.Server{}
	for name, server := range serversOf(w.Cluster.Balancers[0]) {
		if slices.Contains(names, name) {
			server.State = state
			all[name] = server
		}
	}
	return all
}

func TestPools(t *testing.T) {
	base := settled(t, wanted(t, 3))
	w := balancing(t, 2)
	both := served(w, pool.Ready, "pg-1", "pg-2")
	drained := maps.Clone(both)
	maps.Copy(drained, served(w, pool.Drain, "pg-1"))
	moved := maps.Clone(drained)
	away := moved["pg-1"]
	away.Port, away.Weight = 5432, 7
	moved["pg-1"] = away
	stray := maps.Clone(both)
	stray["other"] = away
	weightless := balancing(t, 4)
	for i := range 3 {
		weightless.Cluster.Balancers[0].Servers[i].Weight = 0
	}
	four := served(balancing(t, 4), pool.Ready, "pg-1", "pg-2", "pg-3", "pg-4")
	agreed := weightless
	agreed.Accept = []plan.Risk{plan.Shrink}
	nothing := agreed
	nothing.Cluster = balancing(t, 1).Cluster
	nothing.Cluster.Balancers[0].Servers[0].Weight = 0
	full := having(base, nil)
	full.Alarms = []facts.Alarm{{Member: base.Hosts["etcd-1"].Data.MemberID, Type: "NOSPACE"}}
	unread := base
	many := map[string]pool.Server{}
	for i := range pool.MaxServers - 1 {
		many[fmt.Sprint("s", i)] = away
	}
	unread.Simulated = false
	silent := base
	silent.PoolErrors = map[string]string{"front": "no answer"}
	for name, test := range map[string]struct {
		want    Want
		seen    facts.Snapshot
		put     map[string]pool.Server
		refused string // a part of the reason; "": it is not
		notes   string // a part of the notes
		confirm bool
	}{
		"no balancer":                   {want: wanted(t, 3), seen: base},
		"nobody has read them":          {want: w, seen: unread},
		"none are there":                {want: w, seen: having(base, nil), put: both},
		"all are there":                 {want: w, seen: having(base, both)},
		"one was drained":               {want: w, seen: having(base, drained)},
		"one is elsewhere, and drained": {want: w, seen: having(base, moved), put: served(w, pool.Drain, "pg-1")},
		"one more":                      {want: w, seen: having(base, stray)},
		"one cannot be read": {
			want: w, seen: having(base, served(w, pool.Ready, "pg-2"), "pg-1"), notes: "not known whether it is to take clients",
		},
		"another cannot be read":     {want: w, seen: having(base, both, "other")},
		"too few are left":           {want: weightless, seen: having(base, four), refused: "1 of 4 servers"},
		"too few are left, and may":  {want: agreed, seen: having(base, four), put: served(weightless, pool.Ready, "pg-1", "pg-2", "pg-3"), confirm: true},
		"nobody would be left":       {want: nothing, seen: having(base, served(w, pool.Ready, "pg-1")), refused: "no server would be left"},
		"etcd takes no writes":       {want: w, seen: full, notes: "servers of front change when the alarm NOSPACE is gone"},
		"the keys could not be read": {want: w, seen: silent, notes: "not compared with the inventory: no answer"},
		"one more than there may be": {want: w, seen: having(base, many), refused: "more than 1000 servers"},
	} {
		t.Run(name, func(t *testing.T) {
			stage, err := Next(test.want, test.seen)
			refused := new(plan.Refused)
			if told := strings.Join(notes(test.want, test.seen), "\n"); !strings.Contains(told, test.notes) {
				t.Errorf("notes %q lack %q", told, test.notes)
			}
			switch is := errors.As(err, &refused); {
			case err != nil && !is:
				t.Fatal(err)
			case is != (test.refused != "") || !strings.Contains(fmt.Sprint(err), test.refused):
				t.Fatalf("refused: %v, want %q", err, test.refused)
			case is && refused.Refusals[0].Remedy == "":
				t.Error("it has no remedy")
			case (stage == nil) != (test.put == nil):
				t.Fatalf("stage %+v", stage)
			case stage == nil:
				return
			}
			change := stage.Steps[0].Pool
			if !maps.Equal(change.Put, test.put) || len(change.Remove) > 0 || len(stage.Steps) != 1 {
				t.Errorf("it puts %v, and removes %q", change.Put, change.Remove)
			}
			after := SimulateStep(test.want, test.seen, stage.Steps[0])
			if confirmed := change.Confirm == pool.Digest(after.Pools["front"].Servers); confirmed != test.confirm {
				t.Errorf("it confirms %q", change.Confirm)
			}
			if stage, err := Next(test.want, after); stage != nil || err != nil {
				t.Errorf("then there is %+v, %v", stage, err)
			}
		})
	}
}

// A plan for bare hosts, and one for a cluster that is down, end with the servers.
func TestPoolsOfPlans(t *testing.T) {
	w := balancing(t, 2)
	w.Token = plan.Placeholder
	p := build(t, w, bare(w))
	last := p.Stages[len(p.Stages)-1].Steps[0]
	if last.Kind != plan.PutServers || !maps.Equal(last.Pool.Put, served(w, pool.Ready, "pg-1", "pg-2")) {
		t.Errorf("the last step is %+v", last)
	}
}

// More servers than one transaction takes come in several.
func TestPoolsInParts(t *testing.T) {
	w := balancing(t, 2*pool.MaxChange+1)
	inParts := func(w Want, s facts.Snapshot, parts ...int) facts.Snapshot {
		t.Helper()
		for i, want := range parts {
			stage, err := Next(w, s)
			if err != nil || stage == nil || len(stage.Steps[0].Pool.Put) != want {
				t.Fatalf("part %d: %+v, %v", i, stage, err)
			}
			s = SimulateStep(w, s, stage.Steps[0])
			if s.Pools["front"].Generation.Confirm == "" && pool.Taking(s.Pools["front"].Servers) == 0 {
				t.Fatalf("part %d leaves nobody", i)
			}
		}
		if stage, err := Next(w, s); stage != nil || err != nil {
			t.Errorf("then there is %+v, %v", stage, err)
		}
		return s
	}
	s := inParts(w, having(settled(t, wanted(t, 3)), nil), pool.MaxChange, pool.MaxChange, 1)

	servers := w.Cluster.Balancers[0].Servers
	for i := range servers[:150] { // three quarters go in two halves
		servers[i].Weight = 0
	}
	if _, err := Next(w, s); !strings.Contains(fmt.Sprint(err), "51 of 201 servers") {
		t.Errorf("in parts: %v", err)
	}
	w.Accept = []plan.Risk{plan.Shrink}
	inParts(w, s, pool.MaxChange, 50)

	w = balancing(t, 2*pool.MaxChange) // those that come are written before those that go
	old := having(settled(t, wanted(t, 3)), served(w, pool.Ready, namesOf(w.Cluster.Balancers[0])[:pool.MaxChange]...))
	for i := range w.Cluster.Balancers[0].Servers[:pool.MaxChange] {
		w.Cluster.Balancers[0].Servers[i].Weight = 0
	}
	inParts(w, old, pool.MaxChange, pool.MaxChange)
}

func namesOf(b inventory.Balancer) []string {
	var names []string
	for _, server := range b.Servers {
		names = append(names, server.Name)
	}
	return names
}

func TestNextBackend(t *testing.T) {
	base := settled(t, wanted(t, 3))
	w := balancing(t, 2)
	both := served(w, pool.Ready, "pg-1", "pg-2")
	seen := having(base, both, "odd")
	other := pool.Server{Address: netip.MustParseAddr("10.0.0.99"), Port: 1, Check: 1, Weight: 1, State: pool.Ready}
	torn := having(base, served(w, pool.Ready, "pg-2"), "pg-1")
	for name, test := range map[string]struct {
		wish    Backend
		seen    facts.Snapshot
		put     map[string]pool.Server
		remove  []string
		refused string
	}{
		"drained":            {wish: Backend{Server: "pg-1", State: pool.Drain}, put: served(w, pool.Drain, "pg-1")},
		"ready already":      {wish: Backend{Server: "pg-1", State: pool.Ready}},
		"nobody has it":      {wish: Backend{Server: "pg-9", State: pool.Ready}},
		"added":              {wish: Backend{Server: "other", Add: &other}, put: map[string]pool.Server{"other": other}},
		"added, and there":   {wish: Backend{Server: "pg-1", Add: &other}},
		"removed":            {wish: Backend{Server: "pg-2"}, remove: []string{"pg-2"}},
		"removed, not there": {wish: Backend{Server: "pg-9"}},
		"removed, and odd":   {wish: Backend{Server: "odd"}, remove: []string{"odd"}},
		"made readable":      {Backend{Server: "pg-1", State: pool.Maint}, torn, served(w, pool.Maint, "pg-1"), nil, ""},
		"the last": {
			Backend{Server: "pg-1", State: pool.Drain},
			having(base, served(w, pool.Ready, "pg-1")),
			nil, nil, "no server would be left",
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.wish.Balancer = "front"
			if test.seen.Hosts == nil {
				test.seen = seen
			}
			stage, err := NextBackend(test.wish)(w, test.seen)
			switch {
			case (err != nil) != (test.refused != "") || !strings.Contains(fmt.Sprint(err), test.refused):
				t.Fatalf("refused: %v, want %q", err, test.refused)
			case (stage == nil) != (test.put == nil && test.remove == nil):
				t.Fatalf("stage %+v", stage)
			case stage == nil:
				return
			}
			change := stage.Steps[0].Pool
			if !maps.Equal(change.Put, test.put) || !slices.Equal(change.Remove, test.remove) {
				t.Errorf("it puts %v, and removes %q", change.Put, change.Remove)
			}
			after := SimulateStep(w, test.seen, stage.Steps[0])
			if stage, err := NextBackend(test.wish)(w, after); stage != nil || err != nil {
				t.Errorf("then there is %+v, %v", stage, err)
			}
		})
	}
	drain := NextBackend(Backend{Balancer: "front", Server: "pg-1", State: pool.Drain})
	if _, err := drain(w, bare(w)); err == nil {
		t.Error("a server is drained where there is no cluster")
	}
	down := seen
	for _, name := range down.Names() {
		down = change(down, name, stop)
	}
	if _, err := drain(w, down); !strings.Contains(fmt.Sprint(err), "no member is known to serve") {
		t.Errorf("with all members down: %v", err)
	}
	agreed := w
	agreed.Accept = []plan.Risk{plan.Shrink}
	few := having(base, served(w, pool.Drain, "pg-1"))
	few.Pools["front"].Servers["pg-2"] = both["pg-2"]
	stage, err := drain(agreed, few)
	if err != nil || stage == nil || stage.Steps[0].Pool.Confirm != pool.Digest(few.Pools["front"].Servers) {
		t.Fatalf("what is so already is confirmed by %+v, %v", stage, err)
	}
	few = SimulateStep(agreed, few, stage.Steps[0])
	if stage, err := drain(agreed, few); stage != nil || err != nil {
		t.Errorf("then there is %+v, %v", stage, err)
	}
	stage, err = NextBackend(Backend{Balancer: "front", Server: "other", Add: &other})(w, few)
	if err != nil || stage.Steps[0].Pool.Confirm != "" {
		t.Errorf("another pool is confirmed by %+v, %v", stage, err)
	}
	weight := w
	cluster := *w.Cluster
	weight.Cluster, cluster.Balancers = &cluster, slices.Clone(cluster.Balancers)
	cluster.Balancers[0].Servers = slices.Clone(cluster.Balancers[0].Servers)
	cluster.Balancers[0].Servers[1].Weight = 7
	stage, err = Next(weight, few)
	if err != nil || stage.Steps[0].Pool.Confirm != few.Pools["front"].Generation.Confirm {
		t.Errorf("what a node may need still is overwritten by %+v, %v", stage, err)
	}
}

// Whatever keys there are: apply changes no state, takes no server away, and ends.
func TestPoolsLaws(t *testing.T) {
	base := settled(t, wanted(t, 3))
	w := balancing(t, 3)
	address := rapid.SampledFrom([]netip.Addr{netip.MustParseAddr("10.0.0.21"), netip.MustParseAddr("10.0.0.22")})
	names := rapid.SampledFrom([]string{"pg-1", "pg-2", "pg-3", "x", "y"})
	keys := rapid.MapOf(names, rapid.Custom(func(t *rapid.T) pool.Server {
		return pool.Server{
			Address: address.Draw(t, "address"), Port: 6432, Check: 8008,
			Weight: rapid.SampledFrom([]int{0, 100}).Draw(t, "weight"),
			State:  rapid.SampledFrom([]pool.State{pool.Ready, pool.Drain, pool.Maint}).Draw(t, "state"),
		}
	}))
	rapid.Check(t, func(t *rapid.T) {
		has := keys.Draw(t, "keys")
		s := having(base, has)
		stage, err := Next(w, s)
		if err != nil {
			t.Fatal(err)
		}
		if stage != nil {
			s = SimulateStep(w, s, stage.Steps[0])
		}
		is := s.Pools["front"].Servers
		for name, server := range has {
			if is[name].State != server.State {
				t.Fatalf("%s was %s and is %s", name, server, is[name])
			}
			if !slices.Contains([]string{"pg-1", "pg-2", "pg-3"}, name) && is[name] != server {
				t.Fatalf("%s, which the inventory does not name, was %s and is %s", name, server, is[name])
			}
		}
		for name, server := range serversOf(w.Cluster.Balancers[0]) {
			got := is[name]
			if got.State = pool.Ready; got != server {
				t.Fatalf("%s is %s, and the inventory has %s", name, is[name], server)
			}
		}
		if again, err := Next(w, s); again != nil || err != nil {
			t.Fatalf("then there is %+v, %v", again, err)
		}
	})
}

// ofPools are the refusals that keep a balancer from being left without servers, or from what nobody knows.
func ofPools(t *testing.T) []dead {
	t.Helper()
	base := settled(t, wanted(t, 3))
	two := balancing(t, 2)
	both := served(two, pool.Ready, "pg-1", "pg-2")
	light := func(n, from int) Want {
		w := balancing(t, n)
		for i := range w.Cluster.Balancers[0].Servers {
			if i >= from {
				w.Cluster.Balancers[0].Servers[i].Weight = 0
			}
		}
		return w
	}
	four := served(balancing(t, 4), pool.Ready, "pg-1", "pg-2", "pg-3", "pg-4")
	silent := base
	silent.PoolErrors = map[string]string{"front": "no answer"}
	full := alarmedBy(having(base, nil), "NOSPACE", "etcd-2")
	drain := NextBackend(Backend{Balancer: "front", Server: "pg-1", State: pool.Drain})
	down := having(base, both)
	for _, name := range down.Names() {
		down = change(down, name, stop)
	}
	crowd := map[string]pool.Server{}
	for i := range pool.MaxServers {
		crowd[fmt.Sprint("s", i)] = both["pg-1"]
	}
	add := func(w Want, s facts.Snapshot, wish Backend) (Want, facts.Snapshot) {
		wish.Balancer = "front"
		stage, err := NextBackend(wish)(w, s)
		if err != nil || stage == nil {
			t.Fatal(stage, err)
		}
		return w, SimulateStep(w, s, stage.Steps[0])
	}
	return []dead{
		{name: "servers are not told", want: two, seen: silent, next: drain, follow: mended(having(base, both))},
		{name: "nobody serves who tells of servers", want: two, seen: down, next: drain, follow: mended(having(base, both))},
		{name: "servers change while there is no space", want: two, seen: full, next: drain, follow: mended(having(base, both))},
		{name: "few servers are left", want: light(4, 1), seen: having(base, four)},
		{
			name: "no server is left", want: light(1, 0), seen: having(base, served(two, pool.Ready, "pg-1")),
			follow: func(w Want, s facts.Snapshot) (Want, facts.Snapshot) {
				other := both["pg-2"]
				return add(w, s, Backend{Server: "other", Add: &other})
			},
		},
		{
			name: "there are too many servers", want: balancing(t, 1), seen: having(base, crowd),
			follow: func(w Want, s facts.Snapshot) (Want, facts.Snapshot) { return add(w, s, Backend{Server: "s7"}) },
		},
	}
}
