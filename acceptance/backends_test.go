package acceptance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/lab"
)

// balancing is the package of Debian that sends clients to servers.
const balancing = "haproxy"

// proxyText is a balancer as docs/follow.md wants it, and three servers that say their names, on the same host.
const proxyText = `global
  stats socket /run/haproxy/admin.sock mode 660 level admin
  user haproxy
  group haproxy
defaults
  mode tcp
  timeout connect 2s
  timeout client 60s
  timeout server 60s
listen write
  bind :5000
  balance roundrobin
frontend pg-1
  mode http
  bind :7001
  http-request return status 200 content-type text/plain string pg-1
frontend pg-2
  mode http
  bind :7002
  http-request return status 200 content-type text/plain string pg-2
frontend pg-3
  mode http
  bind :7003
  http-request return status 200 content-type text/plain string pg-3
`

// node is a host with HAProxy and a program that follows a balancer's keys.
type node struct {
	*site
	name, address string
}

// TestBackends has servers of a balancer come and go, by the inventory, by backend and by somebody else, with etcd's
// permissions on; a node follows them, with the unit of docs/follow.md and Debian's HAProxy.
func TestBackends(t *testing.T) {
	t.Parallel()
	s := newSiteWith(t, "backends", []string{balancing}, append(hosts(1), lab.HostSpec{Name: "lb-1"})...)
	n := node{s, "lb-1", s.host(t, "lb-1").IPv4.String()}
	inv := s.inventory(t, "prod")
	base := "\n  client \"follow-front\" {}\n  auth {\n    user \"app\" { roles = [\"root\"] }\n  }\n"
	servers := func(weight int, ports ...int) string {
		var text strings.Builder
		for _, port := range ports {
			fmt.Fprintf(&text, "    server \"pg-%d\" {\n      address = %q\n      port = %d\n      weight = %d\n    }\n", port-7000,
				n.address, port, weight)
		}
		return base + "  balancer \"front\" {\n" + text.String() + "  }\n"
	}
	inv.Settings = servers(100, 7001, 7002)
	file := s.write(t, "prod.hcl", inv)
	s.ok(t, "apply", "--yes", file).says(t, "put-servers/front", "+pg-1 "+n.address+":7001, weight 100, ready",
		"put-role follow-front")
	s.inSync(t, file, inv)
	s.ok(t, "backend", "list", "front", file).says(t, "pg-2…7002…ready…yes", "Nobody follows the keys of front.")
	n.follows(t, inv, file)
	n.serve(t, "pg-1", "pg-2")

	r := s.ok(t, "backend", "drain", "--yes", "front", "pg-1", file).says(t, "-pg-1 …ready", "+pg-1 …drain")
	had(t, s, r, file)
	n.serve(t, "pg-2")
	s.inSync(t, file, inv) // that it is drained is nothing to put right
	s.ok(t, "backend", "drain", "--yes", "front", "pg-1", file).says(t, "pg-1 of front is so already")
	s.run(t, "backend", "maint", "--yes", "front", "pg-2", file).exits(t, 13).says(t, "no server would be left…[backends]",
		"backend add front")
	n.serve(t, "pg-2")
	had(t, s, s.ok(t, "backend", "maint", "--yes", "front", "pg-1", file), file)
	had(t, s, s.ok(t, "backend", "drain", "--yes", "front", "pg-1", file), file)

	had(t, s, s.ok(t, "backend", "add", "--yes", "front", "pg-3", "--address", n.address+":7003", file), file)
	n.serve(t, "pg-2", "pg-3")
	s.run(t, "plan", file).exits(t, 0).says(t, "front has servers that the inventory does not name, and they stay: pg-3")
	inv.Settings = servers(90, 7001, 7002)
	file = s.write(t, "prod.hcl", inv)
	s.ok(t, "apply", "--yes", file).says(t, "weight 90, drain", "weight 90, ready").saysNot(t, "pg-3 ")
	s.ok(t, "backend", "list", "--json", "front", file).says(t,
		`"server":"pg-1","inventory":true,"key":{"address":"`+n.address+`","port":7001,"check":7001,"weight":90,"state":"drain"}`,
		`"type":"follower","balancer":"front","node":"lb-1"`)

	t.Run("refused", func(t *testing.T) { refusedBackends(t, s, inv, file) })
	t.Run("somebody else", func(t *testing.T) { changedMeanwhile(t, s, inv, file) })
	had(t, s, s.ok(t, "backend", "remove", "--yes", "front", "pg-3", file).says(t, "-pg-3 "), file)
	n.serve(t, "pg-1", "pg-2")
	s.inSync(t, file, inv)
}

