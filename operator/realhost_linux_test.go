package operator

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/clusterup/clusterup/apply/hosttest"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/remote"
	"github.com/clusterup/clusterup/shellword"
)

// TestRealHost holds the hosts that runs work on to what package apply relies on, as those of its own tests are. The
// variable names an inventory whose first member is a host of a lab; acceptance runs this in the lab's network.
func TestRealHost(t *testing.T) {
	file := os.Getenv("CLUSTERUP_REAL_HOST")
	if file == "" {
		t.Skip("acceptance runs this: it needs a host")
	}
	read, diags := inventory.Load(file, inventory.Options{Env: os.Environ()})
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	cluster := read.Clusters[0]
	hosttest.Run(t, func(t *testing.T) hosttest.Subject { return realSubject(t, cluster.Members[0]) })
}

// realSubject is a host behind a cable that can be cut, and a directory of its own there.
func realSubject(t *testing.T, m inventory.Member) hosttest.Subject {
	t.Helper()
	config, err := sshConfig(m)
	if err != nil {
		t.Fatal(err)
	}
	witness := shell{(&remote.Dialer{Env: os.Getenv}).Host(config)}
	cable := newCable(t, net.JoinHostPort(config.Address, "22"))
	config.Address, config.Port = "127.0.0.1", cable.port
	config.KnownHosts = []string{filepath.Join(t.TempDir(), "known_hosts")}
	host := shell{(&remote.Dialer{Env: os.Getenv, AcceptNewHostKeys: true}).Host(config)}
	t.Cleanup(func() {
		host.host.Close()
		witness.host.Close()
	})
	see := func(t *testing.T, script string) string {
		t.Helper()
		out, err := witness.Script(context.WithoutCancel(t.Context()), script)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	dir := strings.TrimSpace(see(t, "mktemp -d"))
	t.Cleanup(func() { see(t, "rm -rf "+shellword.Quote(dir)) })
	return hosttest.Subject{
		Name: m.Name, Host: host, Dir: dir, Cut: func(*testing.T) { cable.cut() },
		Read: func(t *testing.T, path string) *hosttest.Found { t.Helper(); return foundIn(t, see(t, lookAt(path))) },
		List: func(t *testing.T) []string {
			t.Helper()
			return linesOf(see(t, "LC_ALL=C ls -A "+shellword.Quote(dir)))
		},
	}
}

func linesOf(text string) []string {
	if text = strings.TrimSpace(text); text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// lookAt prints owner, group and mode of a file, and what is in it; nothing when it is not there.
func lookAt(path string) string {
	return fmt.Sprintf("f=%s; [ ! -e \"$f\" ] || { stat -c '%%U %%G %%a' \"$f\" && cat \"$f\"; }", shellword.Quote(path))
}

func foundIn(t *testing.T, said string) *hosttest.Found {
	t.Helper()
	head, data, there := strings.Cut(said, "\n")
	if !there {
		return nil
	}
	words := strings.Fields(head)
	mode, err := strconv.ParseUint(words[2], 8, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &hosttest.Found{Owner: words[0], Group: words[1], Mode: fs.FileMode(mode), Data: data}
}

// cable forwards connections to a host until it is cut, and new ones at once.
type cable struct {
	port int

	mu    sync.Mutex
	conns []net.Conn
}

func newCable(t *testing.T, to string) *cable {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{port: listener.Addr().(*net.TCPAddr).Port}
	t.Cleanup(func() {
		listener.Close()
		c.cut()
	})
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			c.mu.Lock()
			c.conns = append(c.conns, near, far)
			c.mu.Unlock()
			for from, to := range map[net.Conn]net.Conn{near: far, far: near} {
				go func() {
					_, _ = io.Copy(to, from) // until either end is closed
					from.Close()
					to.Close()
				}()
			}
		}
	}()
	return c
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}
