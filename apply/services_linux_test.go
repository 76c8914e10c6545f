package apply

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/shellword"
	"github.com/clusterup/clusterup/units"
	"github.com/clusterup/clusterup/units/balancer"
)

// systemctl answers as systemd does for a unit, whose states are the lines of a file: the first is what it is now, and
// goes with the question, but for the last one.
func systemctl(dir string) string {
	return "dir=" + shellword.Quote(dir) + `
case $* in
*UnitFileState*NeedDaemonReload*) echo "NeedDaemonReload=$(cat "$dir/reload")" ;;
*UnitFileState*) cat "$dir/enabled" ;;
*ActiveState*)
  head -n1 "$dir/states"
  [ "$(wc -l <"$dir/states")" -lt 2 ] || sed -i 1d "$dir/states"
  ;;
"restart "* | "reload "* | "start "*) [ ! -e "$dir/fails" ] ;;
esac`
}

// TestBringService has how a unit is brought up: it is waited for until it is active. Then, and not before, is noted
// what it has read, and removed what nothing runs with any more.
func TestBringService(t *testing.T) {
	const unit = "clusterup-follow-front.service"
	for name, test := range map[string]struct {
		kind    plan.Kind
		states  []string // one after the other
		enabled string
		reload  string
		refuses bool // systemctl fails
		takes   string
		await   string // how the awaiting ends
		want    []string
		fails   string
	}{
		"a start": {kind: plan.StartService, states: []string{"active"}, want: []string{
			"systemctl reset-failed " + unit, "systemctl start " + unit,
		}},
		"one that is on its way": {
			kind: plan.ReloadService, states: []string{"reloading", "reloading", "active"},
			want: []string{"systemctl reload " + unit},
		},
		"one that is not enabled": {
			kind: plan.StartService, states: []string{"activating", "active"}, enabled: "disabled",
			want: []string{"systemctl enable --quiet " + unit, "systemctl reset-failed " + unit, "systemctl start " + unit},
		},
		"one that systemd has to read": {
			kind: plan.RestartService, states: []string{"active"}, reload: "yes",
			want: []string{"systemctl daemon-reload", "systemctl restart " + unit},
		},
		"one that ends": {
			kind: plan.RestartService, states: []string{"activating", "failed"}, fails: "it is failed",
			want: []string{"systemctl restart " + unit, "journalctl"},
		},
		"one that systemd refuses": {
			kind: plan.ReloadService, states: []string{"active"}, refuses: true, fails: "it could not reload",
			want: []string{"systemctl reload " + unit, "journalctl"},
		},
		"servers that come back": {
			kind: plan.ReloadService, states: []string{"active"}, takes: "echo write; echo read",
			await: "[ \"$*\" = 'await /follow write read' ]",
			want:  []string{"program takes /follow", "systemctl reload " + unit, "program await /follow write read"},
		},
		"servers that do not": {
			kind: plan.ReloadService, states: []string{"active"}, takes: "echo write", await: "echo no server is up >&2; false",
			want:  []string{"program takes /follow", "systemctl reload " + unit, "program await /follow write"},
			fails: "no server is up",
		},
		"no server, nothing to come back": {
			kind: plan.ReloadService, states: []string{"active"}, takes: "false",
			want: []string{"program takes /follow", "systemctl reload " + unit},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, shell := range shells() {
				dir := t.TempDir()
				put(t, dir+"/states", strings.Join(test.states, "\n")+"\n")
				put(t, dir+"/enabled", or(test.enabled, "enabled")+"\n")
				put(t, dir+"/reload", or(test.reload, "no")+"\n")
				if test.refuses {
					put(t, dir+"/fails", "")
				}
				step := plan.Step{
					Kind: test.kind, Unit: strings.TrimSuffix(unit, ".service"), Config: put(t, dir+"/config", "global\n"),
					Loaded: dir + "/loaded", Paths: []plan.Path{{Path: put(t, dir+"/old.json", "{}")}},
				}
				if test.takes != "" {
					step.Takes = []string{"program", "/follow"}
				}
				script := strings.ReplaceAll(bringService(step), "sleep 0.2", ":")
				called, err := callsOf(t, shell, script, map[string]string{
					"systemctl": systemctl(dir),
					"program":   "case $1 in takes) " + or(test.takes, ":") + " ;; *) " + or(test.await, ":") + " ;; esac",
				}, "systemctl", "journalctl", "program")
				called = slices.DeleteFunc(called, func(call string) bool { return strings.HasPrefix(call, "systemctl show") })
				for i, call := range called {
					if strings.HasPrefix(call, "journalctl") {
						called[i] = "journalctl"
					}
				}
				if !slices.Equal(called, test.want) || (err != nil) != (test.fails != "") ||
					err != nil && !strings.Contains(err.Error(), test.fails) {
					t.Errorf("%q: %v, and calls\n%s", shell, err, strings.Join(called, "\n"))
				}
				sum := sha256.Sum256([]byte("global\n"))
				noted, _ := os.ReadFile(step.Loaded)
				_, errOld := os.Stat(dir + "/old.json")
				if err == nil && (string(noted) != hex.EncodeToString(sum[:])+"\n" || mode(t, step.Loaded) != "0644" ||
					errOld == nil) {
					t.Errorf("%q: noted is %q; what is to be removed: %v", shell, noted, errOld)
				}
				if err != nil && (len(noted) > 0 || errOld != nil) {
					t.Errorf("%q failed, and noted is %q; what is to be removed: %v", shell, noted, errOld)
				}
			}
		})
	}
}

