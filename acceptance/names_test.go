package acceptance

import (
	"fmt"
	"strings"
	"testing"
)

// odd is a name with a line of facts, and with what would repaint the operator's terminal.
const odd = "x\nsystemd\t0\nend\x1b[A\x1b[2K\x1b]52;c;eA==\a"

// hostileNames has one host full of odd names: no fact is forged, no host is lost, and all output is text.
func hostileNames(t *testing.T, s *site, file string, inv inventory) {
	host := inv.Members[len(inv.Members)-1].Name
	name := "'" + odd + "'"
	unit := "/etc/systemd/system/etcd-" + inv.Cluster + ".service"
	before := s.pids(t, inv.Cluster)
	s.on(t, host, fmt.Sprintf(`set -e
: >/var/lib/etcd-%[1]s/%[2]s
: >/etc/etcd/%[1]s/trust-peer-%[2]s.pem
printf '# %%s\n' %[2]s | tr -d '\t\n' >>%[3]s; echo >>%[3]s
mkdir -p %[3]s.d; printf '[Unit]\n' >%[3]s.d/z"$(printf %%s %[2]s | tr -d '\n\t')".conf
systemctl daemon-reload
cp /usr/bin/systemd-socket-activate /tmp/%[2]s
systemd-run -q --unit=odd --uid=nobody sh -c 'exec /tmp/x*systemd* -l 127.0.0.2:2379 cat'`, inv.Cluster, name, unit))
	until(t, "the listener with the odd name", func() bool { return s.on(t, host, "ss -Hltn 'src 127.0.0.2:2379'") != "" })
	clean := func(r result) {
		t.Helper()
		if said := r.stdout + r.stderr; strings.ContainsAny(said, "\x1b\a\t\r") || strings.Contains(said, "\nend") {
			t.Errorf("not text alone: %q", said)
		}
	}
	for _, args := range [][]string{{"status"}, {"check"}, {"plan"}, {"plan", "--json"}, {"preflight"}} {
		r := s.run(t, append(args, file)...)
		clean(r)
		if r.code == 12 {
			t.Errorf("%v: a host is lost: %s%s", args, r.stdout, r.stderr)
		}
	}
	s.on(t, host, fmt.Sprintf("rm -r %s.d && systemctl daemon-reload", unit))
	clean(s.ok(t, "apply", "--yes", file))
	after := s.pids(t, inv.Cluster)
	for member, pid := range before {
		if after[member] != pid {
			t.Errorf("%s was restarted", member)
		}
	}
	s.on(t, host,
		fmt.Sprintf(`systemctl stop odd; rm -f /tmp/%[2]s /var/lib/etcd-%[1]s/%[2]s /etc/etcd/%[1]s/trust-peer-%[2]s.pem`,
			inv.Cluster, name))
	s.inSync(t, file, inv)
}
