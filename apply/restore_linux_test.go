package apply

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/plan"
)

// etcdutl stands for the release's own tool: it keeps what it was given, and how it was called.
const etcdutl = `#!/bin/sh
[ "$1 $2 $3" = "snapshot restore snapshot.db" ] || exit 9
shift 3
all=$*
out= log=
while [ $# -gt 0 ]; do
  case $1 in
  --data-dir) out=$2 ;;
  --wal-dir) log=$2 ;;
  esac
  shift
done
mkdir -p "$out/member/snap" "${log:-$out/member/wal}"
cp snapshot.db "$out/member/snap/db"
echo "$all" >"$out/member/args"
echo log >"${log:-$out/member/wal}/0.wal"
`

// restoring is the script that restores data into a directory, with a tool; wal is that of a log elsewhere.
func restoring(t *testing.T, tool, data, wal string, size int64) string {
	t.Helper()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "etcdutl"), []byte(tool), 0o755); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	return restoreScript(plan.Restore{
		Name: "etcd-1", PeerURL: "https://10.0.0.11:2380", InitialCluster: []string{"etcd-1=https://10.0.0.11:2380"},
		Token: "first", DataDir: data, WALDir: wal, User: "etcd-prod", BinDir: bin, BumpRevision: 1000,
	}, size)
}

// tree is what lies in a directory, at any depth.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			path, err = filepath.Rel(dir, path)
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// asEtcd is for scripts that give files to a user whom there is not.
const asEtcd = `chown() { :; }
sync() { for file; do [ "$file" = -f ] || [ -e "$file" ] || return 1; done; }
`

// Data is made from a snapshot beside its place, which it takes only when it is whole; what a killed run has left goes.
func TestRestoreData(t *testing.T) {
	data := t.TempDir()
	left := filepath.Join(data, ".clusterup-restore-abcdef")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := feed(t, asEtcd+restoring(t, etcdutl, data, "", 8), "snapshot"); err != nil {
		t.Fatal(err)
	}
	if got := tree(t, data); !slices.Equal(got, []string{"member/args", "member/snap/db", "member/wal/0.wal"}) {
		t.Errorf("there are %q", got)
	}
	args, err := os.ReadFile(filepath.Join(data, "member/args"))
	for _, flag := range []string{"--bump-revision 1000", "--mark-compacted", "--initial-cluster-token first"} {
		if err != nil || !strings.Contains(string(args), flag) {
			t.Errorf("it was called with %s, %v", args, err)
		}
	}
	if err := feed(t, asEtcd+restoring(t, etcdutl, data, "", 8), "snapshot"); err == nil ||
		!strings.Contains(err.Error(), "is there already") {
		t.Errorf("over other data: %v", err)
	}
}

func TestRestoreDataWithALogElsewhere(t *testing.T) {
	data, logs := t.TempDir(), t.TempDir()
	wal := filepath.Join(logs, "wal")
	if err := feed(t, asEtcd+restoring(t, etcdutl, data, wal, 8), "snapshot"); err != nil {
		t.Fatal(err)
	}
	if got := append(tree(t, data), tree(t, logs)...); !slices.Equal(got,
		[]string{"member/args", "member/snap/db", "wal/0.wal"}) {
		t.Errorf("there are %q", got)
	}
}

// A restore that fails leaves nothing, and says why in words that Explain knows where a disk is full.
func TestRestoreDataFails(t *testing.T) {
	df := func(free string) string {
		return "df() { printf '%s\\n' 'Filesystem 1024-blocks Used Available Capacity Mounted on' '/dev/vdb 4096 4093 " +
			free + " 100% /srv'; }\n"
	}
	const exactly = 128<<10 + 1 // KiB, for a snapshot of 512 bytes
	for name, test := range map[string]struct {
		before, tool string
		wal          bool
		sent         int
		says, remedy string
	}{
		"cut": {"", etcdutl, false, 500, "the snapshot did not arrive whole", ""},
		"no room": {
			df(fmt.Sprint(exactly - 1)), etcdutl, false, 512, "no room for the data on /srv: 129 MiB needed, 128 MiB free",
			"make room on /srv",
		},
		"no room for the log": {
			"df() { case $2 in *logs*) printf '%s\\n' 'Filesystem 1024-blocks Used Available Capacity Mounted on' " +
				"'/dev/vdb 4096 4093 3 100% /logs' ;; esac; }\n",
			etcdutl, true, 512, "no room for the log on /logs: 129 MiB needed, 0 MiB free", "make room on /logs",
		},
		"full amid it": {
			df("-"), "#!/bin/sh\nmkdir out; echo 'Error: write out/x: no space left on device' >&2; exit 1\n", false, 512,
			"no space left on device", "make room",
		},
	} {
		t.Run(name, func(t *testing.T) {
			data, logs := t.TempDir(), filepath.Join(t.TempDir(), "logs")
			if err := os.Mkdir(logs, 0o700); err != nil {
				t.Fatal(err)
			}
			wal := ""
			if test.wal {
				wal = filepath.Join(logs, "wal")
			}
			err := feed(t, asEtcd+test.before+restoring(t, test.tool, data, wal, 512), strings.Repeat("s", test.sent))
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("%v, want one that says %q", err, test.says)
			}
			why := explain(fullSignatures, []string{err.Error()})
			if (why == nil) != (test.remedy == "") || why != nil && !strings.HasPrefix(why.Remedy, test.remedy) {
				t.Errorf("explained as %+v", why)
			}
			for _, dir := range []string{data, logs} {
				if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
					t.Errorf("it left %v, %v", left, err)
				}
			}
		})
	}
	script := asEtcd + df(fmt.Sprint(exactly)) + restoring(t, etcdutl, t.TempDir(), "", 512)
	if err := feed(t, script, strings.Repeat("s", 512)); err != nil {
		t.Errorf("with just enough room: %v", err)
	}
}

// A copy for which there is no room is not begun, and the words are those that Explain knows.
func TestSalvageNoRoom(t *testing.T) {
	data := t.TempDir()
	put(t, filepath.Join(data, "member", "snap", "db"), strings.Repeat("d", 1<<20))
	script := salvageScript(plan.Salvage{DataDir: data, User: "etcd-prod", Unit: "etcd-prod-salvage"})
	stub := "systemctl() { echo 0; }\n" +
		"df() { printf '%s\\n' 'Filesystem 1024-blocks Used Available Capacity Mounted on' '/dev/vdb 1 1 4096 1% /srv'; }\n"
	err := feed(t, asEtcd+stub+script, "")
	if err == nil || !strings.Contains(err.Error(), "no room for a copy of the data on "+data) {
		t.Fatal(err)
	}
	if why := explain(roomSignatures, []string{err.Error()}); why == nil ||
		!strings.HasPrefix(why.Remedy, "make room on "+data+", ") {
		t.Errorf("explained as %+v", why)
	}
	if got := tree(t, data); !slices.Equal(got, []string{"member/snap/db"}) {
		t.Errorf("it left %q", got)
	}
}
