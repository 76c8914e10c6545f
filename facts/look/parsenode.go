package look

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/lines"
)

// nodeProgramName is that of the program of ours on nodes.
const nodeProgramName = "clusterup-node"

// parseNode reads the answer of NodeScript into a Node, and says when it was given. It believes a host as little as
// parse does, and takes in nothing that was not asked for.
func parseNode(a facts.NodeAsk, answer []byte) (facts.Node, time.Time, error) {
	p := &nodeParser{ask: a, node: facts.Node{
		Machine:  facts.Machine{Files: map[string]facts.File{}, Binaries: map[string]string{}},
		Software: map[string]facts.Package{}, Units: map[string]facts.Service{}, Users: map[string]bool{},
		Pairs: map[string]facts.Leaf{},
	}, processes: map[string]*facts.Process{}, intact: map[string]bool{}}
	p.machine = newMachine(&p.node.Machine, a.Ports)
	text, raw, err := cutRaw(answer)
	if err == nil {
		p.node.Unread, err = lines.Read(text, nodeKinds, p)
	}
	if err == nil {
		p.readHeads(p.readCommands(raw), p.contents, p.readHeld)
		err = p.finish()
	}
	if err != nil {
		return facts.Node{}, time.Time{}, fmt.Errorf("parse facts: %w", err)
	}
	return p.node, p.clock, nil
}

type nodeParser struct {
	machine
	ask       facts.NodeAsk
	node      facts.Node
	running   []mainProcess
	processes map[string]*facts.Process // by /proc/PID/exe
	intact    map[string]bool
}

// mainProcess is a unit's main process.
type mainProcess struct{ unit, exe string }

// nodeKinds says how many fields each kind of line of a node has, and what they mean.
var nodeKinds = common(map[string]lines.Kind[*nodeParser]{
	"package":   lines.Plain(4, (*nodeParser).readPackage),
	"candidate": lines.Of(2, (*nodeParser).readCandidate),
	"shipped":   lines.Of(2, (*nodeParser).readShipped),
	"unit":      lines.Of(2, (*nodeParser).readUnit),
	"process":   lines.Of(2, (*nodeParser).readProcess),
	"exe":       lines.Of(2, (*nodeParser).readExe),
	"same":      lines.Of(2, (*nodeParser).readSame),
	"user":      lines.Of(1, (*nodeParser).readUser),
	"file":      lines.Plain(5, (*nodeParser).readFile),
	"more":      lines.Of(1, func(_ *nodeParser, f []string) error { return fmt.Errorf("more lies in %s", lines.Clip(f[0])) }),
	"link":      lines.Of(2, (*nodeParser).readLink),
	"binary":    lines.Of(2, (*nodeParser).readBinary),
	"intact":    lines.Of(1, (*nodeParser).readIntact),
	"content":   lines.Of(1, (*nodeParser).readContent),
})

func nobodyAsked(what string) error { return fmt.Errorf("nobody asked for %q", lines.Clip(what)) }

// debianVersion is what a package's version may be (deb-version(7)): apt is told it.
var debianVersion = regexp.MustCompile(`^[0-9][A-Za-z0-9.+~:-]{0,199}$`)

// readPackage reads a package's name, version, wanted state and state, as dpkg has them. Where there are several, as of
// several architectures, the one that is installed counts.
func (p *nodeParser) readPackage(f []string) error {
	name, version, want, state := f[0], f[1], f[2], f[3]
	if !slices.Contains(p.ask.Packages, name) {
		return nobodyAsked(name)
	}
	seen := p.node.Software[name]
	seen.Held = seen.Held || want == "hold"
	var err error
	switch state {
	case "installed", "triggers-awaited", "triggers-pending":
		if !debianVersion.MatchString(version) {
			err = fmt.Errorf("no version: %q", lines.Clip(version))
			break
		}
		seen.Version, seen.Candidate = version, ""
	}
	if err == nil {
		p.node.Software[name] = seen
	}
	return err
}

