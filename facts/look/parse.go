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

// parse reads the answer of Script into a Host, and says when it was given. A line that cannot be read is in
// Host.Unread; an answer that was cut short, or lacks what every host can tell, is an error.
func parse(a facts.Ask, answer []byte) (facts.Host, time.Time, error) {
	p := &parser{ask: a, host: facts.Host{
		Machine: facts.Machine{Files: map[string]facts.File{}, Binaries: map[string]string{}, Rooms: map[string]facts.Room{}},
		Member:  facts.Member{Leaves: map[string]facts.Leaf{}},
	}, owners: map[string]string{}, intact: map[string]bool{}, near: map[string]string{}, rooms: map[string]facts.Room{}}
	text, raw, err := cutRaw(answer)
	if err == nil {
		p.host.Unread, err = lines.Read(text, kinds, p)
	}
	if err == nil {
		p.readRaw(raw)
		err = p.finish()
	}
	if err != nil {
		return facts.Host{}, time.Time{}, fmt.Errorf("parse facts: %w", err)
	}
	return p.host, p.clock, nil
}

const maxEntries = 8 // of the data directory

type parser struct {
	ask       facts.Ask
	host      facts.Host
	use       facts.Data // what lies where the member's data is elsewhere than it was asked for
	clock     time.Time
	process   *facts.Process    // that runs, or is about to; its command line is not read yet
	owners    map[string]string // of /proc/PID
	variables []string          // of the process
	contents  []string          // paths of files whose content follows, in its order
	intact    map[string]bool
	near      map[string]string     // data, wal, opt → the nearest directory that is there
	rooms     map[string]facts.Room // by directory
}

// kinds says how many fields each kind of line has, and what they mean.
var kinds = map[string]lines.Kind[*parser]{
	"clock":    lines.Plain(1, func(p *parser, f []string) error { return p.readClock(f[0]) }),
	"arch":     lines.Of(1, func(p *parser, f []string) error { p.host.Arch = goArch(f[0]); return nil }),
	"os":       lines.Of(1, func(p *parser, f []string) error { p.host.OS = strings.TrimSpace(f[0]); return nil }),
	"systemd":  lines.Of(1, func(p *parser, f []string) error { return lines.Number(&p.host.Systemd, f[0]) }),
	"machine":  lines.Of(1, func(p *parser, f []string) error { p.host.MachineID = f[0]; return nil }),
	"run":      lines.Of(1, func(p *parser, f []string) error { p.host.Run = f[0]; return nil }),
	"boot":     lines.Of(1, func(p *parser, f []string) error { p.host.BootID = f[0]; return nil }),
	"memory":   lines.Of(1, func(p *parser, f []string) error { return lines.Kilobytes(&p.host.Memory, f[0]) }),
	"etcduser": lines.Of(1, func(p *parser, _ []string) error { p.host.EtcdUser = true; return nil }),
	"inuse":    lines.Of(1, func(p *parser, f []string) error { return add(&p.host.InUse, f[0]) }),
	"package":  lines.Of(1, (*parser).readPackage),
	"missing":  lines.Of(1, func(p *parser, f []string) error { return add(&p.host.Missing, f[0]) }),
	"near":     lines.Of(2, (*parser).readNear),
	"free":     lines.Plain(6, (*parser).readFree),
	"sealed":   lines.Of(1, (*parser).readSealed),
	"route":    lines.Of(1, (*parser).readRoute),
	"unit":     lines.Of(1, (*parser).readUnit),
	"variable": lines.Of(2, (*parser).readVariable),
	"process":  lines.Of(4, (*parser).readProcess),
	"file":     lines.Plain(5, (*parser).readFile),
	"odd":      lines.Of(1, (*parser).readOdd),
	"link":     lines.Of(2, (*parser).readLink),
	"content":  lines.Of(1, (*parser).readContent),
	"intact":   lines.Of(1, (*parser).readIntact),
	"binary":   lines.Of(2, func(p *parser, f []string) error { p.host.Binaries[f[0]] = f[1]; return nil }),
	"tokenkey": lines.Of(2, (*parser).readTokenKey),
	"data":     lines.Of(1, func(p *parser, _ []string) error { p.host.Data.Exists = true; return nil }),
	"entry":    lines.Of(1, func(p *parser, f []string) error { return readEntry(&p.host.Data, f[0]) }),
	"wal":      lines.Of(1, func(p *parser, _ []string) error { p.host.Data.WAL = true; return nil }),
	"log":      lines.Of(3, (*parser).readLog),
	"use":      lines.Of(2, func(p *parser, f []string) error { p.use.Dir, p.use.WALDir = f[0], f[1]; return nil }),
	"usedata":  lines.Of(1, func(p *parser, _ []string) error { p.use.Exists = true; return nil }),
	"useentry": lines.Of(1, func(p *parser, f []string) error { return readEntry(&p.use, f[0]) }),
	"usewal":   lines.Of(1, func(p *parser, _ []string) error { p.use.WAL = true; return nil }),
	"v2store":  lines.Of(2, (*parser).readV2Store),
	"v2log":    lines.Of(1, (*parser).readV2Log),
	"listen":   lines.Of(1, (*parser).readListen),
}