// callsOf is calls with one shell.
func callsOf(
	t *testing.T, shell []string, script string, answers map[string]string, commands ...string,
) ([]string, error) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "called")
	var stubs strings.Builder
	for _, name := range commands {
		fmt.Fprintf(&stubs, "%s() { echo \"%[1]s $*\" >>%s; %s\n}\n", name, shellword.Quote(log), or(answers[name], ":"))
	}
	cmd := exec.CommandContext(t.Context(), shell[0], append(slices.Clone(shell[1:]), "-c", stubs.String()+script)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = errors.Join(err, errors.New(string(out)))
	}
	text, _ := os.ReadFile(log) // nothing may have been called
	return strings.Split(strings.TrimSpace(string(text)), "\n"), err
}

// TestInstallPackages has how packages come: what they bring is not started, and no word of that stays behind.
func TestInstallPackages(t *testing.T) {
	const install = "apt-get install -y -qq"
	for name, test := range map[string]struct {
		installed bool
		foreign   string // the policy of somebody else
		apt       string // what it does
		want      []string
		fails     bool
	}{
		"a package":         {want: []string{install, "apt-mark -qq hold haproxy"}},
		"one that is there": {installed: true, want: []string{"apt-mark -qq hold haproxy"}},
		"lists that are out of date": {
			apt:  `case $1 in update) : >$dir/fresh ;; *) [ -e $dir/fresh ] ;; esac`,
			want: []string{install, "dpkg --configure", "apt-get update", install, "apt-mark -qq hold haproxy"},
		},
		"one that cannot be had": {
			apt: `[ "$1" = update ]`, want: []string{install, "dpkg --configure", "apt-get update", install}, fails: true,
		},
		"a policy of somebody else": {
			foreign: "#!/bin/sh\nexit 0\n", want: []string{install, "apt-mark -qq hold haproxy"},
		},
		"a policy of a run that has died": {
			foreign: "#!/bin/sh\n# Services wait for clusterup, which is installing packages.\nexit 101\n",
			want:    []string{install, "apt-mark -qq hold haproxy"},
		},
	} {
		for _, shell := range shells() {
			dir := t.TempDir()
			policy := dir + "/policy-rc.d"
			ours := test.foreign == "" || strings.Contains(test.foreign, "clusterup")
			if test.foreign != "" {
				put(t, policy, test.foreign)
			}
			query := "false"
			if test.installed {
				query = "printf installed"
			}
			apt := "dir=" + dir + "; cat " + policy + " >$dir/during; ls -l " + policy + " >>$dir/during; " + or(test.apt, ":")
			script := strings.NewReplacer("/usr/sbin/policy-rc.d", policy, "dpkg-query", "dpkgquery", "apt-get", "aptget",
				"apt-mark", "aptmark").Replace(installPackages([]string{"haproxy"}))
			called, err := callsOf(t, shell, "umask 077\n"+script, map[string]string{"dpkgquery": query, "aptget": apt},
				"dpkgquery", "aptget", "aptmark", "dpkg")
			called = slices.DeleteFunc(called, func(call string) bool { return strings.HasPrefix(call, "dpkgquery") })
			for i, call := range called {
				call = strings.NewReplacer("aptget", "apt-get", "aptmark", "apt-mark").Replace(call)
				called[i] = call
				for _, short := range []string{install, "apt-get update", "dpkg --configure"} {
					if strings.HasPrefix(call, short) {
						called[i] = short
					}
				}
			}
			if (err != nil) != test.fails || !slices.Equal(called, test.want) {
				t.Errorf("%s, %q: %v, and calls\n%s", name, shell, err, strings.Join(called, "\n"))
			}
			left, errLeft := os.ReadFile(policy)
			if ours && !errors.Is(errLeft, fs.ErrNotExist) || !ours && string(left) != test.foreign {
				t.Errorf("%s, %q: the policy that is left: %q, %v", name, shell, left, errLeft)
			}
			during, _ := os.ReadFile(dir + "/during")
			if !test.installed && ours &&
				(!strings.Contains(string(during), "exit 101") || !strings.Contains(string(during), "rwxr-xr-x")) {
				t.Errorf("%s, %q: while packages came, the policy was %q", name, shell, during)
			}
		}
	}
}