// refusedBackends are changes that do not fit, each with what to do instead. Nothing is written.
func refusedBackends(t *testing.T, s *site, inv inventory, file string) {
	before := s.underKey(t, inv, "/clusterup/front/server/")
	for _, test := range []struct {
		says string
		args []string
	}{
		{`…has no balancer "back": it has front`, []string{"drain", "back", "pg-1", file}},
		{"has no server pg-9", []string{"drain", "front", "pg-9", file}},
		{"the inventory names pg-1", []string{"remove", "front", "pg-1", file}},
		{"the inventory names pg-1", []string{"add", "front", "pg-1", "--address", "10.0.0.1:1", file}},
		{"front has pg-3 already", []string{"add", "front", "pg-3", "--address", "10.0.0.1:1", file}},
		{"write IP:PORT", []string{"add", "front", "pg-4", "--address", "pg-4:6432", file}},
		{"another one on each node", []string{"add", "front", "pg-4", "--address", "127.0.0.1:6432", file}},
		{"no name of a server", []string{"add", "front", "pg/4", "--address", "10.0.0.1:1", file}},
	} {
		s.run(t, append([]string{"backend"}, test.args...)...).exits(t, 2).says(t, test.says)
	}
	if after := s.underKey(t, inv, "/clusterup/front/server/"); !maps.Equal(before, after) {
		t.Errorf("servers were %v and are %v", before, after)
	}
}

// changedMeanwhile has another one write the keys between the look of a run and its step, and then one that nobody can
// read. What the refusals say leads out.
func changedMeanwhile(t *testing.T, s *site, inv inventory, file string) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := s.admin(t, inv)
	const pg1, generation = "/clusterup/front/server/pg-1", "/clusterup/front/generation"
	r := s.hold(t, "before put-servers/front/etcd-1", func() {
		_, err := client.Put(ctx, generation, "{}")
		must(t, err)
	}, "backend", "ready", "--yes", "front", "pg-1", file)
	r.exits(t, 14).says(t, "somebody else has changed these servers", "run the same command again")
	s.ok(t, "backend", "list", "front", file).says(t, "pg-1 …drain")
	other := s.underKey(t, inv, "/clusterup/front/server/")["/clusterup/front/server/pg-2"]
	r = s.hold(t, "before put-servers/front/etcd-1", func() { // who leaves the generation alone is noticed, too
		_, err := client.Put(ctx, "/clusterup/front/server/pg-2", other)
		must(t, err)
	}, "backend", "ready", "--yes", "front", "pg-1", file)
	r.exits(t, 14).says(t, "somebody else has changed these servers")
	had(t, s, s.ok(t, "backend", "ready", "--yes", "front", "pg-1", file), file)

	_, err := client.Put(ctx, pg1, "ready")
	must(t, err)
	s.ok(t, "apply", "--yes", file).says(t, "note: the key of the server pg-1 of front is not readable",
		"clusterup backend ready front pg-1 INVENTORY").saysNot(t, "put-servers")
	s.run(t, "check", file).exits(t, 3).says(t, "the key of the server pg-1 of front is not readable")
	s.ok(t, "status", file).says(t, "Balancer front: 2 servers, of which 2 take clients; 1 key not readable.")
	s.ok(t, "backend", "list", "front", file).says(t, "pg-1: it is no JSON object", "lb-1: has it")
	had(t, s, s.ok(t, "backend", "ready", "--yes", "front", "pg-1", file), file)
	s.ok(t, "plan", "--exit-code", file)
}

// had waits until the node has what a command has changed, which it mostly says itself.
func had(t *testing.T, s *site, r result, file string) {
	t.Helper()
	until(t, "the node to have it", func() bool {
		if tells(r.stdout, "lb-1: has it") {
			return true
		}
		r = s.ok(t, "backend", "list", "front", file)
		return false
	})
}