func (p *nodeParser) readCandidate(f []string) error {
	name, version := f[0], f[1]
	seen := p.node.Software[name]
	switch {
	case !slices.Contains(p.ask.Packages, name) || seen.Version != "":
		return nobodyAsked(name)
	case version == "(none)":
		version = ""
	case !debianVersion.MatchString(version):
		return fmt.Errorf("no version: %q", lines.Clip(version))
	}
	seen.Candidate = version
	p.node.Software[name] = seen
	return nil
}

func (p *nodeParser) readShipped(f []string) error {
	seen, told := p.node.Software[f[0]]
	if !told {
		return nobodyAsked(f[0])
	}
	if file := f[1]; path.IsAbs(file) && path.Clean(file) == file {
		seen.Shipped = append(seen.Shipped, file)
		p.node.Software[f[0]] = seen
		return nil
	}
	return fmt.Errorf("no path: %q", lines.Clip(f[1]))
}

func (p *nodeParser) readUnit(f []string) error {
	if !slices.Contains(p.ask.Units, f[0]) {
		return nobodyAsked(f[0])
	}
	service := p.node.Units[f[0]]
	if _, _, ok := readProperty(&service.Unit, f[1]); !ok {
		return fmt.Errorf("nobody asked for %q of a unit", lines.Clip(f[1]))
	}
	p.node.Units[f[0]] = service
	return nil
}

func (p *nodeParser) readProcess(f []string) error {
	if !slices.Contains(p.ask.Units, f[0]) {
		return nobodyAsked(f[0])
	}
	process := &facts.Process{}
	if err := lines.Number(&process.PID, f[1]); err != nil {
		return err
	}
	exe := fmt.Sprintf("/proc/%d/exe", process.PID)
	p.running = append(p.running, mainProcess{f[0], exe})
	p.processes[exe] = process
	return nil
}

// process is the one whose executable this is.
func (p *nodeParser) process(exe string) (*facts.Process, error) {
	if process := p.processes[exe]; process != nil {
		return process, nil
	}
	return nil, errors.New("no process of a unit")
}

func (p *nodeParser) readExe(f []string) error {
	process, err := p.process(f[0])
	if err == nil {
		process.Exe = f[1]
	}
	return err
}

func (p *nodeParser) readSame(f []string) error {
	process, err := p.process(f[0])
	if err == nil {
		process.SameAs = f[1]
	}
	return err
}

func (p *nodeParser) readUser(f []string) error {
	if !slices.Contains(p.ask.Users, f[0]) {
		return nobodyAsked(f[0])
	}
	p.node.Users[f[0]] = true
	return nil
}

func (p *nodeParser) readFile(f []string) error {
	file, err := fileOf(f)
	switch name := f[4]; {
	case strings.HasPrefix(name, "/proc/"):
		p.owners[name] = file.Owner
	case !p.wanted(name):
		return nobodyAsked(name)
	default:
		p.node.Files[name] = file
	}
	return err
}

func (p *nodeParser) readLink(f []string) error {
	file, told := p.node.Files[f[0]]
	if !told {
		return errors.New("the end of a link that was not listed")
	}
	file.Kind, file.Target = facts.Link, f[1]
	p.node.Files[f[0]] = file
	return nil
}

var hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (p *nodeParser) readBinary(f []string) error {
	name, sum := f[0], f[1]
	process := p.processes[name]
	switch {
	case !hexDigest.MatchString(sum):
		return fmt.Errorf("no digest: %q", lines.Clip(sum))
	case process != nil:
		process.SHA256 = sum
	case !within(p.ask.Programs, name) || path.Base(name) != nodeProgramName:
		return nobodyAsked(name)
	default:
		p.node.Binaries[name] = sum
	}
	return nil
}

func (p *nodeParser) readIntact(f []string) error {
	if !slices.Contains(p.ask.Pairs, f[0]) {
		return nobodyAsked(f[0])
	}
	p.intact[f[0]] = true
	return nil
}