// A file that has to be tried is in its place once the service has accepted it, and else the old one stays.
func TestTried(t *testing.T) {
	for _, accepts := range []bool{true, false} {
		for _, shell := range shells() {
			dir := t.TempDir()
			at := put(t, dir+"/it's.cfg", "old")
			step := plan.Step{
				Kind: plan.WriteService, Try: []string{"haproxy", "-c", "-q", "-f"},
				Changes: []plan.Change{{File: units.File{Path: at, Data: []byte("new")}}},
			}
			part := config(step)
			if len(part.Files) != 1 || part.Files[0].Path == at || filepath.Dir(part.Files[0].Path) != dir {
				t.Fatalf("%+v", part.Files)
			}
			put(t, part.Files[0].Path, string(part.Files[0].Data))
			answer := map[bool]string{true: ":", false: "echo 'unknown keyword' >&2; false"}[accepts]
			called, err := callsOf(t, shell, "sync() { :; }\n"+part.Then, map[string]string{"haproxy": answer}, "haproxy")
			if !slices.Equal(called, []string{"haproxy -c -q -f " + part.Files[0].Path}) || (err == nil) != accepts ||
				err != nil && !strings.Contains(err.Error(), "unknown keyword") {
				t.Errorf("%q: %v, and calls %q", shell, err, called)
			}
			if got, want := read(t, at), map[bool]string{true: "new", false: "old"}[accepts]; got != want {
				t.Errorf("%q: it holds %q, want %q", shell, got, want)
			}
			if got := list(t, dir); !slices.Equal(got, []string{"it's.cfg"}) {
				t.Errorf("%q leaves %q", shell, got)
			}
		}
	}
	part := config(plan.Step{Changes: []plan.Change{{File: units.File{Path: "/x"}}}, Unit: "u"})
	if part.Files[0].Path != "/x" || part.Then != reloadUnit("u") {
		t.Errorf("a file that nobody tries: %+v", part)
	}
}

