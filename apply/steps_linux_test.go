package apply

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/shellword"
)

// calls runs a script in which some commands only tell that they were called, and with what; answers are what they do
// besides, as lines of shell. Every shell of this machine has to come to the same.
func calls(t *testing.T, script string, answers map[string]string, commands ...string) (called []string, err error) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "called")
	var stubs strings.Builder
	for _, name := range commands {
		fmt.Fprintf(&stubs, "%s() { echo \"%[1]s $*\" >>%s; %s\n}\n", name, shellword.Quote(log), or(answers[name], ":"))
	}
	for i, shell := range shells() {
		_ = os.Remove(log)
		cmd := exec.CommandContext(t.Context(), shell[0], append(shell[1:], "-c", stubs.String()+script)...)
		out, errNow := cmd.CombinedOutput()
		if errNow != nil {
			errNow = fmt.Errorf("%w: %s", errNow, out)
		}
		text, _ := os.ReadFile(log) // nothing may have been called
		now := strings.Split(strings.TrimSpace(string(text)), "\n")
		if i > 0 && (!slices.Equal(now, called) || (errNow == nil) != (err == nil)) {
			t.Errorf("%q calls %q, %v; others call %q, %v", shell, now, errNow, called, err)
		}
		called, err = now, errNow
	}
	return called, err
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// shells are those of this machine that are some distribution's sh.
func shells() [][]string {
	found := [][]string{{"/bin/sh"}}
	for _, shell := range [][]string{{"dash"}, {"bash", "--posix"}, {"busybox", "sh"}, {"mksh"}} {
		if _, err := exec.LookPath(shell[0]); err == nil {
			found = append(found, shell)
		}
	}
	return found
}

// A user comes with its group, each with the number that its data has unless somebody else has that now.
func TestCreateUser(t *testing.T) {
	const rest = ` --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin --comment etcd members etcd-x`
	both, lock := "useradd --system --user-group"+rest, "flock -w 600 8"
	asked := []string{"getent group etcd-x", "getent passwd etcd-x"}
	data := t.TempDir()
	if err := os.Chown(data, 4711, 4712); err != nil {
		t.Skip("only root gives files away")
	}
	dir := t.TempDir()
	makes := `cat >` + dir + `/asked; echo etcd-x:x:999:999::/: >` + dir + `/passwd; echo etcd-x:x:999: >` + dir + "/group"
	script := func(data string) string { // function names have no -
		return strings.NewReplacer("systemd-sysusers", "sysusers", "/etc/passwd", dir+"/passwd", "/etc/group", dir+"/group").
			Replace(createUser("etcd-x", data, "etcd members"))
	}
	for name, test := range map[string]struct {
		data    string
		answers map[string]string
		want    []string
	}{
		"systemd makes both": {answers: map[string]string{"sysusers": makes}, want: []string{"sysusers -"}},
		"systemd makes none": {want: []string{"sysusers -", lock, both}},
		"systemd fails":      {answers: map[string]string{"sysusers": "return 1"}, want: []string{"sysusers -", lock, both}},
		"systemd makes a user": {
			answers: map[string]string{"sysusers": strings.TrimSuffix(makes, "/group") + "/nothing"},
			want:    []string{"sysusers -", lock, both},
		},
		"a group is there": {
			answers: map[string]string{"useradd": `case $* in *--user-group*) return 9 ;; esac`, "getent": `[ "$1" = group ]`},
			want:    []string{lock, both, asked[0], asked[1], "useradd --system --gid etcd-x" + rest},
		},
		"a user is there": {
			answers: map[string]string{"useradd": "return 9", "getent": `[ "$1" = passwd ]`},
			want:    []string{lock, both, asked[0], "groupadd --system etcd-x", asked[1]},
		},
		"both are there": {
			answers: map[string]string{"useradd": "return 9"}, want: []string{lock, both, asked[0], asked[1]},
		},
		"its data is there": {
			data: data, answers: map[string]string{"getent": "return 2"},
			want: []string{
				lock, "getent passwd 4711", "getent group 4712", asked[0], "groupadd --system --gid 4712 etcd-x", asked[1],
				"useradd --system --uid 4711 --gid etcd-x" + rest,
			},
		},
		"its data is of others now": {
			data: data, want: []string{lock, "getent passwd 4711", "getent group 4712", both},
		},
		"its data is root's": {data: "/", want: []string{lock, both}},
	} {
		for _, file := range []string{"passwd", "group"} {
			put(t, dir+"/"+file, "root:x:0:0:root:/root:/bin/sh\n")
		}
		called, err := calls(t, script(or(test.data, "/nowhere/etcd")), test.answers, "flock", "getent", "groupadd",
			"useradd", "sysusers")
		if test.data == "" && len(test.want) > 0 && test.want[0] != "sysusers -" {
			test.want = append([]string{"sysusers -"}, test.want...)
		}
		if err != nil || !slices.Equal(called, test.want) {
			t.Errorf("%s: %v, and calls\n%s", name, err, strings.Join(called, "\n"))
		}
	}
	const line = "u etcd-x - \"etcd members\" /nonexistent /usr/sbin/nologin\n"
	if got := read(t, dir+"/asked"); got != line {
		t.Errorf("systemd is asked for %q, want %q", got, line)
	}
	failing := map[string]string{"getent": "return 2", "useradd": "echo no room >&2; return 1"}
	if _, err := calls(t, script("/nowhere/etcd"), failing, "flock", "getent", "groupadd", "useradd",
		"sysusers"); err == nil ||
		!strings.Contains(err.Error(), "no room") {
		t.Errorf("a useradd that fails: %v", err)
	}
}