func (p *parser) readLog(f []string) error {
	feeds, err := strconv.ParseInt(strings.TrimSpace(f[2]), 10, 64)
	if err != nil || feeds < 0 {
		return fmt.Errorf("no number of line feeds: %q", lines.Clip(f[2]))
	}
	p.host.Data.Log = &facts.Log{Noted: f[0], Newest: f[1], Feeds: feeds}
	return nil
}

func (p *parser) readPackage(f []string) error {
	if f[0] != "etcd" && f[0] != "etcd-server" { // people are told a command with it
		return fmt.Errorf("no package of etcd: %q", f[0])
	}
	return add(&p.host.Packages, f[0])
}

// tokenKeyName is that of a file with a key for tokens; others are not clusterup's.
var tokenKeyName = regexp.MustCompile(`^token-[0-9a-f]{16}\.pem$`)

func (p *parser) readTokenKey(f []string) error {
	if path.Dir(f[0]) != p.ask.ConfigDir || !tokenKeyName.MatchString(path.Base(f[0])) {
		return nil
	}
	if p.host.TokenKeys == nil {
		p.host.TokenKeys = map[string]string{}
	}
	p.host.TokenKeys[f[0]] = f[1]
	return nil
}

func (p *parser) readClock(f string) error {
	seconds, nanos, _ := strings.Cut(f, ".")
	s, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(nanos, 10, 64) // a date without %N prints the letter: whole seconds then
	if err != nil {
		n = int64(time.Second) / 2
	}
	p.clock = time.Unix(s, n)
	return nil
}

func (p *parser) readProcess(f []string) error {
	pid, err := strconv.Atoi(f[0])
	if err != nil {
		return err
	}
	p.process = &facts.Process{PID: pid, SameAs: f[1], Exe: f[2], SHA256: f[3]}
	return nil
}

// readFile reads what stat says of a path. Its name begins with "/./" where it is a way to others, and ends in "/."
// where links were followed; see script.sh.
func (p *parser) readFile(f []string) error {
	name, way := strings.CutPrefix(f[4], "/./")
	if way {
		name = "/" + name
	}
	name = cmp.Or(strings.TrimSuffix(name, "/."), "/")
	file, err := fileOf(f[0], f[1], f[2])
	if err == nil {
		size, _, _ := strings.Cut(f[3], " ")
		err = bytesOf(&file.Size, size)
	}
	switch {
	case strings.HasPrefix(name, "/proc/"):
		p.owners[name] = file.Owner
	case way && err == nil:
		if p.host.Ways == nil {
			p.host.Ways = map[string]facts.File{}
		}
		file.Size = 0
		p.host.Ways[name] = file
	case !way:
		p.host.Files[name] = file // there is something, whatever else of the line can be read
	}
	return err
}

// fileOf reads what stat says of a path: its mode with the type in it, in hexadecimal, its owner and its group.
func fileOf(mode, owner, group string) (facts.File, error) {
	raw, err := strconv.ParseUint(mode, 16, 32)
	if err != nil {
		return facts.File{Kind: facts.Other}, err
	}
	kinds := map[uint64]facts.Kind{0x8000: facts.Regular, 0x4000: facts.Dir, 0xa000: facts.Link}
	return facts.File{
		Kind: cmp.Or(kinds[raw&0xf000], facts.Other), Mode: fs.FileMode(raw & 0o7777), Owner: owner,
		Group: group,
	}, nil
}

