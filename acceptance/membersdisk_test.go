package acceptance

import (
	"strings"
	"testing"
)

// TestMembersDisk has the data of members moved to another disk by consent, while clients are at work.
func TestMembersDisk(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "disk", hosts(3)...)
	inv := s.inventory(t, "prod")
	s.converges(t, inv)
	t.Run("data_dir of all", func(t *testing.T) { inv = dataMoved(t, s, inv) })
	t.Run("wal_dir of one", func(t *testing.T) { inv = logMoved(t, s, inv) })
	t.Run("taken out and destroyed", func(t *testing.T) { endedElsewhere(t, s, inv) })
}

// dataMoved moves the data of all three members, one after the other in one run.
func dataMoved(t *testing.T, s *site, inv inventory) inventory {
	other := inv
	other.Settings = `data_dir = "/srv/etcd/prod"`
	file := s.write(t, "prod.hcl", other)
	s.untouched(t, "prod", func() {
		refused(t, s, file, 13, "etcd-3: its member keeps its data in /var/lib/etcd-prod; the inventory asks for /srv/etcd/prod",
			"[data-moved]", "--accept=replace:etcd-1", "--accept=replace:etcd-3")
	})
	s.on(t, "etcd-2", "mkdir -p /srv/etcd/prod; echo mine >/srv/etcd/prod/photos")
	const all = "--accept=replace:etcd-1,replace:etcd-2,replace:etcd-3"
	s.untouched(t, "prod", func() {
		s.run(t, "apply", "--yes", all, file).exits(t, 13).
			says(t, "/srv/etcd/prod is not empty: it holds photos", "[foreign-data]")
	})
	s.on(t, "etcd-2", "rm -r /srv/etcd")
	before := map[string]string{}
	for _, host := range s.names() {
		before[host] = s.on(t, host, "cd /var/lib/etcd-prod; find . -type f -name '*.wal' | sort | head -n 1")
	}
	tr := startTraffic(t, s, inv, nobody)
	s.converges(t, other, all)
	seen := tr.stop(t)
	seen.sound(t, s.names()...)
	for host, log := range before {
		s.on(t, host, "cd /var/lib/etcd-prod.aside-*; test -f "+log+"; test -f member/snap/db; test ! -e /var/lib/etcd-prod; "+
			"test -d /srv/etcd/prod/member/wal; rm -r /var/lib/etcd-prod.aside-*")
	}
	s.inSync(t, file, other)
	if !t.Failed() {
		measured(t, "another data_dir for all three members, one at a time, by consent", seen, seen.took.Seconds())
	}
	return other
}

// logMoved gives one member a directory for its log, and takes it away again.
func logMoved(t *testing.T, s *site, inv inventory) inventory {
	for _, dir := range []string{"/srv/log", ""} {
		other := among(inv, 1, 2, 3)
		if dir != "" {
			other.Members[1].More = "\n    wal_dir = \"" + dir + "\""
		}
		file := s.write(t, "prod.hcl", other)
		refused(t, s, file, 13, "etcd-2: its member keeps its log", "--accept=replace:etcd-2", "[data-moved]")
		tr := startTraffic(t, s, among(inv, 1, 3), somebody)
		s.converges(t, other, "--accept=replace:etcd-2")
		tr.stop(t).unnoticed(t)
		s.inSync(t, file, other)
		aside := s.on(t, "etcd-2", "ls -d /srv/etcd/prod.aside-* /srv/log.aside-* 2>/dev/null || true; rm -r /srv/*/*.aside-* /srv/*.aside-* 2>/dev/null || true")
		if want := map[string]int{"/srv/log": 1, "": 2}[dir]; len(strings.Fields(aside)) != want {
			t.Errorf("put aside are %q, want %d", aside, want)
		}
	}
	return inv
}

// endedElsewhere: what lies elsewhere than the inventory says goes with its member, and with its cluster.
func endedElsewhere(t *testing.T, s *site, inv inventory) {
	inv.Settings = ""
	s.write(t, "prod.hcl", among(inv, 1, 2, -3))
	s.run(t, "apply", "--yes", s.write(t, "prod.hcl", among(inv, 1, 2, -3))).exits(t, 13).
		says(t, "etcd-1: ", "etcd-2: ", "[data-moved]").
		saysNot(t, "etcd-3: its member")
	file := s.write(t, "prod.hcl", inv)
	s.ok(t, "destroy", "--confirm=prod", file)
	for _, host := range s.names() {
		s.on(t, host, "test -d /srv/etcd/prod.aside-*/member/wal; test ! -e /srv/etcd/prod; test ! -e /etc/etcd; rm -r /srv/etcd")
	}
}
