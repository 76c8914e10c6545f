package acceptance

import (
	"regexp"
	"strconv"
	"testing"
)

var exposureLine = regexp.MustCompile(`Overall exposure level for etcd-prod\.service: ([0-9.]+)`)

// systemd proves that the unit is what it should be to systemd 247, 252 and 257 alike.
func systemd(t *testing.T, s *site) {
	for _, h := range s.lab.Hosts() {
		t.Run(h.Suite, func(t *testing.T) {
			if out, err := s.try(t, h.Name, "systemd-analyze verify /etc/systemd/system/etcd-prod.service 2>&1"); err != nil ||
				out != "" {
				t.Errorf("systemd-analyze verify: %v\n%s", err, out)
			}
			out := s.on(t, h.Name, "systemd-analyze --no-pager security etcd-prod.service")
			found := exposureLine.FindStringSubmatch(out)
			if found == nil {
				t.Fatalf("systemd-analyze security says no level:\n%s", out)
			}
			if level, err := strconv.ParseFloat(found[1], 64); err != nil || level > 2.0 {
				t.Errorf("exposure is %s, want at most 2.0\n%s", found[1], out)
			}
			if got := s.on(t, h.Name,
				"systemctl is-enabled etcd-prod; systemctl show -p User -p Type etcd-prod"); got != "enabled\nType=notify\nUser=etcd-prod" && got != "enabled\nUser=etcd-prod\nType=notify" {
				t.Errorf("the unit is %q", got)
			}
			if got := s.on(t, h.Name, "systemctl is-system-running || systemctl --failed --no-legend"); got != "running" {
				t.Errorf("the host is %s", got)
			}
		})
	}
}

// guard proves that a member that had data does not start without it, neither by systemd nor by clusterup.
func guard(t *testing.T, s *site, file string, inv inventory) {
	const data = "/var/lib/etcd-prod"
	s.on(t, "etcd-2", "systemctl stop etcd-prod && mv "+data+" "+data+
		".lost && install -d -o etcd-prod -g etcd-prod -m 0700 "+data)
	s.on(t, "etcd-2", "systemctl start etcd-prod")
	stays(t, s, data+"/member/wal")
	if got := s.on(t, "etcd-2", "ls -A "+data); got != "" {
		t.Errorf("something was written into the empty data directory: %s", got)
	}
	s.run(t, "apply", "--yes", file).exits(t, 13).says(t, "etcd-2: …"+data+"…[data-lost]")
	s.on(t, "etcd-2", "rmdir "+data+" && mv "+data+".lost "+data)
	anothersLog(t, s, file, inv)
}