// A unit is enabled once, and that it does not run in the end is an error, whatever systemctl says.
func TestStartUnit(t *testing.T) {
	const (
		start  = "systemctl start etcd-x.service"
		show   = "systemctl show -p ActiveState -p UnitFileState etcd-x.service"
		result = "systemctl show -p Result etcd-x.service"
	)
	units := t.TempDir()
	wants := units + "/multi-user.target.wants"
	put(t, units+"/etcd-x.service", "")
	for name, test := range map[string]struct {
		enabled bool
		answer  string // of systemctl
		want    []string
		fails   bool
	}{
		"for the first time": {answer: "echo UnitFileState=enabled ActiveState=active", want: []string{start, show}},
		"again": {
			enabled: true, answer: "echo UnitFileState=enabled ActiveState=active",
			want: []string{start, show},
		},
		"loaded before it was enabled": {
			answer: "echo UnitFileState=disabled ActiveState=active", want: []string{start, show, "systemctl daemon-reload"},
		},
		"refused by its guard": {
			enabled: true, answer: "echo UnitFileState=enabled ActiveState=inactive", want: []string{start, show}, fails: true,
		},
		"failing": {
			enabled: true, answer: `[ "$1" = show ] && echo Result=exit-code`, want: []string{start, result},
			fails: true,
		},
		"too often": {
			enabled: true, fails: true, answer: `[ "$1" = show ] && echo Result=start-limit-hit || [ "$1" = reset-failed ]`,
			want: []string{start, result, "systemctl reset-failed etcd-x.service", start},
		},
	} {
		if err := os.RemoveAll(wants); err != nil {
			t.Fatal(err)
		}
		if test.enabled {
			put(t, wants+"/etcd-x.service", "")
		}
		script := "umask 077\n" + strings.ReplaceAll(startUnit("start", "etcd-x"), "/etc/systemd/system", units)
		called, err := calls(t, script, map[string]string{"systemctl": test.answer}, "systemctl")
		if (err != nil) != test.fails || !slices.Equal(called, test.want) {
			t.Errorf("%s: %v, and calls\n%s", name, err, strings.Join(called, "\n"))
		}
		if to, _ := os.Readlink(wants + "/etcd-x.service"); !test.enabled &&
			(to != units+"/etcd-x.service" || mode(t, wants) != "0755") {
			t.Errorf("%s: the link leads to %q, in a directory with mode %s", name, to, mode(t, wants))
		}
	}
}

