package look

import (
	"bytes"
	"fmt"
	"path"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/lines"
)

// The end of an answer, behind a line "raw", holds the contents of files as they are. First comes what `head -v` writes
// of the files that lines of kind content name, and of the process's command line. Then comes the head of a write-ahead
// log, behind a line "wal", and last that of the one that the member uses elsewhere, behind a line "use".
const (
	rawBegin  = "\nraw\n"
	rawLog    = "\nwal\n"
	rawUse    = "\nuse\n"
	rawEnd    = "\nend\n"
	headBegin = "==> "
	headEnd   = " <==\n"
)

// cutRaw separates the lines of an answer from the contents of files. An answer without such contents is all lines.
func cutRaw(answer []byte) (text, raw []byte, err error) {
	if err := lines.Bounded(answer); err != nil {
		return nil, nil, err
	}
	begin := bytes.Index(answer, []byte(rawBegin))
	if begin < 0 {
		return answer, nil, nil
	}
	raw = answer[begin+len(rawBegin):]
	end := bytes.LastIndex(raw, []byte(rawEnd)) // a file may hold it, too
	if end < 0 {
		return nil, nil, fmt.Errorf("%w within what files hold", lines.ErrCutShort)
	}
	return append(bytes.Clone(answer[:begin]), rawEnd...), raw[:end], nil
}

// readRaw reads the contents of files. The lines must have been read by then.
func (p *parser) readRaw(raw []byte) {
	raw = readHead(&p.use, raw, rawUse)
	raw = readHead(&p.host.Data, raw, rawLog)
	names := p.contents
	if p.process != nil {
		names = append(names, fmt.Sprintf("/proc/%d/cmdline", p.process.PID))
	}
	p.readHeads(raw, names, p.readHeld)
}

// readHeads tells the contents of files apart, and passes each to held.
func (m *machine) readHeads(raw []byte, names []string, held func(name string, raw []byte)) {
	later := map[string]bool{}
	for _, name := range names {
		later[name] = true
	}
	for _, name := range names {
		delete(later, name)
		rest, there := afterHead(raw, name)
		if !there {
			continue // it is gone by now
		}
		n := heldBytes(rest, m.facts.Files[name].Size, later)
		held(name, rest[:n])
		raw = rest[n:]
	}
}

// readHead reads the head of a log, which stands at the end of raw behind a mark, and gives what is before it. A head
// is of one length unless the whole log is shorter, and then the last mark counts: whoever wrote a log may have written
// the mark into it, too.
func readHead(data *facts.Data, raw []byte, mark string) []byte {
	if !data.WAL {
		return raw
	}
	begin := len(raw) - walHead - len(mark)
	if begin < 0 || !bytes.HasPrefix(raw[begin:], []byte(mark)) {
		begin = bytes.LastIndex(raw, []byte(mark))
	}
	if begin < 0 {
		return raw
	}
	// zero: a WAL, but nobody's that we can tell
	data.ClusterID, data.MemberID, _ = walIdentity(raw[begin+len(mark):])
	return raw[:begin]
}

// afterHead is what stands behind the line that head writes before a file.
func afterHead(raw []byte, name string) (rest []byte, there bool) {
	return bytes.CutPrefix(bytes.TrimPrefix(raw, []byte("\n")), []byte(headBegin+name+headEnd))
}

// heldBytes is how much of raw is of one file: as much as stat said, if another file or nothing follows there. A file
// that was replaced since ends where the next one begins.
func heldBytes(raw []byte, size int64, later map[string]bool) int {
	if size <= int64(len(raw)) && begins(raw[size:], later) {
		return int(size)
	}
	for n := 0; ; n++ {
		next := bytes.Index(raw[n:], []byte("\n"+headBegin))
		if next < 0 {
			return len(raw)
		}
		if n += next; begins(raw[n:], later) {
			return n
		}
	}
}

// begins says whether one of the files begins here, or all have ended.
func begins(raw []byte, later map[string]bool) bool {
	if len(raw) == 0 {
		return true
	}
	line, there := bytes.CutPrefix(raw, []byte("\n"+headBegin))
	name, _, whole := bytes.Cut(line, []byte("\n"))
	return there && whole && later[strings.TrimSuffix(string(name)+"\n", headEnd)]
}

// readHeld reads what one file holds.
func (p *parser) readHeld(name string, raw []byte) {
	if p.process != nil && path.Base(name) == "cmdline" && path.Dir(path.Dir(name)) == "/proc" {
		if args, runs := arguments(raw); runs {
			p.process.Args, p.host.Process = args, p.process
		}
		return
	}
	if role, ok := p.leafRole(name); ok {
		if leaf, err := readLeaf(raw); err == nil { // an unreadable certificate is no leaf at all
			leaf.Role = role
			p.host.Leaves[role] = leaf
		}
		return
	}
	file := p.host.Files[name]
	file.Content = bytes.Clone(raw)
	p.host.Files[name] = file
}

// arguments reads a command line. runs is false where the process is not the unit's yet.
func arguments(raw []byte) (args []string, runs bool) {
	if len(raw) == 0 { // it is about to end
		return nil, true
	}
	args = strings.Split(strings.TrimRight(string(raw), "\x00"), "\x00")
	return args, !starting(args)
}

// starting says that a command line is that of a process between fork and exec, which is still systemd, with its own
// name for what is to come.
func starting(args []string) bool { return strings.HasPrefix(args[0], "(") }
