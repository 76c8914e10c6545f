package node

import (
	"io"
	"log"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/node/haproxy"
	"github.com/clusterup/clusterup/pool"
)

const goodConfig = `{
  "balancer": "front", "node": "lb-1", "endpoints": ["https://10.0.0.11:2379", "https://[fd00::1]:2379"],
  "ca": "/etc/ca.pem", "certificate": "/etc/follow.pem", "key": "/etc/follow-key.pem",
  "haproxy": "/run/haproxy/admin.sock",
  "backends": [{"name": "write", "server": ["check", "check-ssl", "verifyhost", "{name}", "ca-file", "/etc/ca.pem"]}, {"name": "read"}],
  "networks": ["10.0.0.0/24"], "state": "/var/lib/follow/state.json", "metrics": "/var/lib/m.prom", "drain_seconds": 60
}`

func TestLoadConfig(t *testing.T) {
	load := func(text string) (Config, error) {
		path := filepath.Join(t.TempDir(), "c.json")
		ok(t, os.WriteFile(path, []byte(text), 0o600))
		return LoadConfig(path)
	}
	c, err := load(goodConfig)
	ok(t, err)
	if len(c.Backends) != 2 || c.Networks[0] != netip.MustParsePrefix("10.0.0.0/24") || c.DrainSeconds != 60 {
		t.Errorf("%+v", c)
	}
	for _, row := range [][3]string{
		{`"front"`, `"Front"`, "is no name"},
		{`"lb-1"`, `"lb/1"`, "is no name"},
		{`"https://10.0.0.11:2379"`, `"10.0.0.11:2379"`, "want https://HOST:PORT"},
		{`"https://10.0.0.11:2379"`, `"https://10.0.0.11"`, "want https://HOST:PORT"},
		{`"/etc/ca.pem", "cert`, `"ca.pem", "cert`, "ca is no absolute path"},
		{`"key": "/etc/follow-key.pem",`, ``, `key is no absolute path: ""`},
		{`"read"`, `"write"`, "backend write is there twice"},
		{`"read"`, `"a b"`, "is no name of a backend"},
		{`"{name}"`, `"{name};show info"`, "cannot be in a server's line"},
		{`"check",`, `"check 1",`, "cannot be in a server's line"},
		{`"check",`, `"weight",`, "cannot be in a server's line"},
		{`"state"`, `"stat"`, "unknown field"},
		{`60`, `-1`, "drain_seconds is negative"},
		{`"10.0.0.0/24"`, `"10.0.0.0"`, "no '/'"},
	} {
		text := strings.Replace(goodConfig, row[0], row[1], 1)
		if _, err := load(text); text == goodConfig || err == nil || !strings.Contains(err.Error(), row[2]) {
			t.Errorf("%s: %v; want %s", row[1], err, row[2])
		}
	}
	for _, text := range []string{"", "{}", strings.Repeat(" ", maxConfig+1)} {
		if _, err := load(text); err == nil {
			t.Errorf("%.10q is taken", text)
		}
	}
}

func TestState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	if k, err := loadState(path, "front"); err != nil || len(k.Servers) > 0 {
		t.Errorf("%v, %v", k, err)
	}
	one := pool.Server{Address: netip.MustParseAddr("127.0.0.1"), Port: 1, Check: 2, Weight: 3, State: pool.Drain}
	k := kept{Balancer: "front", Revision: 7, Force: pool.Force{Servers: map[string]pool.Server{"pg-1": one}, Spent: 5}}
	ok(t, saveState(path, k))
	got, err := loadState(path, "front")
	if err != nil || !got.equal(k) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := loadState(path, "back"); err == nil {
		t.Error("the state of another balancer is taken")
	}
	whole, err := os.ReadFile(path)
	ok(t, err)
	for _, row := range [][2]string{
		{"127.0.0.1", "0.0.0.0"}, {"drain", "x;y"}, {"pg-1", "pg;1"}, {`"weight": 3`, `"weight": 300`}, {"}", ""},
	} {
		ok(t, os.WriteFile(path, []byte(strings.Replace(string(whole), row[0], row[1], 1)), 0o600))
		if got, err := loadState(path, "front"); err == nil || len(got.Servers) > 0 {
			t.Errorf("%s: %v, %v", row[1], got, err)
		}
	}
}

