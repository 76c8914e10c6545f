package facts

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Parse reads the answer of Ask.Script into a Host. The clock offset is left to Gather. An answer without its last line was cut
// short and is an error; a line that it does not know is one too, so that script and parser cannot drift apart.
func Parse(a Ask, answer []byte) (Host, error) {
	host, _, err := parse(a, answer)
	return host, err
}

func parse(a Ask, answer []byte) (Host, time.Time, error) {
	p := parser{ask: a, host: Host{Files: map[string]File{}, Leaves: map[string]Leaf{}, Binaries: map[string]string{}}}
	ended := false
	for number, line := range strings.Split(strings.TrimRight(string(answer), "\n"), "\n") {
		if line == "end" {
			ended = true
			continue
		}
		fields := strings.Split(line, "\t")
		read, known := lines[fields[0]]
		if !known || ended {
			return Host{}, time.Time{}, fmt.Errorf("parse facts: line %d: unexpected %q", number+1, clip(line))
		}
		if len(fields)-1 != read.fields {
			return Host{}, time.Time{}, fmt.Errorf("parse facts: line %d: %d fields in %q, want %d", number+1, len(fields)-1, clip(line), read.fields)
		}
		if err := read.into(&p, fields[1:]); err != nil {
			return Host{}, time.Time{}, fmt.Errorf("parse facts: line %d %q: %w", number+1, clip(line), err)
		}
	}
	if !ended {
		return Host{}, time.Time{}, errors.New("parse facts: the answer was cut short")
	}
	host, err := p.finish()
	return host, p.clock, err
}

type parser struct {
	ask    Ask
	host   Host
	clock  time.Time
	exe    string // inode of the running executable
	intact map[string]bool
}

