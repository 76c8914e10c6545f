package haproxy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/clusterup/clusterup/pool"
)

// Seen is a server as HAProxy has it.
type Seen struct {
	Backend, Name string
	pool.Server   // Address is the zero value where HAProxy has none yet
	Up            bool
	Checked       bool // has a health check …
	Checking      bool // … that is switched on
	Used          int  // connections that clients have to it
}

// Look says which servers HAProxy has.
func (s *Socket) Look(ctx context.Context) ([]Seen, error) {
	answer, err := s.ask(ctx, "show servers state;show servers conn")
	if err != nil {
		return nil, err
	}
	return parse(answer)
}

// Bits of srv_admin_state and srv_check_state, see management.txt, "show servers state", and include/haproxy/server-t.h
// (SRV_ADMF_*) and check-t.h (CHK_ST_*). What a server inherits, and that its configuration says "disabled", are not
// ours.
const (
	adminMaint = 0x01
	adminDrain = 0x08

	checkConfigured = 0x02
	checkEnabled    = 0x04

	opRunning = 2
)

// parse reads the answers to "show servers state" and "show servers conn", which begin with a line that names their
// columns.
func parse(answer string) ([]Seen, error) {
	var (
		servers []Seen
		index   = map[string]int{}
		columns map[string]int
		found   int
	)
	for line := range strings.Lines(answer) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
			columns = nil
		case words[0] == "#":
			columns = map[string]int{}
			for i, name := range words[1:] {
				columns[name] = i
			}
			found++
		case columns == nil: // the version of the format
		default:
			row := row{words, columns}
			name, conn := row.text("bkname/svname")
			if conn {
				if i, there := index[name]; there {
					servers[i].Used = row.number("used_cur")
				}
				continue
			}
			index[row.name()] = len(servers)
			servers = append(servers, row.seen())
		}
	}
	if found != 2 {
		return nil, fmt.Errorf("hear HAProxy: it does not tell of its servers: %w", errors.New(pool.Quote(answer)))
	}
	return servers, nil
}

type row struct {
	words   []string
	columns map[string]int
}

func (r row) text(column string) (string, bool) {
	i, there := r.columns[column]
	if !there || i >= len(r.words) {
		return "", false
	}
	return r.words[i], true
}

// number is 0 where there is none, as HAProxy writes it too.
func (r row) number(column string) int {
	word, _ := r.text(column)
	n, err := strconv.Atoi(word)
	if err != nil {
		return 0
	}
	return n
}

func (r row) port(column string) uint16 {
	if n := r.number(column); n > 0 && n <= 65535 {
		return uint16(n)
	}
	return 0
}

func (r row) name() string {
	backend, _ := r.text("be_name")
	name, _ := r.text("srv_name")
	return backend + "/" + name
}

func (r row) seen() Seen {
	var s Seen
	s.Backend, _ = r.text("be_name")
	s.Name, _ = r.text("srv_name")
	address, _ := r.text("srv_addr")
	s.Address, _ = netip.ParseAddr(address)
	s.Port, s.Weight = r.port("srv_port"), r.number("srv_uweight")
	if s.Server.Check = r.port("srv_check_port"); s.Server.Check == 0 {
		s.Server.Check = s.Port
	}
	admin, check := r.number("srv_admin_state"), r.number("srv_check_state")
	switch {
	case admin&adminMaint != 0:
		s.State = pool.Maint
	case admin&adminDrain != 0:
		s.State = pool.Drain
	default:
		s.State = pool.Ready
	}
	s.Up = r.number("srv_op_state") == opRunning
	s.Checked, s.Checking = check&checkConfigured != 0, check&checkEnabled != 0
	return s
}
