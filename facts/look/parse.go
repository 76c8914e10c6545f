package look

import (
	"cmp"
	"fmt"
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
	}, intact: map[string]bool{}, near: map[string]string{}, rooms: map[string]facts.Room{}}
	p.machine = newMachine(&p.host.Machine, a.Ports)
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
	machine
	ask       facts.Ask
	host      facts.Host
	use       facts.Data     // what lies where the member's data is elsewhere than it was asked for
	process   *facts.Process // that runs, or is about to; its command line is not read yet
	variables []string       // of the process
	intact    map[string]bool
	near      map[string]string     // data, wal, opt → the nearest directory that is there
	rooms     map[string]facts.Room // by directory
}

// kinds says how many fields each kind of line has, and what they mean.
var kinds = common(map[string]lines.Kind[*parser]{
	"etcduser": lines.Of(1, func(p *parser, _ []string) error { p.host.EtcdUser = true; return nil }),
	"inuse":    lines.Of(1, func(p *parser, f []string) error { return add(&p.host.InUse, f[0]) }),
	"package":  lines.Of(1, (*parser).readPackage),
	"near":     lines.Of(2, (*parser).readNear),
	"free":     lines.Plain(6, (*parser).readFree),
	"sealed":   lines.Of(1, (*parser).readSealed),
	"route":    lines.Of(1, (*parser).readRoute),
	"unit":     lines.Of(1, (*parser).readUnit),
	"variable": lines.Of(2, (*parser).readVariable),
	"process":  lines.Of(4, (*parser).readProcess),
	"file":     lines.Plain(5, (*parser).readFile),
	"link":     lines.Of(2, (*parser).readLink),
	"content":  lines.Of(1, func(p *parser, f []string) error { return p.readContent(f[0]) }),
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
})

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
	file, err := fileOf(f)
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

// leafRole says whether a path is the certificate behind a role's symbolic link.
func (p *parser) leafRole(name string) (string, bool) {
	role := path.Base(path.Dir(name))
	return role, name == path.Join(p.ask.ConfigDir, "tls", role, "cert.pem")
}

func (p *parser) readIntact(f []string) error {
	p.intact[f[0]] = true
	return nil
}

// finish joins what only makes sense together.
func (p *parser) finish() error {
	if err := p.machine.finish(); err != nil {
		return err
	}
	p.settle()
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
		p.host.Leaves[role] = p.whole(leaf, link, p.intact[role])
	}
	return nil
}

func add(to *[]string, text string) error {
	*to = append(*to, text)
	return nil
}
