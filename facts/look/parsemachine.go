package look

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/lines"
)

// machine reads what hosts of members and of nodes have in common; see host.sh.
type machine struct {
	facts    *facts.Machine
	ports    []int // that were asked for
	clock    time.Time
	owners   map[string]string // of /proc/PID
	contents []string          // paths of files whose content follows, in its order
}

func newMachine(into *facts.Machine, ports []int) machine {
	return machine{facts: into, ports: ports, owners: map[string]string{}}
}

func (m *machine) on() *machine { return m }

// common adds the kinds of lines that both scripts write.
func common[P interface{ on() *machine }](kinds map[string]lines.Kind[P]) map[string]lines.Kind[P] {
	of := func(kind string, into func(m *machine, f string) error) {
		kinds[kind] = lines.Of(1, func(p P, f []string) error { return into(p.on(), f[0]) })
	}
	kinds["clock"] = lines.Plain(1, func(p P, f []string) error { return p.on().readClock(f[0]) })
	of("arch", func(m *machine, f string) error { m.facts.Arch = goArch(f); return nil })
	of("os", func(m *machine, f string) error { m.facts.OS = strings.TrimSpace(f); return nil })
	of("systemd", func(m *machine, f string) error { return lines.Number(&m.facts.Systemd, f) })
	of("machine", func(m *machine, f string) error { m.facts.MachineID = f; return nil })
	of("run", func(m *machine, f string) error { m.facts.Run = f; return nil })
	of("boot", func(m *machine, f string) error { m.facts.BootID = f; return nil })
	of("memory", func(m *machine, f string) error { return lines.Kilobytes(&m.facts.Memory, f) })
	of("missing", func(m *machine, f string) error { return add(&m.facts.Missing, f) })
	of("odd", readOdd)
	of("listen", (*machine).readListen)
	return kinds
}

// finish is an error where the host did not tell what every host can.
func (m *machine) finish() error {
	if m.clock.IsZero() || m.facts.Arch == "" {
		return errors.New("no clock or architecture in the answer")
	}
	slices.SortFunc(m.facts.Sockets, func(a, b facts.Socket) int { // ss gives them in no order
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Address, b.Address))
	})
	return nil
}

func (m *machine) readClock(f string) error {
	seconds, nanos, _ := strings.Cut(f, ".")
	s, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(nanos, 10, 64) // a date without %N prints the letter: whole seconds then
	if err != nil {
		n = int64(time.Second) / 2
	}
	m.clock = time.Unix(s, n)
	return nil
}

// fileOf reads what stat says of a path: its mode with the type in it, in hexadecimal, its owner, its group and its
// size. There is something, whatever else of the line can be read.
func fileOf(f []string) (facts.File, error) {
	raw, err := strconv.ParseUint(f[0], 16, 32)
	if err != nil {
		return facts.File{Kind: facts.Other}, err
	}
	kinds := map[uint64]facts.Kind{0x8000: facts.Regular, 0x4000: facts.Dir, 0xa000: facts.Link}
	file := facts.File{
		Kind: cmp.Or(kinds[raw&0xf000], facts.Other), Mode: fs.FileMode(raw & 0o7777), Owner: f[1],
		Group: f[2],
	}
	size, _, _ := strings.Cut(f[3], " ")
	return file, bytesOf(&file.Size, size)
}

// readOdd tells of a file in a directory of clusterup's, with a name that clusterup does not give.
func readOdd(_ *machine, f string) error {
	return fmt.Errorf("a file called %q in %s", lines.Clip(path.Base(f)), path.Dir(f))
}

func (m *machine) readContent(f string) error {
	if _, told := m.facts.Files[f]; !told {
		return errors.New("the content of a file that was not listed")
	}
	return add(&m.contents, f)
}

// listener is a line of ss -H -ltnp: LISTEN 0 4096 ADDRESS:PORT PEER users:(("etcd",pid=7,fd=3)). Processes choose
// their names, of at most 15 bytes: too few for one that pretends to be the next line or the next process.
var (
	listener = regexp.MustCompile(`^LISTEN +\d+ +\d+ +(\S*):(\d+) +\S+ *(.*)$`)
	holders  = regexp.MustCompile(`^users:\(\("([^"]*)",pid=(\d+),fd=\d+\)(?:,\("[^"]*",pid=\d+,fd=\d+\))*\)`)
)

func (m *machine) readListen(f string) error {
	line := listener.FindStringSubmatch(f)
	if line == nil {
		return errors.New("no listener")
	}
	socket := facts.Socket{Address: strings.Trim(line[1], "[]")}
	if err := lines.Number(&socket.Port, line[2]); err != nil {
		return err
	}
	if !slices.Contains(m.ports, socket.Port) {
		return fmt.Errorf("nobody asked for port %d", socket.Port)
	}
	if holder := holders.FindStringSubmatch(line[3]); holder != nil {
		socket.Process = holder[1]
		if err := lines.Number(&socket.PID, holder[2]); err != nil {
			return err
		}
	}
	m.facts.Sockets = append(m.facts.Sockets, socket)
	return nil
}

// whole is where a pair lies, and whether it is the one that was written.
func (m *machine) whole(leaf facts.Leaf, link string, intact bool) facts.Leaf {
	leaf.Intact = intact
	if target := m.facts.Files[link].Target; target != "" {
		leaf.Dir = target
		if !path.IsAbs(target) {
			leaf.Dir = path.Join(path.Dir(link), target)
		}
	}
	return leaf
}

func bytesOf(into *int64, text string) error {
	v, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return fmt.Errorf("%q bytes", text)
	}
	*into = int64(v)
	return nil
}

// goArch turns uname's word into Go's, where they differ.
func goArch(machine string) string {
	return cmp.Or(map[string]string{"x86_64": "amd64", "aarch64": "arm64"}[machine], machine)
}
