package look

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/lines/linestest"
)

// Units with drop-ins as systemd 247 to 257 shows them, without the values of variables.
const shownUnit = `LoadState=loaded
ActiveState=active
NeedDaemonReload=no
MainPID=%d
ExecCondition={ path=/bin/sh ; argv[]=/bin/sh -c test -e "$1" guard %s/born.json /w ; ignore_errors=no ; pid=0 ; status=0/0 }
ExecStart={ path=/usr/bin/etcd ; argv[]=etcd --name=x --data-dir=/a	b ; ignore_errors=no ; start_time=[n/a] ; status=0/0 }
Environment=FOO=SECRET1 ETCD_NAME=SECRET2 "ETCD_DATA_DIR=SECRET3 two" $'GODEBUG=SECRET4' GONE
EnvironmentFiles=%s/*.env (ignore_errors=yes)
EnvironmentFiles=/nowhere (ignore_errors=no)
UnsetEnvironment=HTTP_PROXY ETCD_CONFIG_FILE
User=root
Group=
WorkingDirectory=
RootDirectory=/srv/root
FragmentPath=/etc/systemd/system/x.service
DropInPaths=%s
`

// The next start of a unit is told by names alone: what its variables are set to never leaves the host.
func TestScriptNextStart(t *testing.T) {
	process := exec.CommandContext(t.Context(), "sleep", "600")
	process.Env = []string{
		"PATH=" + os.Getenv("PATH"), "ETCD_UNSAFE_NO_FSYNC=SECRET5\nETCD_FORGED=SECRET6", "HOME=/",
		"SSL_CERT_FILE=SECRET7",
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = process.Process.Kill(); _ = process.Wait() })
	for name, shell := range linestest.Shells() {
		for _, dropIn := range []string{"/etc/systemd/system/x.service.d/a.conf", ""} {
			r := newRoom(t)
			bin := t.TempDir()
			env := r.put(t, bin+"/a.env",
				"# ETCD_NOT=SECRET\n  ETCD_TOKEN='SECRET8'\nPLAIN=SECRET9\nKEY=\"\nETCD SECRET\nabc=\"")
			shown := fmt.Sprintf(shownUnit, process.Process.Pid, r.ask.ConfigDir, bin, dropIn)
			r.put(t, bin+"/shown", shown)
			r.put(t, bin+"/systemctl", "#!/bin/sh\ncase $1 in --version) echo systemd 252 ;; *) cat "+bin+"/shown ;; esac\n")
			r.env, r.systemd = []string{"PATH=" + bin + ":" + os.Getenv("PATH")}, bin
			h := r.look(t, shell...)
			if answer := fmt.Sprintf("%+v %+v %v", h, h.Unit.Start, h.Process); strings.Contains(answer, "SECRET") {
				t.Errorf("%s: a secret left the host: %s", name, answer)
			}
			if h.Process == nil || !slices.Equal(h.Process.Variables, []string{"ETCD_UNSAFE_NO_FSYNC", "SSL_CERT_FILE"}) {
				t.Errorf("%s: process %+v", name, h.Process)
			}
			if h.Unit.Fragment != "/etc/systemd/system/x.service" || h.Unit.Load != "loaded" {
				t.Errorf("%s: unit %+v", name, h.Unit)
			}
			var want *facts.Start
			if dropIn != "" {
				want = &facts.Start{
					Command: "/usr/bin/etcd etcd --name=x --data-dir=/a b", Guarded: true,
					Unset:    []string{"HTTP_PROXY", "ETCD_CONFIG_FILE"},
					Settings: map[string]string{"User": "root", "RootDirectory": "/srv/root"},
					Variables: []facts.Variable{
						{Name: "ETCD_NAME"},
						{Name: "ETCD_DATA_DIR"},
						{Name: "GODEBUG"},
						{Name: "GONE"},
						{Name: "ETCD_TOKEN", File: env},
					},
				}
			}
			if diff := cmp.Diff(want, h.Unit.Start); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

// A drop-in that systemd has not read makes the unit need a reload, wherever it lies; one that it has read does not.
func TestScriptUnreadDropIns(t *testing.T) {
	const unit = "no-such-unit-of-clusterup"
	for name, shell := range linestest.Shells() {
		for _, test := range []struct {
			file, read string
			want       bool
		}{
			{"", "", false},
			{unit + ".service.d/odd.conf", "", true},
			{unit + ".service.d/odd.conf", "/usr/lib/systemd/system/service.d/odd.conf /x/a.conf", false},
			{unit + ".service.d/odd.conf", "/x/very-odd.conf", true},
			{unit + ".service.d/odd.conf.bak", "", false},
			{"service.d/odd.conf", "", true},
			{"no-such-.service.d/odd.conf", "/x/a.conf", true},
			{"other.service.d/odd.conf", "", false},
		} {
			r := newRoom(t)
			r.systemd, r.units = t.TempDir(), t.TempDir()
			if test.file != "" {
				r.put(t, r.units+"/"+test.file, "[Service]\n")
			}
			r.put(t, r.systemd+"/shown", "LoadState=loaded\nNeedDaemonReload=no\nDropInPaths="+test.read+"\nFragmentPath=/x\n")
			r.put(t, r.systemd+"/systemctl", "#!/bin/sh\ncase $1 in --version) echo systemd 252 ;; *) cat "+r.systemd+
				"/shown ;; esac\n")
			r.env = []string{"PATH=" + r.systemd + ":" + os.Getenv("PATH")}
			if h := r.look(t, shell...); h.Unit.NeedsReload != test.want {
				t.Errorf("%s: %q, where %q was read: needs a reload %t", name, test.file, test.read, h.Unit.NeedsReload)
			}
		}
	}
}
