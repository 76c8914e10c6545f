package look

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/lines/linestest"
)

// lookV2 runs the script where systemd says that the process of a release, which is no etcd, is the unit's main
// process.
func lookV2(t *testing.T, shell []string, release, etcdutl string, change func(*room)) *facts.V2Store {
	t.Helper()
	r := newRoom(t)
	r.ask.V2Store = true
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	dir := r.release + "/" + release
	etcd := exec.CommandContext(t.Context(), r.put(t, dir+"/etcd", string(program)), "600")
	etcd.Args[0] = "sleep"
	if err := etcd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = etcd.Process.Kill(); _ = etcd.Wait() })
	if etcdutl != "" {
		r.put(t, dir+"/etcdutl", "#!/bin/sh\n"+etcdutl)
	}

	bin := t.TempDir()
	r.put(t, bin+"/systemctl",
		fmt.Sprintf("#!/bin/sh\ncase $1 in --version) echo systemd 252 ;; *) echo MainPID=%d ;; esac\n", etcd.Process.Pid))
	r.env = []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
	r.systemd = bin
	if change != nil {
		change(&r)
	}
	h := r.look(t, shell...)
	if h.Process == nil || h.Process.PID != etcd.Process.Pid {
		t.Fatalf("process: %+v", h.Process)
	}
	return h.V2Store
}

// echo is an etcdutl that says how it was called, so that nothing else does as an answer, and then what the real one
// says.
const echo = `cat; for a; do printf '<%s>' "${a##*/}"; done; echo; echo 'No custom content found in both v2store and WAL records.'` + "\n"

func TestScriptV2Store(t *testing.T) {
	const clean = "No custom content found in both v2store and WAL records."
	for name, test := range map[string]struct {
		release, etcdutl string
		change           func(*room)
		want             *facts.V2Store
	}{
		"clean": {"3.5.35-1", echo, nil, &facts.V2Store{
			Clean: true,
			Text:  "<check><v2store><--data-dir><data dir>\n" + clean,
		}},
		"with a WAL directory": {"3.5.35-1", echo, func(r *room) { r.ask.WALDir = "/srv/it's/log" }, &facts.V2Store{
			Clean: true, Text: "<check><v2store><--data-dir><data dir><--wal-dir><log>\n" + clean,
		}},
		"content in the WAL": {
			"3.5.35-1", "echo 'custom v2 content' >&2; exit 1\n", nil,
			&facts.V2Store{Clean: false, Text: "custom v2 content"},
		},
		"said, but failed": {
			"3.5.35-1", echo + "exit 3\n", nil,
			&facts.V2Store{Clean: false, Text: "<check><v2store><--data-dir><data dir>\n" + clean},
		},
		"an old etcdutl": {
			"3.5.20-1", `echo 'Error: unknown command "check" for "etcdutl"' >&2; exit 1` + "\n", nil,
			&facts.V2Store{
				Clean: false, Text: `Error: unknown command "check" for "etcdutl"`,
			},
		},
		"help instead": {
			"3.5.35-1", "echo 'Usage: etcdutl check [command]'\n", nil,
			&facts.V2Store{Clean: false, Text: "Usage: etcdutl check [command]"},
		},
		"many words": {
			"3.5.35-1", "head -c 100000 /dev/zero | tr '\\0' x; exit 1\n", nil,
			&facts.V2Store{Clean: false, Text: strings.Repeat("x", maxV2Words)},
		},
		"not asked":       {"3.5.35-1", echo, func(r *room) { r.ask.V2Store = false }, nil},
		"another minor":   {"3.6.16-1", echo, nil, nil},
		"no etcdutl":      {"3.5.35-1", "", nil, nil},
		"a release apart": {"3.5.35-1", echo, func(r *room) { r.release = filepath.Dir(r.release) }, nil},
		"behind a link": {"3.5.35-1", echo, func(r *room) {
			link := r.systemd + "/opt"
			if err := os.Symlink(r.release, link); err != nil {
				t.Fatal(err)
			}
			r.release = link
		}, &facts.V2Store{Clean: true, Text: "<check><v2store><--data-dir><data dir>\n" + clean}},
	} {
		t.Run(name, func(t *testing.T) {
			for shell, command := range linestest.Shells() {
				if diff := cmp.Diff(test.want, lookV2(t, command, test.release, test.etcdutl, test.change)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", shell, diff)
				}
			}
		})
	}
}

// What 3.5 has written to the log of a member that is of 3.6 now, and a raft snapshot that covers it.
func TestScriptV2Log(t *testing.T) {
	const (
		old      = "\x00\x01PUT\x12$/0/members/750fa6ab71232c3/attributes\x00"
		ours     = "\x00\x01 compacted /registry/members\x00"
		version  = "\x00/0/version\x00"
		snapshot = `{"version":{"Path":"/0/version","CreatedIndex":7,"ModifiedIndex":7,"Value":"%s","Children":null}`
	)
	data := func(files map[string]string) func(*testing.T, *room) {
		return func(t *testing.T, r *room) {
			for name, text := range files {
				r.put(t, r.ask.DataDir+"/member/"+name, text)
			}
		}
	}
	const wal, later = "wal/0000000000000000-0000000000000000.wal", "wal/0000000000000001-0000000000000010.wal"
	const snap = "snap/0000000000000002-000000000000000a.snap"
	for name, test := range map[string]struct {
		release string
		change  func(*testing.T, *room)
		want    *facts.V2Store
	}{
		"nothing old": {"3.6.16-1", data(map[string]string{wal: ours}), &facts.V2Store{Clean: true}},
		"members":     {"3.6.16-1", data(map[string]string{wal: old, later: ours}), &facts.V2Store{Text: oldRequests}},
		"the version": {
			"3.6.16-1", data(map[string]string{wal: ours, later: version}),
			&facts.V2Store{Text: oldRequests},
		},
		"covered": {
			"3.6.16-1", data(map[string]string{wal: old, snap: fmt.Sprintf(snapshot, "3.6.0")}),
			&facts.V2Store{Clean: true},
		},
		"covered too early": {
			"3.6.16-1", data(map[string]string{wal: old, snap: fmt.Sprintf(snapshot, "3.5.0")}),
			&facts.V2Store{Text: oldRequests},
		},
		"covered, then not": {
			"3.6.16-1",
			data(map[string]string{
				wal: old, snap: fmt.Sprintf(snapshot, "3.6.0"),
				"snap/0000000000000002-000000000000000b.snap": "cut",
			}), &facts.V2Store{Text: oldRequests},
		},
		"another minor": {"3.7.3-1", data(map[string]string{wal: old}), nil},
		"a log somewhere else": {"3.6.16-1", func(t *testing.T, r *room) {
			r.ask.WALDir = r.ask.DataDir + "/log"
			r.put(t, r.ask.WALDir+"/1.wal", old)
		}, &facts.V2Store{Text: oldRequests}},
	} {
		t.Run(name, func(t *testing.T) {
			for shell, command := range linestest.Shells() {
				got := lookV2(t, command, test.release, "", func(r *room) {
					r.ask.V2Log = true
					test.change(t, r)
				})
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", shell, diff)
				}
			}
		})
	}
}
