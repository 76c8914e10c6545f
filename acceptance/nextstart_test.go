package acceptance

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// diverting are the contents of drop-ins that would make the next start another one than the inventory says, and how
// that is told.
var diverting = map[string]string{
	"Environment=ETCD_FORCE_NEW_CLUSTER=true":      "x.conf sets ETCD_FORCE_NEW_CLUSTER",
	"EnvironmentFile=-/etc/default/x":              "/etc/default/x…/etc/systemd/system/etcd-prod.service.d/x.conf…ETCD_NAME",
	"UnsetEnvironment=":                            "UnsetEnvironment lacks ETCD_CONFIG_FILE",
	"ExecStart=\nExecStart=/usr/bin/etcd --name=x": "x.conf changes the command: binary: ",
	"ExecCondition=":                               "takes away the guard",
	"User=root":                                    "x.conf sets User=root",
	"UnsetEnvironment=\nUnsetEnvironment=FOO\nEnvironment=ETCD_NAME=x": "UnsetEnvironment lacks ETCD_CONFIG_FILE",
}

func dropIn(lines string) string {
	return fmt.Sprintf(`set -e
mkdir -p /etc/systemd/system/etcd-prod.service.d
cat >/etc/systemd/system/etcd-prod.service.d/x.conf <<'CONF'
[Service]
%s
CONF
echo ETCD_NAME=other >/etc/default/x
systemctl daemon-reload
`, lines)
}

const noDropIn = "rm -rf /etc/systemd/system/etcd-prod.service.d /etc/default/x; systemctl daemon-reload"

// nextStart proves that no member restarts into a drop-in that somebody has put beside its unit file, that each such
// drop-in is named before anything is done, and that the manager's environment never reaches a member.
func nextStart(t *testing.T, s *site, file string, inv inventory) {
	before := s.pids(t, inv.Cluster)
	roll := inv
	etcdBlock(`heartbeat_interval = "150ms"`)(&roll)
	s.write(t, "prod.hcl", roll)
	for i, lines := range slices.Sorted(maps.Keys(diverting)) {
		s.on(t, "etcd-2", dropIn(lines))
		says := []string{"[unit-diverted]", "etcd-2: …" + diverting[lines]}
		s.run(t, "apply", "--yes", file).exits(t, 13).says(t, says...)
		if i == 0 {
			s.run(t, "plan", file).exits(t, 13).says(t, says...)
			s.run(t, "check", file).exits(t, 3).says(t, says[1:]...)
		}
	}
	s.write(t, "prod.hcl", inv)
	if after := s.pids(t, inv.Cluster); !maps.Equal(before, after) {
		t.Errorf("processes were %v and are %v", before, after)
	}

	s.on(t, "etcd-2", dropIn("Nice=5\nCPUQuota=90%\nMemoryMax=4G\nUnsetEnvironment=FOO\nEnvironment=BAR=1")+
		"systemctl set-environment ETCD_FORCE_NEW_CLUSTER=true ETCD_NAME=other GODEBUG=x\n"+
		faults["unit edited, and the member runs with it"].harm)
	s.ok(t, "apply", "--yes", file).says(t, "restart-member/etcd-2")
	got := s.on(t, "etcd-2",
		`tr '\0' '\n' </proc/$(systemctl show -p MainPID --value etcd-prod)/environ | grep -E '^(ETCD|GODEBUG|BAR)'`)
	if got != "BAR=1" {
		t.Errorf("the member has %q in its environment", got)
	}
	s.on(t, "etcd-2", "systemctl unset-environment ETCD_FORCE_NEW_CLUSTER ETCD_NAME GODEBUG\n"+noDropIn)
	s.inSync(t, file, inv)
}

