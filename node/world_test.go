package node

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/clusterup/clusterup/node/haproxy"
	"github.com/clusterup/clusterup/pool"
)

// world is one balancer: a real HAProxy, the keys in a real etcd, and a follower between them.
type world struct {
	t        *testing.T
	etcd     *etcd
	keys     pool.Keys
	cfg      Config
	frontend string // where clients connect
	config   string // HAProxy's
	binary   string
	haproxy  *exec.Cmd
	out      buffer
	socket   haproxy.Socket // the test's own
	log      buffer
	stop     func() // ends the follower
}

// newWorld starts HAProxy without a server in it. The follower is the test's to start.
func newWorld(t *testing.T, e *etcd, balancer string) *world {
	t.Helper()
	binary := findHAProxy(t)
	dir := t.TempDir()
	w := &world{
		t: t, etcd: e, keys: pool.Keys{Balancer: balancer}, frontend: freePort(t),
		config: filepath.Join(dir, "haproxy.cfg"), socket: haproxy.Socket{Path: filepath.Join(dir, "s")},
	}
	w.cfg = Config{
		Balancer: balancer, Node: "lb-1", Endpoints: []string{e.endpoint}, CA: e.file("ca.pem"),
		Certificate: e.file("follow-" + balancer + ".pem"), Key: e.file("follow-" + balancer + "-key.pem"),
		HAProxy: w.socket.Path, State: filepath.Join(dir, "state.json"), Metrics: filepath.Join(dir, "metrics.prom"),
		Backends: []haproxy.Backend{
			{Name: "write", Server: []string{"check", "inter", "50ms", "rise", "1", "fall", "2"}}, {Name: "plain"},
		},
		Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}
	ok(t, w.cfg.validate())
	e.allow(t, balancer, w.cfg.Node)
	ok(t, os.WriteFile(w.config, fmt.Appendf(nil, `global
  stats socket %s mode 600 level admin
defaults
  mode tcp
  timeout connect 2s
  timeout client 60s
  timeout server 60s
listen write
  bind %s
  balance roundrobin
  retries 0
backend plain
  balance roundrobin
`, w.socket.Path, w.frontend), 0o600))
	w.binary = binary
	w.startHAProxy()
	t.Cleanup(func() {
		w.killHAProxy()
		if t.Failed() {
			t.Logf("HAProxy said:\n%s\nthe follower said:\n%s", w.out.String(), w.log.String())
		}
	})
	return w
}

func findHAProxy(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("CLUSTERUP_HAPROXY"), "haproxy", "/usr/sbin/haproxy"} {
		if binary, err := exec.LookPath(name); err == nil {
			return binary
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("there is no haproxy, which is no reason to skip in CI")
	}
	t.Skip("there is no haproxy")
	return ""
}

func (w *world) restartHAProxy() {
	w.t.Helper()
	w.killHAProxy()
	w.startHAProxy()
}

func (w *world) startHAProxy() {
	w.t.Helper()
	w.haproxy = exec.Command(w.binary, "-f", w.config, "-db")
	w.haproxy.Stdout, w.haproxy.Stderr = &w.out, &w.out
	ok(w.t, w.haproxy.Start())
}

func (w *world) killHAProxy() {
	_ = w.haproxy.Process.Signal(syscall.SIGKILL)
	_ = w.haproxy.Wait()
}

// follow starts the follower; calling stop ends it, and so does the end of the test.
func (w *world) follow() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Follow(ctx, w.cfg, log.New(&w.log, "", log.Ltime|log.Lmicroseconds))
	}()
	w.stop = func() { cancel(); <-ended }
	w.t.Cleanup(w.stop)
}

func (w *world) put(name, value string) int64 {
	w.t.Helper()
	r, err := w.etcd.root.Put(w.t.Context(), w.keys.Server(name), value)
	ok(w.t, err)
	return r.Header.Revision
}

func (w *world) do(ops ...clientv3.Op) int64 {
	w.t.Helper()
	r, err := w.etcd.root.Txn(w.t.Context()).Then(ops...).Commit()
	ok(w.t, err)
	return r.Header.Revision
}

func (w *world) remove(name string) clientv3.Op { return clientv3.OpDelete(w.keys.Server(name)) }