// lines says how many fields each kind of line has, and what they mean.
var lines = map[string]struct {
	fields int
	into   func(p *parser, f []string) error
}{
	"clock":    {1, func(p *parser, f []string) error { return p.readClock(f[0]) }},
	"arch":     {2, func(p *parser, f []string) error { p.host.Arch, p.host.Kernel = goArch(f[0]), f[1]; return nil }},
	"os":       {1, func(p *parser, f []string) error { p.host.OS = strings.TrimSpace(f[0]); return nil }},
	"systemd":  {1, func(p *parser, f []string) (err error) { p.host.Systemd, err = strconv.Atoi(f[0]); return err }},
	"machine":  {1, func(p *parser, f []string) error { p.host.MachineID = f[0]; return nil }},
	"boot":     {1, func(p *parser, f []string) error { p.host.BootID = f[0]; return nil }},
	"memory":   {1, func(p *parser, f []string) error { return kilobytes(&p.host.Memory, f[0]) }},
	"etcduser": {1, func(p *parser, _ []string) error { p.host.EtcdUser = true; return nil }},
	"inuse":    {1, func(p *parser, f []string) error { p.host.InUse = append(p.host.InUse, f[0]); return nil }},
	"missing":  {1, func(p *parser, f []string) error { p.host.Missing = append(p.host.Missing, f[0]); return nil }},
	"free":     {2, (*parser).readFree},
	"unit":     {1, (*parser).readUnit},
	"process":  {5, (*parser).readProcess},
	"file":     {6, (*parser).readFile},
	"link":     {2, (*parser).readLink},
	"content":  {2, (*parser).readContent},
	"intact":   {1, (*parser).readIntact},
	"binary":   {2, func(p *parser, f []string) error { p.host.Binaries[f[0]] = f[1]; return nil }},
	"data":     {1, func(p *parser, _ []string) error { p.host.Data.Exists = true; return nil }},
	"entry":    {1, func(p *parser, f []string) error { p.host.Data.Entries = append(p.host.Data.Entries, f[0]); return nil }},
	"wal":      {1, (*parser).readWAL},
	"v2store":  {2, (*parser).readV2Store},
	"v2log":    {1, (*parser).readV2Log},
	"listen":   {1, (*parser).readListen},
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

func (p *parser) readFree(f []string) error {
	if f[0] == "data" {
		return kilobytes(&p.host.DataFree, f[1])
	}
	return kilobytes(&p.host.OptFree, f[1])
}

func (p *parser) readUnit(f []string) (err error) {
	key, value, _ := strings.Cut(f[0], "=")
	u := &p.host.Unit
	switch key {
	case "LoadState":
		u.Load = value
	case "ActiveState":
		u.Active = value
	case "SubState":
		u.Sub = value
	case "UnitFileState":
		u.Enabled = value
	case "NeedDaemonReload":
		u.NeedsReload = value == "yes"
	case "DropInPaths":
		u.DropIns = strings.Fields(value)
	case "NRestarts":
		u.Restarts, err = strconv.Atoi(value)
	case "Result":
		u.Result = value
	}
	return err
}

func (p *parser) readProcess(f []string) error {
	pid, err := strconv.Atoi(f[0])
	if err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(f[3])
	if err != nil {
		return err
	}
	args := strings.Split(strings.TrimRight(string(raw), "\x00"), "\x00")
	if strings.HasPrefix(args[0], "(") { // between fork and exec it is still systemd, with its own name for what is to come
		return nil
	}
	p.host.Process, p.exe = &Process{PID: pid, Exe: f[2], SHA256: f[4], Args: args}, f[1]
	return nil
}

func (p *parser) readFile(f []string) error {
	raw, err := strconv.ParseUint(f[0], 16, 32)
	if err != nil {
		return err
	}
	size, err := strconv.ParseInt(f[3], 10, 64)
	if err != nil {
		return err
	}
	kinds := map[uint64]Kind{0x8000: Regular, 0x4000: Dir, 0xa000: Link}
	kind, ok := kinds[raw&0xf000]
	if !ok {
		kind = Other
	}
	p.host.Files[f[5]] = File{Kind: kind, Mode: fs.FileMode(raw & 0o7777), Owner: f[1], Group: f[2], Size: size, Inode: f[4]}
	return nil
}

func (p *parser) readLink(f []string) error {
	file := p.host.Files[f[0]]
	file.Kind, file.Target = Link, f[1]
	p.host.Files[f[0]] = file
	return nil
}

func (p *parser) readContent(f []string) error {
	raw, err := base64.StdEncoding.DecodeString(f[1])
	if err != nil {
		return err
	}
	if role, ok := p.leafRole(f[0]); ok {
		leaf, err := readLeaf(raw)
		if err == nil {
			leaf.Role = role
			p.host.Leaves[role] = leaf
		}
		return nil // an unreadable certificate is no leaf at all
	}
	file := p.host.Files[f[0]]
	file.Content = raw
	p.host.Files[f[0]] = file
	return nil
}

// leafRole says whether a path is the certificate behind a role's symbolic link.
func (p *parser) leafRole(name string) (string, bool) {
	role := path.Base(path.Dir(name))
	return role, name == path.Join(p.ask.ConfigDir, "tls", role, "cert.pem")
}

func (p *parser) readIntact(f []string) error {
	if p.intact == nil {
		p.intact = map[string]bool{}
	}
	p.intact[f[0]] = true
	return nil
}

func (p *parser) readWAL(f []string) error {
	head, err := base64.StdEncoding.DecodeString(f[0])
	if err != nil {
		return err
	}
	p.host.Data.WAL = true
	p.host.Data.ClusterID, p.host.Data.MemberID, _ = walIdentity(head) // zero IDs: a WAL, but nobody's that we can tell
	return nil
}

// readListen reads a line of ss -H -ltnp: LISTEN 0 4096 ADDRESS:PORT PEER users:(("etcd",pid=7,fd=3)).
func (p *parser) readListen(f []string) error {
	columns := strings.Fields(f[0])
	if len(columns) < 5 {
		return fmt.Errorf("%d columns, want 5", len(columns))
	}
	colon := strings.LastIndex(columns[3], ":")
	port, err := strconv.Atoi(columns[3][colon+1:])
	if err != nil {
		return err
	}
	socket := Socket{Address: strings.Trim(columns[3][:max(colon, 0)], "[]"), Port: port}
	if len(columns) > 5 {
		if _, rest, ok := strings.Cut(columns[5], `"`); ok {
			socket.Process, rest, _ = strings.Cut(rest, `"`)
			rest, _, _ = strings.Cut(strings.TrimPrefix(rest, ",pid="), ",")
			socket.PID, _ = strconv.Atoi(rest) // zero: not told
		}
	}
	p.host.Sockets = append(p.host.Sockets, socket)
	return nil
}

// finish joins what only makes sense together.
func (p *parser) finish() (Host, error) {
	if p.clock.IsZero() || p.host.Arch == "" {
		return Host{}, errors.New("parse facts: no clock or architecture in the answer")
	}
	slices.SortFunc(p.host.Sockets, func(a, b Socket) int { // ss gives them in no order
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Address, b.Address))
	})
	if p.host.Process != nil {
		for name, file := range p.host.Files {
			if file.Inode == p.exe && path.Base(name) == "etcd" && file.Kind == Regular {
				p.host.Process.SameAs = name
			}
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
	return p.host, nil
}

func kilobytes(into *int64, text string) error {
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v > math.MaxInt64/1024 {
		return fmt.Errorf("%q kilobytes", text)
	}
	*into = v * 1024
	return nil
}

// goArch turns uname's word into Go's; what it does not know stays as it is.
func goArch(machine string) string {
	known := map[string]string{"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64"}
	if arch, ok := known[machine]; ok {
		return arch
	}
	return machine
}

func clip(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return string(bytes.ToValidUTF8([]byte(s), []byte("?")))
}
