package acceptance

import (
	"bufio"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clusterup/clusterup/lab"
)

// TestNodes has apply put HAProxy and the program that follows the servers' keys on two nodes, Debian 12 and 13, from
// bare hosts on; then it changes what they run with, renews what they have, finds what somebody else has put there, and
// takes one out of use.
func TestNodes(t *testing.T) {
	t.Parallel()
	s := newSiteWith(t, "nodes", []string{balancing}, append(hosts(1), lab.HostSpec{Name: "lb-1"}, lab.HostSpec{Name: "lb-2", Suite: "trixie"})...)
	s.programs(t)
	inv := s.inventory(t, "prod")
	settings := s.balanced(t)
	const write = `listen "write" { port = 5000 }`
	inv.Settings = settings(write, "")
	file := s.write(t, "prod.hcl", inv)
	for _, name := range []string{"lb-1", "lb-2"} {
		s.on(t, name, "apt-get update -qq")
	}
	s.ok(t, "apply", "--yes", file).says(t, "install-packages haproxy", "issue-client lb-1@front", "start-service haproxy")
	s.inSync(t, file, inv)
	for _, name := range []string{"lb-1", "lb-2"} {
		s.answers(t, name, 5000, "pg-1", "pg-2")
		s.on(t, name, "apt-mark showhold | grep -qx haproxy; test ! -e /usr/sbin/policy-rc.d")
	}
	s.ok(t, "backend", "drain", "--yes", "front", "pg-1", file)
	for _, name := range []string{"lb-1", "lb-2"} {
		s.answers(t, name, 5000, "pg-2")
	}
	s.ok(t, "backend", "ready", "--yes", "front", "pg-1", file)

	inv.Settings = settings(write+"\n    listen \"read\" { port = 5001 }", "")
	file = s.write(t, "prod.hcl", inv)
	ended := s.steady(t, 5000)
	s.ok(t, "apply", "--yes", file).says(t, "change lb-1", "change lb-2", "reload-service haproxy")
	ended()
	s.inSync(t, file, inv)
	for _, name := range []string{"lb-1", "lb-2"} {
		s.answers(t, name, 5001, "pg-1", "pg-2")
	}

	s.ok(t, "rotate", "ca", "--client", "--yes", "--accept=downtime", file).says(t,
		"trust of the nodes of front", "issue-client/client/lb-1", "retire-ca/client-1")
	s.inSync(t, file, inv)
	s.ok(t, "backend", "drain", "--yes", "front", "pg-1", file)
	for _, name := range []string{"lb-1", "lb-2"} {
		s.answers(t, name, 5000, "pg-2")
		s.keyLies(t, name)
	}
	s.ok(t, "backend", "ready", "--yes", "front", "pg-1", file)
	t.Run("somebody else's", func(t *testing.T) { foreignNode(t, s, inv, file) })
	t.Run("one is away", func(t *testing.T) { darkNode(t, s, inv, settings, write) })
	inv.Settings = settings(write, `state = "absent"`)
	file = s.write(t, "prod.hcl", inv)
	s.ok(t, "apply", "--yes", file).says(t, "take lb-2 out of use", "remove-service clusterup-follow-front")
	s.inSync(t, file, inv)
	s.on(t, "lb-2", "! systemctl is-active -q haproxy; ! test -e /etc/clusterup-follow-front; ! test -e /etc/haproxy/haproxy.cfg")
	s.answers(t, "lb-1", 5000, "pg-1", "pg-2")
}

// balanced has two servers that say their names run on etcd-1, and gives the settings of an inventory with a balancer
// whose nodes are lb-1 and lb-2.
func (s *site) balanced(t *testing.T) func(listens, more string) string {
	t.Helper()
	etcd := s.host(t, "etcd-1").IPv4.String()
	for _, port := range []string{"7001", "7002"} {
		s.on(t, "etcd-1", "systemd-run -q --unit pg-"+port[3:]+
			" systemd-socket-activate -a --inetd -l "+port+" /bin/echo pg-"+port[3:])
	}
	return func(listens, more string) string {
		return fmt.Sprintf(`
  auth {
    user "app" { roles = ["root"] }
  }
  balancer "front" {
    %s
    server "pg-1" {
      address = %[2]q
      port    = 7001
    }
    server "pg-2" {
      address = %[2]q
      port    = 7002
    }
    node "lb-1" { address = %[3]q }
    node "lb-2" {
      address = %[4]q
      %[5]s
    }
  }
`, listens, etcd, s.host(t, "lb-1").IPv4, s.host(t, "lb-2").IPv4, more)
	}
}