// The certificates are those that lie there, once they belong together.
func TestCertificatesChange(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	ca.leaf(t, "a", "a")
	ca.leaf(t, "b", "b")
	at := func(name string) string { return filepath.Join(dir, name) }
	move := func(from, to string) {
		b, err := os.ReadFile(at(from))
		ok(t, err)
		ok(t, os.WriteFile(at(to), b, 0o600))
	}
	var said buffer
	c := &client{cfg: Config{CA: at("ca.pem"), Certificate: at("a.pem"), Key: at("a-key.pem")}, log: log.New(&said, "", 0)}
	defer c.close()
	first, err := c.get()
	ok(t, err)
	if same, err := c.get(); err != nil || same != first {
		t.Errorf("without a change: %v", err)
	}
	move("b.pem", "a.pem") // and the key is still that of before
	for range 2 {
		if same, err := c.get(); err != nil || same != first {
			t.Errorf("with half a change: %v", err)
		}
	}
	if n := strings.Count(said.String(), "stay in use"); n != 1 {
		t.Errorf("said %d times: %s", n, said.String())
	}
	move("b-key.pem", "a-key.pem")
	if other, err := c.get(); err != nil || other == first {
		t.Errorf("after a change: %v", err)
	}
	none := &client{cfg: Config{CA: at("none.pem")}}
	if _, err := none.get(); err == nil {
		t.Error("no files are no error")
	}
}

func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	ok(t, err)
	defer socket.Close()
	notify("READY=1") // to nobody
	t.Setenv("NOTIFY_SOCKET", path)
	notify("READY=1", "STATUS=well")
	ok(t, socket.SetReadDeadline(time.Now().Add(patience)))
	b := make([]byte, 100)
	n, err := socket.Read(b)
	if err != nil || string(b[:n]) != "READY=1\nSTATUS=well" {
		t.Errorf("%q, %v", b[:n], err)
	}
}

func TestRecent(t *testing.T) {
	var r recent
	begin := time.Now()
	for _, row := range []struct{ second, n, most int }{
		{0, 5, 5}, {1, 3, 5}, {2, 4, 5}, {60, 4, 5}, {61, 2, 4}, {120, 2, 4}, {121, 1, 2}, {122, 9, 9}, {500, 0, 0},
	} {
		r.add(begin.Add(time.Duration(row.second)*time.Second), row.n)
		if got := r.max(); got != row.most {
			t.Errorf("after %d s: %d, want %d", row.second, got, row.most)
		}
	}
}

func TestMetrics(t *testing.T) {
	m := metrics{sent: 12}
	got := m.render(time.Unix(1700000000, 0), Config{Balancer: "front", Node: "lb-1"}, sample{
		report: pool.Report{
			Revision: 7, Servers: map[string]pool.State{"a": pool.Ready, "b": pool.Ready, "c": pool.Maint},
			Held: &pool.Held{Servers: []string{"a"}}, Kept: []string{"write/a", "write/b"},
			Refused: make([]pool.Refused, 3), More: 4,
		}, revision: 8, seen: true, taking: 2, asks: 9, lists: 3,
	})
	var values []string
	for line := range strings.Lines(got) {
		if !strings.HasPrefix(line, "#") {
			values = append(values, strings.ReplaceAll(strings.TrimSpace(line), `balancer="front",node="lb-1"`, ""))
		}
	}
	if diff := cmp.Diff([]string{
		"clusterup_follow_time_seconds{} 1700000000", "clusterup_follow_etcd_up{} 1", "clusterup_follow_haproxy_up{} 1",
		"clusterup_follow_revision{} 8", "clusterup_follow_applied_revision{} 7",
		`clusterup_follow_servers{,state="ready"} 2`, `clusterup_follow_servers{,state="drain"} 0`,
		`clusterup_follow_servers{,state="maint"} 1`, "clusterup_follow_taking{} 2", "clusterup_follow_held{} 1",
		"clusterup_follow_kept{} 2", "clusterup_follow_refused{} 7", "clusterup_follow_lists_total{} 3",
		"clusterup_follow_haproxy_asks_total{} 9", "clusterup_follow_haproxy_changes_total{} 12",
	}, values); diff != "" {
		t.Error(diff)
	}
}

// One transaction that writes a server and the generation comes in two pieces of one revision, in any order.
func TestOneRevisionInPieces(t *testing.T) {
	f := &follower{
		keys: pool.Keys{Balancer: "front"}, log: log.New(io.Discard, "", 0), views: newLatest[view](), known: true,
	}
	s := &source{views: f.views}
	one := pool.Server{Address: netip.MustParseAddr("10.0.0.1"), Port: 1, Check: 1, Weight: 1, State: pool.Ready}
	two := one
	two.State = pool.Drain
	server, generation := f.keys.Server("a"), f.keys.Generation()
	other := pool.Key{Value: []byte(one.Render()), Revision: 3}
	keys := map[string]pool.Key{server: other, f.keys.Server("b"): other, generation: {Revision: 3}}
	pieces := map[string]pool.Key{server: {Value: []byte(two.Render()), Revision: 4}, generation: {Revision: 4}}
	for _, order := range [][]string{{server, generation}, {generation, server}} {
		s.tell(keys, 3)
		f.decide(f.views.get())
		now := maps.Clone(keys)
		for _, key := range order {
			now[key] = pieces[key]
			s.tell(now, 4)
			f.decide(f.views.get())
		}
		if f.kept.Servers["a"] != two || f.want.GenerationRevision != 4 {
			t.Errorf("%q: a is %s, at generation %d", order, f.kept.Servers["a"], f.want.GenerationRevision)
		}
	}
}