// readOdd tells of a file in a directory of clusterup's, with a name that clusterup does not give.
func (p *parser) readOdd(f []string) error {
	return fmt.Errorf("a file called %q in %s", lines.Clip(path.Base(f[0])), path.Dir(f[0]))
}

func readEntry(of *facts.Data, name string) error {
	if len(of.Entries) == maxEntries {
		return fmt.Errorf("more than %d entries", maxEntries)
	}
	return add(&of.Entries, name)
}

// settle takes what lies where the member's data is for its data. Where nothing is there any more, such as after it was
// put aside, that is the place that was asked for.
func (p *parser) settle() {
	if p.use.Dir == "" || !p.use.WAL && !slices.Contains(p.use.Entries, "member") {
		return
	}
	asked := p.host.Data
	p.host.Data, p.host.Place = p.use, &asked
	if p.use.WAL {
		p.host.Data.Log, asked.Log = asked.Log, nil
	}
	if p.use.WALDir == path.Join(p.use.Dir, "member", "wal") {
		p.host.Data.WALDir = ""
	}
}

func (p *parser) readLink(f []string) error {
	file := p.host.Files[f[0]]
	file.Kind, file.Target = facts.Link, f[1]
	p.host.Files[f[0]] = file
	return nil
}

func (p *parser) readContent(f []string) error {
	if _, told := p.host.Files[f[0]]; !told {
		return errors.New("the content of a file that was not listed")
	}
	return add(&p.contents, f[0])
}

// leafRole says whether a path is the certificate behind a role's symbolic link.
func (p *parser) leafRole(name string) (string, bool) {
	role := path.Base(path.Dir(name))
	return role, name == path.Join(p.ask.ConfigDir, "tls", role, "cert.pem")
}

func (p *parser) readIntact(f []string) error {
	p.intact[f[0]] = true
	return nil
}

// listener is a line of ss -H -ltnp: LISTEN 0 4096 ADDRESS:PORT PEER users:(("etcd",pid=7,fd=3)). Processes choose
// their names, of at most 15 bytes: too few for one that pretends to be the next line or the next process.
var (
	listener = regexp.MustCompile(`^LISTEN +\d+ +\d+ +(\S*):(\d+) +\S+ *(.*)$`)
	holders  = regexp.MustCompile(`^users:\(\("([^"]*)",pid=(\d+),fd=\d+\)(?:,\("[^"]*",pid=\d+,fd=\d+\))*\)`)
)

func (p *parser) readListen(f []string) error {
	line := listener.FindStringSubmatch(f[0])
	if line == nil {
		return errors.New("no listener")
	}
	socket := facts.Socket{Address: strings.Trim(line[1], "[]")}
	if err := lines.Number(&socket.Port, line[2]); err != nil {
		return err
	}
	if !slices.Contains(p.ask.Ports, socket.Port) {
		return fmt.Errorf("nobody asked for port %d", socket.Port)
	}
	if holder := holders.FindStringSubmatch(line[3]); holder != nil {
		socket.Process = holder[1]
		if err := lines.Number(&socket.PID, holder[2]); err != nil {
			return err
		}
	}
	p.host.Sockets = append(p.host.Sockets, socket)
	return nil
}

// finish joins what only makes sense together.
func (p *parser) finish() error {
	if p.clock.IsZero() || p.host.Arch == "" {
		return errors.New("no clock or architecture in the answer")
	}
	p.settle()
	slices.SortFunc(p.host.Sockets, func(a, b facts.Socket) int { // ss gives them in no order
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Address, b.Address))
	})
	if running := p.host.Process; running != nil {
		running.User, running.Variables = p.owners[fmt.Sprintf("/proc/%d", running.PID)], p.variables
		if p.host.Files[running.SameAs].Kind != facts.Regular { // a name that cannot be told
			running.SameAs = ""
		}
	}
	for what, dir := range p.near {
		if room, ok := p.rooms[dir]; ok {
			p.host.Rooms[what] = room
		}
	}
	for role, leaf := range p.host.Leaves {
		link := path.Join(p.ask.ConfigDir, "tls", role)
		leaf.Intact = p.intact[role]
		if target := p.host.Files[link].Target; target != "" {
			leaf.Dir = target
			if !path.IsAbs(target) {
				leaf.Dir = path.Join(path.Dir(link), target)
			}
		}
		p.host.Leaves[role] = leaf
	}
	return nil
}

func add(to *[]string, text string) error {
	*to = append(*to, text)
	return nil
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