// foreignNode puts back what was changed on a node, and leaves alone what is not clusterup's; the other node is seen to
// all the same.
func foreignNode(t *testing.T, s *site, inv inventory, file string) {
	s.on(t, "lb-1", "echo '# mine' >>/etc/haproxy/haproxy.cfg")
	s.ok(t, "apply", "--yes", file).says(t, "write-service", "-# mine", "reload-service haproxy")
	s.on(t, "lb-1", "systemctl stop clusterup-follow-front; systemctl disable -q haproxy; rm /etc/clusterup-follow-front/ca.pem")
	s.ok(t, "apply", "--yes", file).says(t, "start-service clusterup-follow-front", "start-service haproxy")
	s.inSync(t, file, inv)

	s.on(t, "lb-1", "cp /etc/haproxy/haproxy.cfg /tmp/ours; echo 'global' >/etc/haproxy/haproxy.cfg")
	s.on(t, "lb-2", "rm /etc/clusterup-follow-front/ca.pem")
	s.run(t, "apply", "--yes", file).exits(t, 13).says(t, "write-service",
		"lb-1…/etc/haproxy/haproxy.cfg is neither clusterup's nor the package's own", "[foreign-config]")
	s.on(t, "lb-2", "test -s /etc/clusterup-follow-front/ca.pem")
	s.on(t, "lb-1", "mv /etc/haproxy/haproxy.cfg /etc/haproxy/haproxy.cfg.old")
	s.ok(t, "apply", "--yes", file)
	s.inSync(t, file, inv)
}

// darkNode changes what nodes run with while one of them cannot be reached: the other is changed, and the first one
// when it is back.
func darkNode(t *testing.T, s *site, inv inventory, settings func(listens, more string) string, write string) {
	must(t, s.lab.Cable(t.Context(), "lb-2", false))
	inv.Settings = settings(write, "")
	file := s.write(t, "prod.hcl", inv)
	s.run(t, "apply", "--yes", file).exits(t, 12).says(t, "change lb-1", "lb-2")
	s.answers(t, "lb-1", 5000, "pg-1", "pg-2")
	must(t, s.lab.Cable(t.Context(), "lb-2", true))
	s.ok(t, "apply", "--yes", file).says(t, "change lb-2").saysNot(t, "change lb-1")
	s.inSync(t, file, inv)
}

// programs puts the program for nodes beside clusterup, as a release has it.
func (s *site) programs(t *testing.T) {
	t.Helper()
	for _, dir := range []string{filepath.Dir(s.program), filepath.Join(filepath.Dir(cache), "faults")} {
		at := filepath.Join(dir, "clusterup-node-linux-amd64")
		if _, err := os.Stat(at); err == nil {
			continue
		}
		must(t, goRun("build", "-trimpath", "-ldflags", "-s -w", "-o", at, "./cmd/clusterup-node"))
	}
}

// keyLies checks that a node has one private key, which its follower alone can read, and that nobody has said it.
func (s *site) keyLies(t *testing.T, host string) {
	t.Helper()
	found := s.on(t, host, "grep -rlI --exclude-dir=ssh --exclude-dir=.ssh 'PRIVATE KEY' /etc /opt /var /tmp /run /root /home 2>/dev/null | "+
		"xargs -r stat -c '%a %U:%G %n'")
	if !strings.HasPrefix(found, "600 clusterup-follow:clusterup-follow /etc/clusterup-follow-front/tls/client-") ||
		strings.Contains(strings.TrimSpace(found), "\n") {
		t.Errorf("%s has keys: %s", host, found)
	}
	if said := s.on(t, host, "journalctl --no-pager -o export | tr -d '\\0'"); strings.Contains(said, "PRIVATE KEY") {
		t.Errorf("the journal of %s has a private key", host)
	}
}

// steady connects to a port of one node, or else of the other, as clients with several hosts do, until it is told to
// end: no attempt of both may fail.
func (s *site) steady(t *testing.T, port int) (end func()) {
	t.Helper()
	var tried, missed atomic.Int64
	stop := often(t, 20*time.Millisecond, func() {
		tried.Add(1)
		for _, name := range []string{"lb-1", "lb-2"} {
			if s.takes(t, name, port) {
				return
			}
		}
		missed.Add(1)
	})
	return func() {
		t.Helper()
		stop()
		if missed.Load() > 0 || tried.Load() == 0 {
			t.Errorf("neither node took a client %d of %d times", missed.Load(), tried.Load())
		}
	}
}

// takes says whether a node leads a new client to a server.
func (s *site) takes(t *testing.T, host string, port int) bool {
	t.Helper()
	conn, err := s.lab.DialContext(t.Context(), "tcp", net.JoinHostPort(s.host(t, host).IPv4.String(), fmt.Sprint(port)))
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	line, _ := bufio.NewReader(conn).ReadString('\n')
	return strings.HasPrefix(line, "pg-")
}

// answers waits until just these servers take new clients of a port of a node.
func (s *site) answers(t *testing.T, host string, port int, names ...string) {
	t.Helper()
	address := net.JoinHostPort(s.host(t, host).IPv4.String(), fmt.Sprint(port))
	until(t, fmt.Sprintf("%q to answer at %s", names, address), func() bool {
		answered := map[string]bool{}
		for range 3 * len(names) {
			conn, err := s.lab.DialContext(t.Context(), "tcp", address)
			if err != nil {
				return false
			}
			_ = conn.SetDeadline(time.Now().Add(patience))
			line, _ := bufio.NewReader(conn).ReadString('\n')
			_ = conn.Close()
			answered[strings.TrimSpace(line)] = true
		}
		return slices.Equal(slices.Sorted(maps.Keys(answered)), names)
	})
}
