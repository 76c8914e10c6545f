package haproxy

import (
	"bufio"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/pool"
)

// listen is a runtime socket that gives an answer to each line, and returns the lines.
func listen(t *testing.T, answer string) (*Socket, <-chan string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	lines := make(chan string, 1000)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(conn).ReadString('\n')
			lines <- strings.TrimSuffix(line, "\n")
			_, _ = io.WriteString(conn, answer)
			conn.Close()
		}
	}()
	return &Socket{Path: path}, lines
}

// HAProxy is asked ten times in a second, and no more.
func TestPace(t *testing.T) {
	s, _ := listen(t, "\n")
	begin := time.Now()
	for range asksASecond {
		if _, err := s.Send(t.Context(), []string{"show info"}); err != nil {
			t.Fatal(err)
		}
	}
	quick := time.Since(begin)
	if _, err := s.Send(t.Context(), []string{"show info"}); err != nil {
		t.Fatal(err)
	}
	if all := time.Since(begin); all < time.Second || s.Asks != asksASecond+1 {
		t.Errorf("%d asks within %s, the first ten within %s", s.Asks, all, quick)
	}
}

// Many changes share a line, one is never split, and complaints are told.
func TestSend(t *testing.T) {
	s, lines := listen(t, "No such server.\n\n")
	change := strings.Repeat("x", maxLine/2-1)
	complaints, err := s.Send(t.Context(), []string{change, change, change, strings.Repeat("y", maxLine+1), "z"})
	if err != nil || complaints != strings.TrimSpace(strings.Repeat("No such server. ", s.Asks)) {
		t.Errorf("%q, %v", complaints, err)
	}
	if s.Asks != 4 {
		t.Fatalf("asked %d times", s.Asks)
	}
	for _, want := range []int{2*len(change) + 1, len(change), maxLine + 1, 1} {
		if line := <-lines; len(line) != want {
			t.Errorf("a line of %d, want %d", len(line), want)
		}
	}
}

const columns = "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight " +
	"srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state " +
	"bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr " +
	"srv_agent_port\n"

const conns = "\n# bkname/svname bkid/svid addr port - purge_delay used_cur used_max\n"

func TestParse(t *testing.T) {
	seen, err := parse("1\n" + columns +
		"2 write 1 pg-1 10.0.0.1 2 0 100 1 9 6 3 2 6 0 0 0 - 6432 - 0 8008 - - 0\n" +
		"2 write 2 pg-2 fd00::1 0 8 7 1 9 1 0 0 2 0 0 0 - 1 - 0 0 - - 0\n" +
		"2 write 3 pg-3 - 0 37 1 1 9 1 0 0 14 0 0 0 - 0 - 0 0 - - 0\n" +
		"3 cut\n" + conns + "write/pg-1 2/1 10.0.0.1 6432 - 0 3 4\nwrite/none 2/1 10.0.0.1 6432 - 0 3 4\n\n")
	if err != nil || len(seen) != 4 {
		t.Fatalf("%+v, %v", seen, err)
	}
	one, two, three := seen[0], seen[1], seen[2]
	if one.Backend != "write" || one.Name != "pg-1" || one.Render() !=
		`{"address":"10.0.0.1","port":6432,"check":8008,"weight":100,"state":"ready"}` ||
		!one.Up || !one.Checked || !one.Checking || one.Used != 3 {
		t.Errorf("%+v", one)
	}
	if two.Render() != `{"address":"fd00::1","port":1,"check":1,"weight":7,"state":"drain"}` || two.Up || two.Checking {
		t.Errorf("%+v", two)
	}
	if three.Address.IsValid() || three.State != pool.Maint || three.Port != 0 {
		t.Errorf("%+v", three)
	}
	for _, answer := range []string{"", "Permission denied\n", "1\n" + columns} {
		if seen, err := parse(answer); err == nil {
			t.Errorf("%q: %v", answer, seen)
		}
	}
}

// Any answer of HAProxy is parsed or refused.
func FuzzParse(f *testing.F) {
	f.Add("1\n" + columns + "2 write 1 pg-1 10.0.0.1 2 0 100 1 9 6 3 2 6 0 0 0 - 6432 - 0 8008 - - 0\n" + conns)
	f.Fuzz(func(t *testing.T, answer string) {
		seen, err := parse(answer)
		if err != nil {
			return
		}
		want := map[string]pool.Server{"a": server(1, pool.Ready)}
		for _, change := range Diff(Backend{Name: "write"}, seen, want, never).Changes {
			if strings.ContainsAny(change, "\n\r\x00#\\\"'") {
				t.Errorf("%q", change)
			}
		}
	})
}
