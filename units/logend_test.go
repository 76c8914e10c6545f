package units

import (
	"bytes"
	"compress/gzip"
	le "encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// segment is the name of a WAL file.
func segment(n int) string { return fmt.Sprintf("%016x-%016x.wal", n, 7*n) }

// home is where a member lives: its marker, what was noted, and its log.
type home struct {
	dir   string
	shell []string
	runs  int // of its unit
}

func newHome(t *testing.T, shell []string, id string) *home {
	t.Helper()
	h := &home{dir: t.TempDir(), shell: shell}
	h.born(t, id, 7)
	return h
}

// born begins a life of a member.
func (h *home) born(t *testing.T, id string, second int) {
	t.Helper()
	put(t, filepath.Join(h.dir, "born.json"), Birth("", Born{
		Member: "m", ClusterID: "1", MemberID: id, Created: time.Date(2026, 11, 29, 21, 4, second, 0, time.UTC),
	}).Data)
}

func (h *home) wal(n int) string { return filepath.Join(h.dir, "member", "wal", segment(n)) }

// fill makes a file of the log hold something, and zeros behind it.
func (h *home) fill(t *testing.T, n int, data []byte, size int) {
	t.Helper()
	put(t, h.wal(n), data)
	if err := os.Truncate(h.wal(n), int64(max(size, len(data)))); err != nil {
		t.Fatal(err)
	}
}

// script runs one of the unit's scripts.
func (h *home) script(t *testing.T, text string, env ...string) {
	t.Helper()
	args := append(h.shell[1:len(h.shell):len(h.shell)], "-c", text, "x", filepath.Join(h.dir, "born.json"),
		filepath.Join(h.dir, "member", "wal"))
	cmd := exec.CommandContext(t.Context(), h.shell[0], args...)
	cmd.Env = append(append(os.Environ(), fmt.Sprintf("INVOCATION_ID=%032x", h.runs)), env...)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("it says %q: %v", out, err)
	}
}

// stops begins to stop the member while it has the newest file of its log open, which is this test.
func (h *home) stops(t *testing.T) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(h.dir, "member/wal/*.wal"))
	if err != nil || len(all) == 0 {
		t.Fatal(all, err)
	}
	file, err := os.Open(all[len(all)-1])
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	h.script(t, stopScript, fmt.Sprintf("MAINPID=%d", os.Getpid()))
}

// ended ends a run of the unit as systemd tells it, and returns what is noted now.
func (h *home) ended(t *testing.T, how string) (noted LogEnd, ok bool) {
	t.Helper()
	was := strings.Fields(how)
	h.script(t, noteScript, "SERVICE_RESULT="+was[0], "EXIT_CODE="+was[1], "EXIT_STATUS="+was[2])
	h.runs++
	return h.noted(t)
}

func (h *home) noted(t *testing.T) (noted LogEnd, ok bool) {
	t.Helper()
	text, err := os.ReadFile(LogEndPath(h.dir))
	if err != nil {
		return LogEnd{}, false
	}
	return ParseLogEnd(text)
}

// starts says whether the guard lets the member start; the plan comes to the same.
func (h *home) starts(t *testing.T) (bool, string) {
	t.Helper()
	starts, said := guarded(t, h.shell, h.dir)
	text, err := os.ReadFile(filepath.Join(h.dir, "born.json"))
	if err != nil {
		t.Fatal(err)
	}
	born, err := ParseBirth(text)
	noted, ok := h.noted(t)
	all, _ := filepath.Glob(filepath.Join(h.dir, "member/wal/*.wal"))
	if err != nil || !ok || len(all) == 0 {
		return starts, said
	}
	log, err := os.ReadFile(all[len(all)-1])
	if err != nil {
		t.Fatal(err)
	}
	older := noted.Beyond(born, filepath.Base(all[len(all)-1]), int64(bytes.Count(log, []byte("\n"))))
	if older != strings.Contains(said, "is older than this member") {
		t.Errorf("older is %t, and the guard says %q; noted is %+v", older, said, noted)
	}
	return starts, said
}

const clean = "success killed TERM"