func (w *world) confirm(digest string) clientv3.Op {
	return clientv3.OpPut(w.keys.Generation(), pool.Generation{Confirm: digest}.Render())
}

// report is what the follower says of itself in etcd.
func (w *world) report() pool.Report {
	w.t.Helper()
	r, err := w.etcd.root.Get(w.t.Context(), w.keys.Follower(w.cfg.Node))
	ok(w.t, err)
	if len(r.Kvs) == 0 {
		return pool.Report{}
	}
	if r.Kvs[0].Lease == 0 {
		w.t.Error("the report has no lease")
	}
	report, err := pool.ParseReport(r.Kvs[0].Value)
	ok(w.t, err)
	return report
}

// applied waits until the follower says that it has come to a revision.
func (w *world) applied(revision int64) pool.Report {
	w.t.Helper()
	var r pool.Report
	waitFor(w.t, fmt.Sprintf("revision %d is applied", revision), func() bool {
		r = w.report()
		return r.Revision >= revision
	})
	return r
}

// has is what HAProxy has, as "write/pg-1 127.0.0.1:7 check 7 weight 100 ready".
func (w *world) has() string {
	seen, err := w.socket.Look(w.t.Context())
	if err != nil {
		return err.Error()
	}
	var lines []string
	for _, s := range seen {
		lines = append(lines, fmt.Sprintf("%s/%s %s:%d check %d weight %d %s",
			s.Backend, s.Name, s.Address, s.Port, s.Server.Check, s.Weight, s.State))
	}
	return strings.Join(lines, "\n")
}

// until waits until HAProxy has something, or has it no longer.
func (w *world) until(what string, has bool) {
	w.t.Helper()
	waitFor(w.t, fmt.Sprintf("HAProxy has %s: %t", what, has), func() bool { return strings.Contains(w.has(), what) == has })
}

// backend is a server that says its name to whoever connects, and keeps the connection until the client is done.
func (w *world) backend(name string) (value string) {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(w.t, err)
	w.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := io.WriteString(conn, name+"\n"); err == nil {
					_, _ = io.Copy(io.Discard, conn)
				}
			}()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return server(port)
}

func server(port string) string { return fmt.Sprintf(`{"address":"127.0.0.1","port":%s}`, port) }

func with(value, field string) string { return strings.TrimSuffix(value, "}") + "," + field + "}" }

// ask connects as a client does, and returns the name of the server that answers, or "".
func (w *world) ask() string {
	conn, name := w.open()
	if conn != nil {
		conn.Close()
	}
	return name
}

func (w *world) open() (net.Conn, string) {
	conn, err := net.Dial("tcp", w.frontend)
	if err != nil {
		return nil, ""
	}
	name, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		conn.Close()
		return nil, ""
	}
	return conn, strings.TrimSpace(name)
}

// steady connects again and again until it is told to stop, and then says how many clients nobody has answered.
func (w *world) steady() (stop func() (asked, failed int)) {
	var asked, failed int
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			default:
			}
			if asked++; w.ask() == "" {
				failed++
			}
		}
	}()
	return func() (int, int) { close(quit); <-done; return asked, failed }
}

func (w *world) metric(name string) int {
	b, _ := os.ReadFile(w.cfg.Metrics)
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "clusterup_follow_"+name+"{") {
			n, err := strconv.Atoi(strings.TrimSpace(line[strings.LastIndex(line, " ")+1:]))
			ok(w.t, err)
			return n
		}
	}
	return -1
}

// line is a way to an address that can be cut: then it ends what goes on, and takes nothing new.
type line struct {
	address string
	to      string
	mu      sync.Mutex
	isCut   bool
	open    []net.Conn
}

func newLine(t *testing.T, to string) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	l := &line{address: listener.Addr().String(), to: to}
	t.Cleanup(func() { listener.Close(); l.cut() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			l.join(conn)
		}
	}()
	return l
}

func (l *line) join(near net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	far, err := net.Dial("tcp", l.to)
	if err != nil || l.isCut {
		near.Close()
		return
	}
	l.open = append(l.open, near, far)
	go func() { _, _ = io.Copy(far, near); far.Close() }()
	go func() { _, _ = io.Copy(near, far); near.Close() }()
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut = true
	for _, conn := range l.open {
		conn.Close()
	}
	l.open = nil
}

func (l *line) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut = false
}