// Units are read again only where systemd knows another one.
func TestReloadUnit(t *testing.T) {
	for state, reload := range map[string]bool{
		"LoadState=loaded NeedDaemonReload=no": false, "NeedDaemonReload=no LoadState=loaded": false,
		"LoadState=loaded NeedDaemonReload=yes": true, "LoadState=not-found NeedDaemonReload=no": true, "": true,
	} {
		called, err := calls(t, reloadUnit("etcd-x"), map[string]string{"systemctl": `printf '%s\n' ` + state}, "systemctl")
		if err != nil || (called[len(called)-1] == "systemctl daemon-reload") != reload {
			t.Errorf("%q: %v, and calls %q", state, err, called)
		}
	}
}

// A bundle that the unit names stays, and so does a release that a unit names or a process runs.
func TestPrune(t *testing.T) {
	root := t.TempDir()
	releases := root + "/releases"
	move := strings.NewReplacer("'"+facts.ReleaseDir+"'", shellword.Quote(releases), "/etc/systemd/system", root+"/units",
		"/proc/", root+"/proc/")
	at := func(names ...string) (paths []plan.Path) {
		for _, name := range names {
			paths = append(paths, plan.Path{Path: put(t, root+"/"+name, "x")})
		}
		return paths
	}
	put(t, root+"/units/etcd-x.service", "ExecStart=etcd --trusted-ca-file="+root+"/trust-2.pem\n")
	bundles := at("trust-1.pem", "trust-2.pem", "trust-3.pem")
	if err := shell(t, move.Replace(pruneTrust("etcd-x", bundles))); err != nil {
		t.Fatal(err)
	}
	if err := shell(t, move.Replace(pruneTrust("etcd-y", at("trust-4.pem")))); err != nil {
		t.Fatal(err)
	}
	if got := list(t, root); !slices.Equal(got, []string{"trust-2.pem", "units"}) {
		t.Errorf("left: %q", got)
	}
	tls := t.TempDir()
	put(t, tls+"/peer-1/key.pem", "x")
	put(t, tls+"/peer-2/key.pem", "x")
	if err := os.Symlink("peer-2", tls+"/peer"); err != nil {
		t.Fatal(err)
	}
	pairs := []plan.Path{{Path: tls + "/peer-1"}, {Path: tls + "/peer-2"}}
	if err := shell(t, move.Replace(pruneTrust("etcd-y", pairs))); err != nil {
		t.Fatal(err)
	}
	if got := list(t, tls); !slices.Equal(got, []string{"peer", "peer-2"}) {
		t.Errorf("of two pairs, one of them linked, there are left: %q", got)
	}
	put(t, root+"/units/etcd-y.service", "ExecStart="+releases+"/3.5.35-1/etcd --name=x\n")
	var paths []plan.Path
	for _, name := range []string{"3.5.35-1", "3.5.35-10", "3.6.16-2", "3.7.3-3"} {
		paths = append(paths, plan.Path{Path: filepath.Dir(put(t, releases+"/"+name+"/etcd", "x"))})
	}
	script := move.Replace(pruneReleases(paths))
	if err := shell(t, script); err == nil || len(list(t, releases)) != len(paths) {
		t.Errorf("where nobody knows what runs: %v, left %q", err, list(t, releases))
	}
	if err := os.MkdirAll(root+"/proc/7", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(releases+"/3.6.16-2/etcd", root+"/proc/7/exe"); err != nil {
		t.Fatal(err)
	}
	busy, err := os.Open(releases)
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	if err := syscall.Flock(int(busy.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatalf("the script that failed has not let go: %v", err)
	}
	busy.Close()
	if err := shell(t, script); err != nil {
		t.Fatal(err)
	}
	if got := list(t, releases); !slices.Equal(got, []string{"3.5.35-1", "3.6.16-2"}) {
		t.Errorf("left: %q", got)
	}
}