// realLogs are the logs of members of each minor version, without the zeros behind: small entries, one that ends in
// thousands of zeros, and a large one. By the version and the ID of the member.
func realLogs(t *testing.T) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/log/*.gz")
	if err != nil || len(names) < 3 {
		t.Fatal("no logs", names, err)
	}
	logs := map[string][]byte{}
	for _, name := range names {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		unzip, err := gzip.NewReader(file)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(unzip)
		if err != nil {
			t.Fatal(err)
		}
		logs[strings.TrimSuffix(filepath.Base(name), ".gz")] = data
	}
	return logs
}

// frames are the parts of a log, each with one record.
func frames(log []byte) [][]byte {
	var all [][]byte
	for len(log) > 0 {
		field := le.LittleEndian.Uint64(log)
		n := 8 + int(field&(1<<56-1))
		if field>>63 == 1 {
			n += int(field >> 56 & 7)
		}
		all, log = append(all, log[:n]), log[n:]
	}
	return all
}

// frame is an entry that holds data, as etcd's encoder frames it (server/storage/wal/encoder.go).
func frame(data []byte) []byte {
	record := append([]byte{8, 2, 16, 200, 1, 26}, le.AppendUvarint(nil, uint64(len(data)))...)
	record = append(record, data...)
	field := uint64(len(record))
	if pad := (8 - len(record)%8) % 8; pad > 0 {
		field |= uint64(0x80|pad) << 56
		record = append(record, make([]byte, pad)...)
	}
	return append(le.LittleEndian.AppendUint64(nil, field), record...)
}

// A member that has stopped has noted how far its log comes. It starts with that log, not with an older one, and again
// with the right one.
func TestStaleLog(t *testing.T) {
	for name, log := range realLogs(t) {
		_, own, _ := strings.Cut(name, "-")
		parts := frames(log)
		older := bytes.Join(parts[:len(parts)-3], nil)
		for shell, argv := range guardShells() {
			t.Run(name+" "+shell, func(t *testing.T) {
				h := newHome(t, argv, own)
				h.fill(t, 3, log, 64_000_000)
				h.stops(t)
				noted, ok := h.ended(t, clean)
				feeds := int64(bytes.Count(log, []byte("\n")))
				if !ok || noted.MemberID != own || noted.File != segment(3) || noted.Feeds != feeds {
					t.Fatalf("noted is %+v", noted)
				}
				for _, stale := range []struct {
					what   string
					n      int
					data   []byte
					size   int
					starts bool
				}{
					{"the same log", 3, log, 64_000_000, true},
					{"the same log, cut", 3, log, 0, true},
					{"an older one", 3, older, 64_000_000, false},
					{"an older one, cut", 3, older, 0, false},
					{"one of an earlier file", 2, log, 64_000_000, false},
					{"one of a later file", 4, older, 64_000_000, true},
				} {
					if err := os.RemoveAll(filepath.Join(h.dir, "member")); err != nil {
						t.Fatal(err)
					}
					h.fill(t, stale.n, stale.data, stale.size)
					starts, said := h.starts(t)
					if starts != stale.starts || strings.Contains(said, "older than this member") == starts {
						t.Errorf("%s: starts %t, says %q", stale.what, starts, said)
					}
					if now, ok := h.ended(t, "exec-condition exited 1"); !ok || now != noted {
						t.Errorf("%s: noted is %+v", stale.what, now)
					}
				}
				h.born(t, own, 8) // another life
				h.fill(t, 0, older, 64_000)
				if err := os.Remove(h.wal(4)); err != nil {
					t.Fatal(err)
				}
				if starts, said := h.starts(t); !starts || said != "" {
					t.Errorf("a member that was made anew with the same ID starts %t, says %q", starts, said)
				}
			})
		}
	}
}

// A note that cannot be read, or is of another life, refuses nothing.
func TestGuardPassesNotesItCannotUse(t *testing.T) {
	log := realLogs(t)["3.7.3-2e1259d415f2a040"]
	const mine, beyond = "2e1259d415f2a040 2026-11-29T21:04:07Z ", "0000000000000009-0000000000000040.wal 800"
	for text, starts := range map[string]bool{
		mine + beyond + "\n": false, mine + beyond + "\nstopping 7\nstopping 8\n": false,
		mine + segment(3) + " 99999\n": false, mine + segment(3) + " 9999999999999999999999\n": true,
		"": true, "\n": true, mine: true, mine + "\n": true, mine + beyond: true, mine + segment(9) + "\n": true,
		mine + segment(3) + " x\n": true, mine + segment(3) + " -8\n": true, mine + beyond + " more\n": true,
		mine + "9-9.wal 800\n": true, mine + "000000000000000g-0000000000000000.wal 800\n": true,
		"1e1259d415f2a040 2026-11-29T21:04:07Z " + beyond + "\n": true,
		"2e1259d415f2a040 2026-11-29T21:04:08Z " + beyond + "\n": true,
		"stopping 7\n" + mine + beyond + "\n":                    true, "$(exit 1) `exit 1` ;exit 1\n": true,
	} {
		for shell, argv := range guardShells() {
			h := newHome(t, argv, "2e1259d415f2a040")
			h.fill(t, 3, log, 64_000)
			put(t, LogEndPath(h.dir), []byte(text))
			if got, said := h.starts(t); got != starts || starts && said != "" {
				t.Errorf("%s: %q: starts %t, says %q", shell, text, got, said)
			}
		}
	}
	for _, odd := range []string{
		"x.wal", "zzzzzzzzzzzzzzzz-0000000000000000.wal", "ffffffffffffffff-ffffffffffffffff.wal",
	} {
		for shell, argv := range guardShells() {
			h := newHome(t, argv, "2e1259d415f2a040")
			h.fill(t, 3, log, 64_000)
			put(t, filepath.Join(filepath.Dir(h.wal(3)), odd), nil)
			put(t, LogEndPath(h.dir), []byte(mine+beyond+"\n"))
			if starts, said := h.starts(t); !starts || said != "" {
				t.Errorf("%s: %s: starts %t, says %q", shell, odd, starts, said)
			}
			h.stops(t)
			if noted, _ := h.ended(t, clean); noted.File != segment(9)[:17]+"0000000000000040.wal" {
				t.Errorf("%s: %s: noted is %+v", shell, odd, noted)
			}
		}
	}
}

// Only the clean stop of a member that was ready, with its own log, is noted.
func TestNotesCleanStops(t *testing.T) {
	log := realLogs(t)["3.6.16-2e1259d415f2a040"]
	for shell, argv := range guardShells() {
		for how, notes := range map[string]bool{
			clean: true, "success exited 0": true, "success killed HUP": false, "success killed PIPE": false,
			"signal killed KILL": false, "timeout killed KILL": false, "oom-kill killed KILL": false,
			"exit-code exited 1": false, "exit-code exited 2": false, "core-dump dumped ABRT": false,
			"exec-condition exited 1": false, "timeout killed TERM": false,
		} {
			h := newHome(t, argv, "2e1259d415f2a040")
			h.fill(t, 0, log, 64_000)
			if noted, ok := h.ended(t, clean); ok {
				t.Errorf("%s: one that has not been ready: noted is %+v", shell, noted)
			}
			h.stops(t)
			if noted, ok := h.ended(t, how); ok != notes {
				t.Errorf("%s: %s: noted is %+v", shell, how, noted)
			}
			before, _ := h.noted(t)
			h.fill(t, 1, log, 64_000)
			if noted, _ := h.ended(t, clean); noted != before {
				t.Errorf("%s: %s: one that has not been ready: noted is %+v, was %+v", shell, how, noted, before)
			}
			h.script(t, stopScript, "MAINPID=") // it has ended by itself
			h.script(t, stopScript, fmt.Sprintf("MAINPID=%d", os.Getpid()))
			if noted, _ := h.ended(t, clean); noted != before {
				t.Errorf("%s: %s: one with another log open: noted is %+v, was %+v", shell, how, noted, before)
			}
			if err := os.Remove(filepath.Join(h.dir, "born.json")); err != nil {
				t.Fatal(err)
			}
			h.stops(t)
			if noted, _ := h.ended(t, clean); noted != before {
				t.Errorf("%s: %s: one without a marker: noted is %+v, was %+v", shell, how, noted, before)
			}
		}
	}
}

// A log is never refused that is whole, whatever became of it: records of any kind are appended, also such that hold
// what looks like records of a log or end in zeros; files are cut; etcd is killed in the middle of a record, ready or
// not, and cuts that off at its next start; power cuts take what was not on the disk. A copy is refused that falls
// short of what is noted.
func TestHealthyLogIsNeverRefused(t *testing.T) {
	const own = "2e1259d415f2a040"
	var heads [][]byte
	var all [][]byte
	for _, log := range realLogs(t) {
		parts := frames(log)
		heads, all = append(heads, bytes.Join(parts[:2], nil)), append(all, parts[2:]...)
	}
	lives := 8
	if os.Getenv("FAULTS") == "full" {
		lives = 400
	}
	refused, moved := 0, 0
	for seed := range lives {
		l := life{
			Rand: rand.New(rand.NewPCG(7, uint64(seed))), home: newHome(t, []string{"/bin/sh"}, own), parts: all,
			size: 100_000,
		}
		l.log = [][]byte{heads[l.IntN(len(heads))]}
		for range 12 {
			l.step(t, heads)
			if t.Failed() {
				t.Fatal("seed", seed)
			}
		}
		refused, moved = refused+l.refused, moved+l.moved
	}
	t.Logf("%d lives: %d notes moved, %d copies refused", lives, moved, refused)
	if moved < lives || refused == 0 {
		t.Error("lives come to nothing")
	}
}

// life is that of a log. What is durable stays through a power cut.
type life struct {
	*rand.Rand
	*home
	parts          [][]byte
	size           int
	log            [][]byte // by file; all records in it are whole
	torn           []byte   // the beginning of a record behind them
	durable        int      // how much of the last file a power cut leaves
	copies         []kept
	refused, moved int
}

// kept is a copy of an older state: how many files, and how much of the last one.
type kept struct{ files, end int }

func (l *life) last() *[]byte { return &l.log[len(l.log)-1] }

// write puts the log down as it is on the disk.
func (l *life) write(t *testing.T, log [][]byte, torn []byte) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(l.dir, "member")); err != nil {
		t.Fatal(err)
	}
	for n, data := range log {
		if n == len(log)-1 {
			l.fill(t, n, append(data[:len(data):len(data)], torn...), l.size)
		} else if n >= len(log)-3 { // older files have been removed
			l.fill(t, n, data, 0)
		}
	}
}

// record is any record that may come next.
func (l *life) record() []byte {
	switch l.IntN(6) {
	case 0: // a value that looks like a log
		return frame(bytes.Join(l.parts[l.IntN(len(l.parts)-4):][:4], make([]byte, 8*l.IntN(2))))
	case 1: // one that ends in zeros
		return frame(append([]byte("x"), make([]byte, l.IntN(9000))...))
	case 2: // line feeds, perhaps, and nothing else
		return frame(bytes.Repeat([]byte{byte(l.IntN(13))}, l.IntN(5000)))
	}
	return l.parts[l.IntN(len(l.parts))]
}

// step is one run of the member, from its start to its end.
func (l *life) step(t *testing.T, heads [][]byte) {
	t.Helper()
	l.write(t, l.log, l.torn)
	if starts, said := l.starts(t); !starts {
		t.Errorf("a healthy log is refused: %s", said)
	}
	l.torn = nil // etcd has cut it off
	was, _ := l.noted(t)
	for range l.IntN(5) {
		*l.last() = append(*l.last(), l.record()...)
	}
	if l.IntN(8) == 0 {
		l.log = append(l.log, bytes.Clone(heads[l.IntN(len(heads))]))
		l.durable = len(*l.last()) // etcd syncs a file before it gives it its name
	}
	how := []string{clean, clean, clean, "signal killed KILL", "timeout killed KILL", "exit-code exited 2"}[l.IntN(6)]
	ready := l.IntN(4) > 0
	if l.write(t, l.log, nil); ready {
		l.stops(t)
		for range l.IntN(3) { // it goes on meanwhile
			*l.last() = append(*l.last(), l.record()...)
		}
	}
	if how == clean && ready {
		l.durable = len(*l.last())
	} else {
		l.torn = l.record() // a write ends anywhere
		l.torn = l.torn[:l.IntN(len(l.torn))]
	}
	l.write(t, l.log, l.torn)
	is, ok := l.ended(t, how)
	if is != was {
		l.moved++
	}
	if full := how == clean && ready; full != (ok && is.File == segment(len(l.log)-1) &&
		is.Feeds == int64(bytes.Count(*l.last(), []byte("\n")))) && (full || is != was) {
		t.Errorf("%s, ready %t: noted is %+v, was %+v", how, ready, is, was)
	}
	if l.IntN(4) == 0 { // a power cut takes what was not synced
		l.lose()
	}
	l.restore(t)
	l.copies = append(l.copies, kept{len(l.log), len(*l.last())})
}

// lose cuts the log at a record that need not have been on the disk.
func (l *life) lose() {
	end := 0
	for _, part := range frames(*l.last()) {
		if end += len(part); end >= l.durable && l.IntN(3) == 0 {
			break
		}
	}
	*l.last(), l.torn = (*l.last())[:end], nil
}

// restore puts an older copy in the place of the log: it is refused where something is noted that it has not.
func (l *life) restore(t *testing.T) {
	t.Helper()
	if len(l.copies) == 0 {
		return
	}
	old := l.copies[l.IntN(len(l.copies))]
	if old.files > len(l.log) || old.end > len(l.log[old.files-1]) {
		return // a power cut has taken that, too
	}
	log := append([][]byte{}, l.log[:old.files]...)
	log[old.files-1] = log[old.files-1][:old.end]
	l.write(t, log, nil)
	noted, ok := l.noted(t)
	short := noted.File > segment(old.files-1) || noted.File == segment(old.files-1) &&
		noted.Feeds > int64(bytes.Count(log[old.files-1], []byte("\n")))
	starts, said := l.starts(t)
	if starts == (ok && short) {
		t.Errorf("a copy of %d files and %d bytes starts: %t; noted is %+v; it says %q", old.files, old.end, starts, noted,
			said)
	}
	if !starts {
		l.refused++
	}
}