// A program is put in its place whole, and with the digest that it has to have, or not at all.
func TestPlaceProgram(t *testing.T) {
	const text = "#!/bin/sh\necho program\n"
	sum := sha256.Sum256([]byte(text))
	for _, whole := range []bool{true, false} {
		for _, shell := range shells() {
			root := filepath.Join(t.TempDir(), "node")
			at := root + "/0123456789abcdef/clusterup-node"
			put(t, at+".new", "left by a killed run")
			sent := text
			if !whole {
				sent = text[:10]
			}
			cmd := exec.CommandContext(t.Context(), shell[0], append(slices.Clone(shell[1:]), "-c",
				"umask 077\nsync() { :; }\n"+placeProgram(plan.Program{Path: at, SHA256: hex.EncodeToString(sum[:])}))...)
			cmd.Stdin = strings.NewReader(sent)
			out, err := cmd.CombinedOutput()
			if !whole {
				if err == nil || !strings.Contains(string(out), "another digest") || len(list(t, filepath.Dir(at))) > 0 {
					t.Errorf("%q: %v, %s, and left is %q", shell, err, out, list(t, filepath.Dir(at)))
				}
				continue
			}
			if err != nil || read(t, at) != text || mode(t, at) != "0755" || len(list(t, filepath.Dir(at))) != 1 {
				t.Errorf("%q: %v, %s, and left is %q", shell, err, out, list(t, filepath.Dir(at)))
			}
		}
	}
}

// A service that is to go is stopped, and what it ran with is removed: the program unless a unit of another cluster
// names it. What the next look goes by is removed last.
func TestRemoveService(t *testing.T) {
	for _, shell := range shells() {
		root := t.TempDir()
		programs := root + "/node"
		for _, name := range []string{"one", "two"} {
			put(t, programs+"/"+name+"/clusterup-node", "x")
		}
		put(t, root+"/units/clusterup-follow-other.service", "ExecStart="+programs+"/two/clusterup-node follow x\n")
		put(t, root+"/proc/7/x", "")
		if err := os.Symlink("/bin/sh", root+"/proc/7/exe"); err != nil {
			t.Fatal(err)
		}
		paths := []string{
			filepath.Dir(put(t, root+"/conf/x.json", "x")), put(t, root+"/units/clusterup-follow-front.service",
				"ExecStart="+programs+"/one/clusterup-node follow x\n"), balancer.Programs + "/one", balancer.Programs + "/two",
		}
		move := strings.NewReplacer(balancer.Programs, programs, "/etc/systemd/system", root+"/units",
			"/proc/", root+"/proc/")
		called, err := callsOf(t, shell, move.Replace(removeService("clusterup-follow-front", paths)), map[string]string{
			"systemctl": `case $1 in show) echo loaded ;; esac`,
		}, "systemctl")
		const unit = "clusterup-follow-front.service"
		want := []string{
			"systemctl show -p LoadState --value " + unit, "systemctl stop " + unit, "systemctl disable --quiet " + unit,
			"systemctl daemon-reload", "systemctl reset-failed " + unit,
		}
		if err != nil || !slices.Equal(called, want) {
			t.Errorf("%q: %v, and calls\n%s", shell, err, strings.Join(called, "\n"))
		}
		if got := list(t, programs); !slices.Equal(got, []string{"two"}) {
			t.Errorf("%q: programs %q", shell, got)
		}
		if got := list(t, root); !slices.Equal(got, []string{"node", "proc", "units"}) ||
			!slices.Equal(list(t, root+"/units"), []string{"clusterup-follow-other.service"}) {
			t.Errorf("%q: left is %q, %q", shell, got, list(t, root+"/units"))
		}
		// A unit that does not stop keeps all that it runs with.
		kept := put(t, root+"/conf/x.json", "x")
		answers := map[string]string{"systemctl": `[ "$1" != stop ]`}
		_, err = callsOf(t, shell, removeService("x", []string{filepath.Dir(kept)}), answers, "systemctl")
		if err == nil || read(t, kept) != "x" {
			t.Errorf("%q: a unit that does not stop: %v", shell, err)
		}
	}
}
