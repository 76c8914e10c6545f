package acceptance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// check says that all is well, and what wants doing once something does; it changes nothing.
func check(t *testing.T, s *site, file string, inv inventory) {
	metrics := filepath.Join(t.TempDir(), "clusterup.prom")
	s.untouched(t, inv.Cluster, func() {
		s.ok(t, "check", "--prometheus="+metrics, file)
	})
	text := read(t, metrics)
	for _, line := range []string{
		`clusterup_check_ok{cluster="prod"} 1`,
		`clusterup_member_healthy{cluster="prod",member="etcd-2"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q in:\n%s", line, text)
		}
	}
	if info, err := os.Stat(metrics); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info, err)
	}
	s.on(t, "etcd-2", "systemctl stop etcd-prod")
	r := s.run(t, "check", "--prometheus="+metrics, file)
	r.exits(t, 3)
	r.says(t, "etcd-2: stopped…[unhealthy]", "start-member")
	if text := read(t, metrics); !strings.Contains(text, `clusterup_check_ok{cluster="prod"} 0`) ||
		!strings.Contains(text, `member="etcd-2"} 0`) || !strings.Contains(text, `member="etcd-3"} 1`) {
		t.Errorf("metrics:\n%s", text)
	}
	s.ok(t, "apply", "--yes", file)
	s.ok(t, "check", file)

	ca := filepath.Join(s.dir, ".clusterup", inv.Cluster, "ca")
	must(t, os.Rename(ca, ca+".away"))
	s.run(t, "check", "--prometheus="+metrics, file).exits(t, 3).saysNot(t, "[unhealthy]").
		says(t, "etcd-1, etcd-2, etcd-3…[unknown]", "→ …ca/")
	if text := read(t, metrics); strings.Contains(text, "clusterup_member_healthy{") {
		t.Errorf("metrics of members that could not be asked:\n%s", text)
	}
	must(t, os.Rename(ca+".away", ca))
}