func (p *nodeParser) readContent(f []string) error {
	regular := p.node.Files[f[0]].Kind == facts.Regular
	if _, leaf := p.pair(f[0]); !leaf && !(regular && p.readable(f[0])) {
		return nobodyAsked(f[0])
	}
	if slices.Contains(p.contents, f[0]) {
		return errors.New("a content that was told before")
	}
	return p.machine.readContent(f[0])
}

// within says whether a path lies in a directory, or in one in it.
func within(dir, name string) bool {
	return dir != "" && strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/") && path.Clean(name) == name
}

// wanted says whether somebody asked what a path is.
func (p *nodeParser) wanted(name string) bool {
	in := func(dir string) bool { return name == dir || within(dir, name) }
	return slices.Contains(p.ask.Files, name) || slices.ContainsFunc(p.ask.Dirs, in) ||
		slices.ContainsFunc(p.ask.Pairs, in) || p.ask.Programs != "" && in(p.ask.Programs)
}

// readable says whether somebody asked what a file holds, and may know it; see secret in node.sh.
func (p *nodeParser) readable(name string) bool {
	asked := slices.Contains(p.ask.Files, name) ||
		slices.ContainsFunc(p.ask.Dirs, func(dir string) bool { return within(dir, name) })
	dir := path.Dir(name) + "/"
	secret := strings.HasSuffix(name, "key.pem") || path.Base(name) != "cert.pem" &&
		slices.ContainsFunc(p.ask.Pairs, func(pair string) bool {
			return strings.HasPrefix(dir, pair+"/") || strings.HasPrefix(dir, pair+"-")
		})
	return asked && !secret
}

// pair is the pair whose certificate this is.
func (p *nodeParser) pair(name string) (link string, ok bool) {
	link = path.Dir(name)
	return link, path.Base(name) == "cert.pem" && slices.Contains(p.ask.Pairs, link)
}

// readCommands reads command lines, with which raw begins, and gives what is after them. grep writes the name of the
// file before each argument, and the byte that no argument holds after it. So the first name that is none ends them.
func (p *nodeParser) readCommands(raw []byte) []byte {
	args := map[string][]string{}
	for {
		arg, rest, whole := bytes.Cut(raw, []byte{0})
		file, text, named := strings.Cut(string(arg), ":")
		exe := path.Dir(file) + "/exe"
		if !whole || !named || path.Base(file) != "cmdline" || p.processes[exe] == nil {
			break
		}
		args[exe], raw = append(args[exe], text), rest
	}
	for _, m := range p.running {
		process := p.processes[m.exe]
		if words := args[m.exe]; len(words) == 0 || !starting(words) {
			process.Args = words
		} else {
			process.Exe = "" // which is systemd's still
		}
	}
	return raw
}

// readHeld reads what one file holds. A key, wherever it lies, goes no further than this.
func (p *nodeParser) readHeld(name string, raw []byte) {
	if link, ok := p.pair(name); ok {
		if leaf, err := readLeaf(raw); err == nil { // an unreadable certificate is no leaf at all
			leaf.Role = "client"
			p.node.Pairs[link] = leaf
		}
	}
	if !p.readable(name) || bytes.Contains(raw, []byte("PRIVATE KEY-----")) {
		return
	}
	file := p.node.Files[name]
	file.Content = bytes.Clone(raw)
	p.node.Files[name] = file
}

// finish joins what only makes sense together.
func (p *nodeParser) finish() error {
	if err := p.machine.finish(); err != nil {
		return err
	}
	for _, m := range p.running {
		process := p.processes[m.exe]
		if process.Exe == "" { // it has ended
			continue
		}
		process.User = p.owners[path.Dir(m.exe)]
		if _, told := p.node.Binaries[process.SameAs]; !told {
			process.SameAs = ""
		}
		service := p.node.Units[m.unit]
		service.Process = process
		p.node.Units[m.unit] = service
	}
	for link, leaf := range p.node.Pairs {
		p.node.Pairs[link] = p.whole(leaf, link, p.intact[link])
	}
	return nil
}
