package node

import (
	"bufio"
	"context"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clusterup/clusterup/node/haproxy"
)

var readyConfig = Config{Backends: []haproxy.Backend{{Name: "write"}, {Name: "read"}}}

// serveStates is HAProxy's socket, which tells of the servers that rows say: "write/pg-1 2 0 100" for backend and name,
// operational state (2 is up), administrative state, and weight.
func serveStates(t *testing.T, rows *atomic.Pointer[[]string]) (path string, asked *atomic.Int64) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	ok(t, err)
	t.Cleanup(func() { l.Close() })
	asked = new(atomic.Int64)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = bufio.NewReader(conn).ReadString('\n')
			asked.Add(1)
			var b strings.Builder
			b.WriteString("1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_port srv_check_port\n")
			for _, row := range *rows.Load() {
				f := strings.Fields(row)
				backend, name, _ := strings.Cut(f[0], "/")
				b.WriteString("1 " + backend + " 1 " + name + " 10.0.0.21 " + f[1] + " " + f[2] + " " + f[3] + " 5432 5432\n")
			}
			b.WriteString("\n# bkname/svname used_cur\n\n")
			_, _ = io.WriteString(conn, b.String())
			conn.Close()
		}
	}()
	return path, asked
}

func rowsOf(rows ...string) *atomic.Pointer[[]string] {
	var p atomic.Pointer[[]string]
	p.Store(&rows)
	return &p
}

// A backend takes clients where it has a server that is up, ready, and of some weight.
func TestTakes(t *testing.T) {
	for rows, want := range map[string]string{
		"":                                     "",
		"write/pg-1 2 0 100":                   "write",
		"read/pg-1 2 0 100|write/pg-1 2 0 100": "write read", // in the order of the configuration
		"write/pg-1 0 0 100":                   "",           // down
		"write/pg-1 2 8 100":                   "",           // draining
		"write/pg-1 2 1 100":                   "",           // in maintenance
		"write/pg-1 2 0 0":                     "",
		"write/pg-1 0 0 100|write/pg-2 2 0 1":  "write",
		"other/pg-1 2 0 100":                   "",
	} {
		cfg := readyConfig
		has := slices.DeleteFunc(strings.Split(rows, "|"), func(row string) bool { return row == "" })
		cfg.HAProxy, _ = serveStates(t, rowsOf(has...))
		got, err := Takes(t.Context(), cfg)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %q, %v; want %q", rows, got, err, want)
		}
	}
	cfg := readyConfig
	cfg.HAProxy = filepath.Join(t.TempDir(), "none")
	if _, err := Takes(t.Context(), cfg); err == nil {
		t.Error("an HAProxy that is not there tells something")
	}
}

// Waiting ends when all backends take clients, and else with what they lack.
func TestAwait(t *testing.T) {
	rows := rowsOf("write/pg-1 0 0 100", "read/pg-1 2 0 100")
	cfg := readyConfig
	var asked *atomic.Int64
	cfg.HAProxy, asked = serveStates(t, rows)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Await(ended, cfg, []string{"write", "read"}); err == nil || err.Error() != "no server is up for write" {
		t.Errorf("%v", err)
	}
	if err := Await(ended, cfg, []string{"read"}); err != nil {
		t.Errorf("what is there already is waited for: %v", err)
	}
	done := make(chan error)
	go func() { done <- Await(t.Context(), cfg, []string{"write", "read"}) }()
	before := asked.Load()
	waitFor(t, "HAProxy is asked again", func() bool { return asked.Load() > before+1 })
	up := []string{"write/pg-1 2 0 100", "read/pg-1 2 0 100"}
	rows.Store(&up)
	select {
	case err := <-done:
		ok(t, err)
	case <-time.After(time.Minute):
		t.Error("it waits for what is there")
	}
	cfg.HAProxy = filepath.Join(t.TempDir(), "none")
	if err := Await(ended, cfg, []string{"write"}); err == nil || !strings.Contains(err.Error(), "ask HAProxy") {
		t.Errorf("%v, want why HAProxy does not tell", err)
	}
}