// foreignUnit proves that a unit of the members' name that clusterup did not write stays as it is, whatever is asked
// for.
func foreignUnit(t *testing.T, s *site, inv inventory) {
	other := inv
	other.Settings += "\nunit_name = \"etcd\""
	file := s.write(t, "other-unit.hcl", other)
	for _, path := range []string{"/etc/systemd/system/etcd.service", "/usr/lib/systemd/system/etcd.service"} {
		s.on(t, "etcd-1", "printf '[Service]\\nExecStart=/bin/sleep infinity\\n' >"+path+
			"; systemctl daemon-reload; systemctl start etcd")
		for _, verb := range [][]string{{"plan"}, {"apply", "--yes"}, {"destroy", "--confirm=prod"}} {
			s.run(t, append(verb, file)...).exits(t, 13).says(t, "etcd-1: …etcd.service…/systemd/system/etcd.service…[foreign-unit]")
		}
		s.on(t, "etcd-1", "systemctl is-active etcd; grep -q sleep "+path+"; systemctl stop etcd; rm "+path+
			"; systemctl daemon-reload")
	}
}

// late proves that a member whose address comes late is tried for as long as that takes, and a start that fails is told
// all the same.
func late(t *testing.T, s *site, file string, inv inventory) {
	const tries = `systemctl show -p NRestarts --value etcd-prod`
	address := s.host(t, "etcd-3").IPv6.String()
	full := s.on(t, "etcd-3", "ip -6 -o addr show dev host0 | grep -o '"+address+"/[0-9]*'")
	s.on(t, "etcd-3", "systemctl stop etcd-prod; ip -6 addr del "+full+" dev host0")
	if out, err := s.try(t, "etcd-3", "systemctl start etcd-prod"); err == nil {
		t.Errorf("the member started without its address: %s", out)
	}
	want := 2
	if whole() {
		want = 25
	}
	until(t, "systemd to try again and again", func() bool {
		var n int
		_, _ = fmt.Sscan(s.on(t, "etcd-3", tries), &n)
		return n >= want
	})
	s.on(t, "etcd-3", "ip -6 addr add "+full+" dev host0 nodad")
	until(t, "the member to come up", func() bool {
		out, _ := s.try(t, "etcd-3", "systemctl is-active etcd-prod")
		return out == "active"
	})
	s.inSync(t, file, inv)
}

// anothersLog proves that a member does not start with the log of another, and that systemd does not try again then.
func anothersLog(t *testing.T, s *site, file string, inv inventory) {
	const data = "/var/lib/etcd-prod"
	log := s.on(t, "etcd-3", "head -c 4096 "+data+"/member/wal/0000000000000000-*.wal | base64")
	s.on(t, "etcd-2", "set -e; systemctl stop etcd-prod; mv "+data+" "+data+
		".own; install -d -o etcd-prod -g etcd-prod -m 0700 "+data+"/member/wal\n"+
		"base64 -d >"+data+"/member/wal/0000000000000000-0000000000000000.wal <<'LOG'\n"+log+"\nLOG\n"+
		"chown -R etcd-prod:etcd-prod "+data+"; chmod 0700 "+data+"\nsystemctl start etcd-prod || true")
	stays(t, s, "is of member ")
	s.run(t, "apply", "--yes", file).exits(t, 13).says(t, "[foreign-data]")
	s.on(t, "etcd-2", "rm -r "+data+"; mv "+data+".own "+data)
	s.ok(t, "apply", "--yes", file).says(t, "start-member/etcd-2")
	s.inSync(t, file, inv)
}

// stays checks that the guard has ended the unit of etcd-2 for good, and says why in the journal.
func stays(t *testing.T, s *site, says string) {
	t.Helper()
	journal := s.on(t, "etcd-2", "journalctl --sync; journalctl --no-pager -o cat -n 20 -u etcd-prod")
	if !strings.Contains(journal, "refusing to start: ") || !strings.Contains(journal, says) {
		t.Errorf("the journal does not say %q:\n%s", says, journal)
	}
	if got := s.on(t, "etcd-2", "systemctl show -p ActiveState -p SubState --value etcd-prod"); got != "inactive\ndead" {
		t.Errorf("the unit is %q", got)
	}
}