// underKey are the keys below a prefix, and their values.
func (s *site) underKey(t *testing.T, inv inventory, prefix string) map[string]string {
	t.Helper()
	found := s.held(t, inv)
	maps.DeleteFunc(found, func(key, _ string) bool { return !strings.HasPrefix(key, prefix) })
	return found
}

// follows puts HAProxy and the program on the node, as docs/follow.md says, with a certificate for it.
func (n node) follows(t *testing.T, inv inventory, file string) {
	t.Helper()
	program, page := filepath.Join(t.TempDir(), "clusterup-node"), read(t, "../docs/follow.md")
	must(t, goRun("build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./cmd/clusterup-node"))
	t.Cleanup(func() {
		if t.Failed() {
			said, _ := n.lab.Exec(context.WithoutCancel(t.Context()), n.name, "sh", "-c",
				"journalctl -o cat -u clusterup-follow-front -u haproxy | tail -n 40; cat /var/lib/clusterup-follow-front/state.json")
			t.Logf("%s says\n%s", n.name, said)
		}
	})
	creds := filepath.Join(t.TempDir(), "creds")
	n.ok(t, "cert", "issue", "follow-front", file, "--out", creds)
	const unitPath = "/etc/systemd/system/clusterup-follow-front.service"
	_, unit, _ := strings.Cut(page, "```ini\n# "+unitPath+"\n")
	unit, _, found := strings.Cut(unit, "```")
	if !found {
		t.Fatal("the page has no unit")
	}
	n.on(t, n.name, `set -e
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends `+balancing+` >/tmp/apt.log 2>&1 || { cat /tmp/apt.log; exit 1; }
useradd -r clusterup-follow
install -d -o clusterup-follow -m 0700 /etc/clusterup-follow`)
	root := n.lab.Root(n.name)
	write := func(path, text string, mode os.FileMode) {
		t.Helper()
		must(t, os.WriteFile(filepath.Join(root, path), []byte(text), mode))
	}
	write("etc/haproxy/haproxy.cfg", proxyText, 0o644)
	write("usr/local/bin/clusterup-node", read(t, program), 0o755)
	write(unitPath, unit, 0o644)
	for _, name := range []string{"ca.pem", "follow-front.pem", "follow-front-key.pem"} {
		write("etc/clusterup-follow/"+name, read(t, filepath.Join(creds, name)), 0o600)
	}
	write("etc/clusterup-follow/front.json", fmt.Sprintf(`{
  "balancer": "front", "node": %q, "endpoints": [%q],
  "ca": "/etc/clusterup-follow/ca.pem", "certificate": "/etc/clusterup-follow/follow-front.pem",
  "key": "/etc/clusterup-follow/follow-front-key.pem", "haproxy": "/run/haproxy/admin.sock",
  "backends": [{"name": "write", "server": ["check", "inter", "200ms", "rise", "1", "fall", "2"]}],
  "state": "/var/lib/clusterup-follow-front/state.json"
}
`, n.name, inv.url(inv.Members[0])), 0o600)
	n.on(t, n.name, `set -e
chown -R clusterup-follow /etc/clusterup-follow
haproxy -c -q -f /etc/haproxy/haproxy.cfg
systemctl restart haproxy
systemctl daemon-reload
systemctl enable -q --now clusterup-follow-front || { journalctl -o cat -u clusterup-follow-front; exit 1; }`)
}

// serve waits until just these servers answer new clients.
func (n node) serve(t *testing.T, names ...string) {
	t.Helper()
	client := &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: n.lab.DialContext}, Timeout: patience,
	}
	defer client.CloseIdleConnections()
	var last []string
	until(t, fmt.Sprintf("%q to serve", names), func() bool {
		answered := map[string]bool{}
		for range 2 * cmp.Or(len(names), 1) {
			r, err := client.Get("http://" + n.address + ":5000/") //nolint:noctx // the client has a timeout
			if err != nil {
				return false
			}
			body, err := io.ReadAll(r.Body)
			if err = errors.Join(err, r.Body.Close()); err == nil {
				answered[string(body)] = true
			}
		}
		last = slices.Sorted(maps.Keys(answered))
		return slices.Equal(last, names)
	})
}
