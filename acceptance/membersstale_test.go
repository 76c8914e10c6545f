package acceptance

import (
	"fmt"
	"strings"
	"testing"
)

// TestMembersStale puts an older copy of a member's data in its place, and a copy of another member's: neither starts
// when the host boots, and the right one does.
func TestMembersStale(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "stale", hosts(3)...)
	inv := s.inventory(t, "prod")
	s.converges(t, inv)
	file := s.write(t, "prod.hcl", inv)
	s.on(t, "etcd-2", "systemctl stop etcd-prod; cp -a /var/lib/etcd-prod/member /root/older; systemctl start etcd-prod")
	tr := startTraffic(t, s, inv, nobody)
	// Kills are not noted, and let it start again.
	s.on(t, "etcd-2", "systemctl kill -s KILL etcd-prod; systemctl restart etcd-prod")
	s.on(t, "etcd-2", "systemctl stop etcd-prod; mv /var/lib/etcd-prod/member /root/right")
	tr.stop(t).sound(t)
	noted := s.on(t, "etcd-2", "cat /etc/etcd/prod/log-end")
	if strings.Count(noted, "\n") != 0 || len(strings.Fields(noted)) != 4 {
		t.Errorf("noted is %q", noted)
	}

	s.on(t, "etcd-2", "cp -a /root/older /var/lib/etcd-prod/member")
	s.refusesAtBoot(t, "etcd-2", "is older than this member")
	if now := s.on(t, "etcd-2", "cat /etc/etcd/prod/log-end"); now != noted {
		t.Errorf("noted is %q, was %q", now, noted)
	}
	s.run(t, "member", "list", file).says(t, "etcd-2 … stale", "etcd-2: its data is older")
	refused(t, s, file, 13, "etcd-2: the data in /var/lib/etcd-prod is an older copy", "--accept=replace:etcd-2",
		"[data-lost]")

	// Without a note a leader that has stayed finds it, as docs/operations.md says.
	s.on(t, "etcd-2", "cd /var/lib/etcd-prod; mv /etc/etcd/prod/log-end /root; systemctl start --no-block etcd-prod")
	until(t, "etcd panics", func() bool {
		return strings.Contains(s.on(t, "etcd-2", "journalctl -b -u etcd-prod -o cat"), "is out of range [lastIndex(")
	})
	s.on(t, "etcd-2", "systemctl stop etcd-prod; mv /root/log-end /etc/etcd/prod")

	other := s.on(t, "etcd-3", "tar -C /var/lib/etcd-prod -cz member/wal | base64")
	s.on(t, "etcd-2", fmt.Sprintf("cd /var/lib/etcd-prod; rm -rf member; base64 -d <<'END' | tar -xz\n%s\nEND", other))
	s.refusesAtBoot(t, "etcd-2", "is of member")

	s.on(t, "etcd-2", "cd /var/lib/etcd-prod; rm -rf member; cp -a /root/right member; systemctl start etcd-prod")
	s.ok(t, "plan", "--exit-code", file)

	s.on(t, "etcd-2", "cd /var/lib/etcd-prod; systemctl stop etcd-prod; rm -rf member; mv /root/older member")
	s.converges(t, inv, "--accept=replace:etcd-2")
	s.inSync(t, file, inv)
	s.on(t, "etcd-2", "ls -d /var/lib/etcd-prod.aside-*; systemctl restart etcd-prod")
	s.ok(t, "plan", "--exit-code", file)
	if now := s.on(t, "etcd-2", "cat /etc/etcd/prod/log-end"); now[:33] == noted[:33] {
		t.Errorf("noted of the new member is %q, of the old one %q", now, noted)
	}
	if !t.Failed() {
		guarantee(t, "a member's data is put back from an older copy, or from another member", "a boot of 1 of 3 hosts",
			"its unit refuses to start, apply exits 13; with the right data it starts, and by consent it is replaced")
	}
}

// refusesAtBoot boots a host, whose unit does not start its member, and says why.
func (s *site) refusesAtBoot(t *testing.T, host, why string) {
	t.Helper()
	must(t, s.lab.PowerCut(t.Context(), host))
	must(t, s.lab.Boot(t.Context(), host))
	s.on(t, host, "systemctl is-system-running --wait || true")
	said := s.on(t, host, "journalctl -b -u etcd-prod -o cat")
	if !strings.Contains(said, "refusing to start") || !strings.Contains(said, why) {
		t.Errorf("its journal says %q, want %q", said, why)
	}
	if state := s.on(t, host, "systemctl is-active etcd-prod || true"); state != "inactive" {
		t.Errorf("%s is %s", host, state)
	}
}
