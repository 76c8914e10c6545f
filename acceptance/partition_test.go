package acceptance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/lab"
)

// parted splits the network, or heals it: the control machine and etcd-1 are on one side, etcd-2 and etcd-3 on the
// other.
func (s *site) parted(t *testing.T, on bool) {
	t.Helper()
	for _, here := range []string{lab.Control, "etcd-1"} {
		for _, there := range []string{"etcd-2", "etcd-3"} {
			must(t, s.lab.Partition(t.Context(), here, there, on))
		}
	}
}

// writesOn waits until the member on a host, asked there, takes a write: there may be an election.
func (s *site) writesOn(t *testing.T, host, key string) {
	t.Helper()
	pair := "--cert=/etc/etcd/prod/tls/server/cert.pem --key=/etc/etcd/prod/tls/server/key.pem"
	if allWithAuth { // that pair is of no user
		app := issue(t, s.cas(t, "prod"), "app")
		dir := filepath.Join(s.lab.Root(host), "root", "app")
		must(t, os.MkdirAll(dir, 0o700))
		must(t, os.WriteFile(filepath.Join(dir, "cert.pem"), app.Cert, 0o600))
		must(t, os.WriteFile(filepath.Join(dir, "key.pem"), app.Key, 0o600))
		pair = "--cert=/root/app/cert.pem --key=/root/app/key.pem"
	}
	until(t, host+" to take a write", func() bool {
		_, err := s.try(t, host, "$(ls /opt/clusterup/etcd/*/etcdctl | tail -n 1) --endpoints=https://127.0.0.1:2379 "+
			"--cacert=$(echo /etc/etcd/prod/trust-client-*.pem) "+pair+" put "+key+" 1")
		return err == nil
	})
}

// beyond: behind a partition the other two members are a quorum, and go on. They are given up by name, so there are two
// clusters; when the partition heals, they join nothing, and are made anew by consent.
func beyond(t *testing.T, s *site, inv inventory) {
	file := s.write(t, "prod.hcl", inv)
	keys := s.put(t, inv, "before", 20)
	one := among(inv, 1)
	s.parted(t, true)
	s.writesOn(t, "etcd-2", "there/1") // they are a quorum there
	s.run(t, "recover", "--confirm=prod", file).exits(t, 12).
		says(t, "dark is not dead…there will be two clusters…--accept=gone:etcd-2", "…--accept=gone:etcd-3").
		saysNot(t, "as the inventory says")
	s.ok(t, "recover", "--confirm=prod", "--accept=gone:etcd-2,gone:etcd-3", file)
	s.holds(t, one, keys)
	s.writesOn(t, "etcd-3", "there/2")
	keys = s.put(t, one, "here", 20)

	process := s.pids(t, "prod")["etcd-1"]
	tr := startTraffic(t, s, one, nobody)
	s.healed(t, inv)
	s.run(t, "apply", "--yes", file).exits(t, 13).
		says(t, "etcd-2: …in whose place this one was restored: what clients write there is lost…[needs-consent]",
			"etcd-3: …[needs-consent]", "--accept=replace:etcd-2", "--accept=replace:etcd-3").saysNot(t, "etcd-1: ")
	s.ok(t, "member", "list", file).says(t, "etcd-1…running", "etcd-2…removed", "etcd-3…removed")
	s.run(t, "check", file).exits(t, 3).says(t, "etcd-2: removed…[unhealthy]", "etcd-3: removed…[unhealthy]").
		saysNot(t, "etcd-1: ")
	s.ok(t, "snapshot", "save", "--json", file).says(t, `"member":"etcd-1"`) // although followers serve there
	s.writesOn(t, "etcd-2", "there/3")                                       // nobody has stopped them
	s.converges(t, inv, "--accept=replace:etcd-2,replace:etcd-3")
	tr.stop(t).unnoticed(t)
	if now := s.pids(t, "prod")["etcd-1"]; now != process {
		t.Errorf("etcd-1 was process %s, and is %s", process, now)
	}
	held := s.held(t, inv)
	for key, value := range keys {
		if held[key] != value {
			t.Errorf("%s is %q, want %q", key, held[key], value)
		}
	}
	for key := range held {
		if strings.HasPrefix(key, "there/") {
			t.Errorf("%s has come over", key)
		}
	}
	if !t.Failed() {
		guarantee(t, "the other members run on behind a partition, which heals", "recovery from 1 of 3 members",
			"exit 12 until each is given up by name; then there are two clusters. When it heals, exit 13: the old ones join "+
				"nothing, and are made anew by consent; no client of the recovered cluster notices")
	}
}

// healed ends the partition, and waits until members of before have knocked at the recovered one, which lets none in.
func (s *site) healed(t *testing.T, inv inventory) {
	t.Helper()
	since := s.on(t, "etcd-1", "date +%s")
	s.parted(t, false)
	for _, m := range inv.Members[1:] {
		until(t, "etcd-1 to refuse "+m.Name, func() bool {
			said := s.on(t, "etcd-1", "journalctl -u etcd-prod -o cat --since=@"+since)
			return tells(said, "rejected connection…"+m.Address)
		})
	}
}
