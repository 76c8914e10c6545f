package acceptance

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clusterup/clusterup/lab"
	"github.com/clusterup/clusterup/remote"
)

// BenchmarkDistance takes the control machine away from the hosts. It measures how long operations take then, and how
// much of a link with 100 Mbit/s the upload of a release fills.
func BenchmarkDistance(b *testing.B) {
	const members, link = 3, 100e6
	g := newGround(b, members, false)
	for b.Loop() {
		for _, trip := range []int{5, 20, 80, 200} {
			f := g.far(b, trip, 0, g.lab.Hosts())
			took, trips := f.connect(b)
			found.addWay(trip, "connect", took, trips)
			g.bare(b)
			for _, run := range []struct {
				what string
				args []string
			}{
				{"bootstrap", []string{"apply", "--yes"}},
				{"nothing to do", []string{"apply", "--yes"}},
				{"status", []string{"status"}},
			} {
				s := g.measure(b, f.command(run.args...), false)
				counts := map[string]count{}
				addStats(b, counts, string(s.stdout))
				found.addWay(trip, run.what, s.took, most(counts).trips)
			}
			f.end()
		}
		for _, trip := range []int{80, 200} {
			g.bare(b)
			f := g.far(b, trip, link, g.lab.Hosts()[:1])
			g.measure(b, f.command("apply", "--yes"), false)
			f.end()
			bytes, took := f.bulk(b)
			found.addUpload(trip, link, bytes, took, alone(b, trip, link, bytes))
		}
	}
	for _, u := range found.Uploads {
		b.ReportMetric(100*u.fill(median(u.Seconds)), fmt.Sprintf("%%-of-link-at-%dms", u.Trip))
	}
	b.ReportMetric(0, "ns/op") // a round is no operation
}

// far is a place from which hosts of a lab are so many milliseconds away and back.
type far struct {
	g    *ground
	dir  string // with an inventory
	end  func() // of the ways
	near remote.Config

	mu   sync.Mutex
	sent []passed
}

// alone is how long a copy of so many bytes takes the same way, over TCP and nothing else, without what begins and ends
// it.
func alone(b *testing.B, trip int, bits float64, size int) time.Duration {
	b.Helper()
	f := &far{}
	conn := across(b, distance{delay: time.Duration(trip) * time.Millisecond / 2, bits: bits, sent: f.passes},
		func(far net.Conn) {
			_, _ = io.Copy(io.Discard, far)
		})
	_, err := conn.Write(make([]byte, size*100/98))
	must(b, err)
	must(b, conn.(*net.TCPConn).CloseWrite())
	_, err = io.Copy(io.Discard, conn) // until all of it is there
	must(b, err)
	_, took := f.bulk(b)
	return took
}

// passed is what has left the control machine.
type passed struct {
	bytes int
	when  time.Time
}

func (g *ground) far(b *testing.B, trip int, bits float64, hosts []lab.Host) *far {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	var all sync.WaitGroup
	f := &far{g: g, dir: b.TempDir(), end: func() { cancel(); all.Wait() }}
	b.Cleanup(f.end)
	way := func(ln net.Listener, host lab.Host) (port int) {
		d := distance{
			delay: time.Duration(trip) * time.Millisecond / 2, bits: bits, sent: f.passes,
			dial: func(ctx context.Context) (net.Conn, error) {
				return g.lab.DialContext(ctx, "tcp", net.JoinHostPort(host.IPv4.String(), "22"))
			},
		}
		all.Go(func() { d.serve(ctx, ln) })
		return ln.Addr().(*net.TCPAddr).Port
	}
	known, err := os.ReadFile(g.lab.KnownHosts())
	must(b, err)
	var lines strings.Builder
	knownAt := func(host lab.Host, port int) {
		for line := range strings.Lines(string(known)) {
			if names, key, _ := strings.Cut(line, " "); strings.HasSuffix(names, ","+host.Name) {
				fmt.Fprintf(&lines, "[127.0.0.1]:%d %s", port, key)
			}
		}
	}
	inv := inventory{
		Cluster: "prod", Version: release, User: "root", Identity: g.lab.KeyFile(),
		KnownHosts: filepath.Join(f.dir, "known_hosts"), Mirror: g.mirror,
	}
	for _, host := range hosts {
		ln, err := g.lab.Listen(ctx, "tcp", "127.0.0.1:0")
		must(b, err)
		port := way(ln, host)
		knownAt(host, port)
		inv.Members = append(inv.Members, member{
			Name: host.Name, Address: host.IPv4.String(),
			More: "\n    ssh_address = \"127.0.0.1\"\n    ssh_port = " + strconv.Itoa(port),
		})
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	must(b, err)
	port := way(ln, hosts[0])
	knownAt(hosts[0], port)
	f.near = remote.Config{
		Address: "127.0.0.1", Port: port, User: "root", IdentityFiles: []string{g.lab.KeyFile()},
		KnownHosts: []string{inv.KnownHosts},
	}
	must(b, os.WriteFile(inv.KnownHosts, []byte(lines.String()), 0o600))
	fill(b, inventoryText, filepath.Join(f.dir, "prod.hcl"), inv)
	return f
}

func (f *far) command(args ...string) command {
	return command{dir: f.dir, argv: append(append([]string{clusterup}, args...), "--json", "--stats", "prod.hcl")}
}

// connect logs in.
func (f *far) connect(b *testing.B) (took time.Duration, trips int) {
	b.Helper()
	d := &remote.Dialer{}
	defer d.Close()
	h := d.Host(f.near)
	defer h.Close()
	began := time.Now()
	must(b, h.Connect(b.Context()))
	return time.Since(began), int(h.Stats().RoundTrips)
}

func (f *far) passes(bytes int, when time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, passed{bytes, when})
}

// bulk is what was sent and how long that took, from when the first hundredth has left to when the last one does: all
// but the upload of the release is less.
func (f *far) bulk(b *testing.B) (bytes int, took time.Duration) {
	b.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	total := 0
	for _, p := range f.sent {
		total += p.bytes
	}
	const few = 10 << 20
	if total < few {
		b.Fatalf("an upload of %d bytes", total)
	}
	sofar := 0
	var first, last time.Time
	for _, p := range f.sent {
		sofar += p.bytes
		if sofar < total/100 {
			continue
		}
		if first.IsZero() {
			first = p.when
		} else {
			bytes += p.bytes
		}
		last = p.when
		if sofar > total-total/100 {
			break
		}
	}
	return bytes, last.Sub(first)
}
