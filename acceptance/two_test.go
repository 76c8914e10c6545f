package acceptance

import (
	"strings"
	"testing"

	"github.com/clusterup/clusterup/pki"
)

// TestTwoClusters runs two clusters on the same three hosts, and takes one away.
func TestTwoClusters(t *testing.T) {
	t.Parallel()
	s := newSite(t, "two", hosts(3)...)
	s.shipped()
	prod, apps := s.inventory(t, "prod"), s.inventory(t, "apps")
	prod.Version = releaseNext
	apps.Settings = "peer_port = 12380\nclient_port = 12379\nmetrics_port = 12381"
	first, second := s.write(t, "prod.hcl", prod), s.write(t, "apps.hcl", apps)
	s.ok(t, "apply", "--yes", first)
	before := s.pids(t, "prod")
	s.ok(t, "apply", "--yes", second).says(t, "create-user/etcd-1", "etcd-apps")
	s.inSync(t, first, prod)
	s.inSync(t, second, apps)

	mine, theirs := s.cas(t, "apps"), s.cas(t, "prod")
	app := issue(t, mine, "app")
	s.worksFor(t, secure(t, mine, pki.RoleClient, app.Cert, app.Key), apps, 12379)
	for _, m := range prod.Members {
		err := s.ask(t, secure(t, theirs, pki.RoleClient, app.Cert, app.Key), endpoint(m, 2379))
		if got := receptionOf(err); got != alert {
			t.Errorf("prod's %s treats a client of apps with %s: %v", m.Name, got, err)
		}
	}

	t.Run("destroy", func(t *testing.T) { destroy(t, s, second, apps) })
	s.inSync(t, first, prod)
	for host, pid := range s.pids(t, "prod") {
		if pid != before[host] {
			t.Errorf("%s: prod's member was PID %s and is %s", host, before[host], pid)
		}
	}
	t.Run("purge", func(t *testing.T) {
		s.ok(t, "destroy", "--purge", "--confirm=prod", first)
		for _, host := range s.names() {
			if left := s.on(t, host,
				"find /etc/etcd /opt/clusterup /var/lib/etcd* /etc/systemd/system -path '*aside*' -prune -o -newer /etc/machine-id ! -type d -print 2>/dev/null; true"); left != "" {
				t.Errorf("left on %s: %s", host, left)
			}
		}
	})

	if !whole() {
		return
	}
	prod.Version = release
	sideBySide(t, s, map[string]inventory{s.write(t, "prod.hcl", prod): prod, second: apps})
}

// sideBySide has two clusters installed on bare hosts at the same moment, from the same release.
func sideBySide(t *testing.T, s *site, files map[string]inventory) {
	var runs []*process
	for file := range files {
		runs = append(runs, s.start(t, "apply", "--yes", file))
	}
	for _, run := range runs {
		run.wait(t).exits(t, 0)
	}
	for file, inv := range files {
		s.inSync(t, file, inv)
	}
	for _, host := range s.names() {
		if got := s.on(t, host, "ls -A /opt/clusterup/etcd"); strings.Contains(got, "\n") ||
			!strings.HasPrefix(got, release+"-") {
			t.Errorf("on %s there is %q", host, got)
		}
	}
}

// destroy ends a cluster by its name, keeps its data, and leaves everything else alone; then the same inventory makes a
// new one.
func destroy(t *testing.T, s *site, file string, inv inventory) {
	s.untouched(t, inv.Cluster, func() {
		s.run(t, "destroy", file).exits(t, 2).says(t, "stop all members", "--confirm="+inv.Cluster)
		s.run(t, "destroy", "--confirm=prod", file).exits(t, 2)
	})
	s.ok(t, "destroy", "--confirm="+inv.Cluster, file).says(t, "stop-member/etcd-1", "move-aside/etcd-2",
		"remove-files/etcd-3")
	for _, host := range s.names() {
		got := s.on(t, host,
			"ls /etc/etcd; ls -d /var/lib/etcd-* | sed s/.*etcd-//; ls /etc/systemd/system/etcd-*; ls /opt/clusterup/etcd; ls -d /var/lib/etcd-apps.aside-*/member/wal/*.wal | wc -l")
		if strings.Contains(got, "etcd-apps") || strings.Contains(got, inv.Version) || strings.Count(got, "apps") != 1 ||
			!strings.HasSuffix(got, "\n1") {
			t.Errorf("on %s there is\n%s", host, got)
		}
	}
	s.ok(t, "destroy", "--confirm="+inv.Cluster, file) // nothing left to do
	s.ok(t, "apply", "--yes", file)
	s.inSync(t, file, inv)
	s.ok(t, "destroy", "--confirm="+inv.Cluster, file)
}