// Too many servers are no servers: what is in force stays.
func TestTooMany(t *testing.T) {
	f := &follower{
		keys: pool.Keys{Balancer: "front"}, log: log.New(io.Discard, "", 0), views: newLatest[view](), known: true,
	}
	one := pool.Server{Address: netip.MustParseAddr("10.0.0.1"), Port: 1, Check: 1, Weight: 1, State: pool.Ready}
	f.kept.Servers = map[string]pool.Server{"a": one}
	many := map[string]pool.Key{}
	for i := range pool.MaxServers + 2 {
		many[f.keys.Server(strings.Repeat("b", 1+i%30)+strings.Repeat("c", i/30))] = pool.Key{Value: []byte(one.Render())}
	}
	f.decide(view{keys: many, revision: 3, number: 1})
	if r := f.report(); len(r.Servers) != 1 || !strings.Contains(r.Trouble, "more servers than 1000") {
		t.Errorf("%+v", r)
	}
	f.decide(view{keys: map[string]pool.Key{f.keys.Server("b"): {Value: []byte(one.Render())}}, revision: 4, number: 2})
	if r := f.report(); len(r.Servers) != 1 || r.Servers["b"] == "" || r.Trouble != "" {
		t.Errorf("%+v", r)
	}
}

// Without a memory nothing is taken from HAProxy that is not known yet to be wanted no more.
func TestAdopt(t *testing.T) {
	f := &follower{cfg: Config{Balancer: "front", Backends: []haproxy.Backend{{Name: "w"}, {Name: "r"}}}}
	s := pool.Server{Address: netip.MustParseAddr("10.0.0.1"), Port: 1, Check: 1, Weight: 1, State: pool.Maint}
	ready := s
	ready.State = pool.Ready
	seen := []haproxy.Seen{
		{Backend: "w", Name: "a", Server: s},
		{Backend: "r", Name: "a", Server: ready},
		{Backend: "r", Name: "b", Server: s},
		{Backend: "x", Name: "c", Server: ready},
		{Backend: "w", Name: "a:b", Server: ready},
		{Backend: "w", Name: "d"},
	}
	f.adopt(seen)
	if d := f.differences(seen); len(d.Changes) > 0 {
		t.Errorf("before etcd was heard: %q", d.Changes)
	}
	if diff := cmp.Diff(map[string]pool.Server{"a": ready, "b": s}, f.kept.Servers, cmp.Comparer(func(a, b netip.Addr) bool {
		return a == b
	})); diff != "" {
		t.Error(diff)
	}
}

// Examples of docs/follow.md are taken.
func TestPage(t *testing.T) {
	b, err := os.ReadFile("../docs/follow.md")
	ok(t, err)
	blocks := strings.Split(string(b), "```json\n")
	if len(blocks) != 3 {
		t.Fatalf("%d blocks of JSON", len(blocks)-1)
	}
	for i, block := range blocks {
		blocks[i], _, _ = strings.Cut(block, "```")
	}
	if _, err := pool.ParseServer([]byte(blocks[1]), nil); err != nil {
		t.Error(err)
	}
	path := filepath.Join(t.TempDir(), "c.json")
	ok(t, os.WriteFile(path, []byte(blocks[2]), 0o600))
	c, err := LoadConfig(path)
	if err != nil || len(c.Backends) != 2 || c.DrainSeconds == 0 || len(c.Networks) == 0 || c.Metrics == "" {
		t.Errorf("%+v, %v", c, err)
	}
	metrics := (&metrics{}).render(time.Now(), c, sample{})
	for line := range strings.Lines(metrics) {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "clusterup_follow"), "{")
		if !strings.HasPrefix(line, "#") && !strings.Contains(string(b), name) {
			t.Errorf("the page does not say what %s is", name)
		}
	}
}

// Etcd that is back is followed within five seconds, as far as it is for the follower to say: a pause, and two members
// without power, before one that answers. TestFollow says how long it took.
func TestPauses(t *testing.T) {
	if longestPause > 2*time.Second || longestPause+2*dialTimeout >= 5*time.Second {
		t.Errorf("pauses up to %s, dials up to %s", longestPause, dialTimeout)
	}
}
