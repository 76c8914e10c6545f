package acceptance

import (
	"fmt"
	"maps"
	"testing"
)

// TestRotateWaits has rotations wait for clients, takes one back, and revokes: who gets in at each moment, and who does
// not.
func TestRotateWaits(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "rotate-wait", hosts(3)...)
	inv := s.inventory(t, "prod")
	file := s.write(t, "prod.hcl", inv)
	t.Run("no cluster", func(t *testing.T) {
		s.untouched(t, "prod", func() {
			for _, args := range [][]string{{"rotate", "ca"}, {"rotate", "ca", "--abort"}, {"rotate", "certs"}} {
				s.run(t, append(args, "--yes", file)...).exits(t, 13).says(t, "[no-cluster]", "clusterup apply")
			}
		})
	})
	s.ok(t, "apply", "--yes", file)
	t.Run("revoke", func(t *testing.T) { revoking(t, s, inv, file) })
	t.Run("abort", func(t *testing.T) { aborting(t, s, inv, file) })
	t.Run("clients of old", func(t *testing.T) { clientsOfOld(t, s, inv, file) })
}

// revoking refuses one pair, and then all of a name, while others go on. Nothing restarts.
func revoking(t *testing.T, s *site, inv inventory, file string) {
	first, second, other := s.credentials(t, "app", file), s.credentials(t, "app", file), s.credentials(t, "web", file)
	pids := s.pids(t, inv.Cluster)
	s.untouched(t, inv.Cluster, func() {
		s.run(t, "cert", "revoke", "nobody", "--yes", file).exits(t, 1).says(t, `"nobody"`,
			"clusterup cert list")
		s.run(t, "cert", "revoke", "ap", "--yes", file).exits(t, 1).says(t, "app?")
	})
	s.ok(t, "cert", "revoke", fmt.Sprintf("%x", first.pair.Leaf.SerialNumber), file, "--yes").saysNot(t, "restart-member")
	s.received(t, "the revoked pair", first, inv, 2379, hangUp)
	s.received(t, "another pair of that name", second, inv, 2379, welcome)
	s.received(t, "somebody else", other, inv, 2379, welcome)

	s.ok(t, "cert", "revoke", "app", file, "--yes").saysNot(t, "restart-member")
	s.received(t, "the other pair, revoked by its name", second, inv, 2379, hangUp)
	s.received(t, "somebody else", other, inv, 2379, welcome)
	s.received(t, "somebody else", other, inv, 2380, alert)
	s.ok(t, "cert", "revoke", "app", file, "--yes").saysNot(t, "revoke-client", "list-revoked", "write-trust")
	if now := s.pids(t, inv.Cluster); !maps.Equal(pids, now) {
		t.Errorf("processes were %v and are %v", pids, now)
	}
	s.inSync(t, file, inv)
}

// aborting takes a rotation back from the last point at which that is possible.
func aborting(t *testing.T, s *site, inv inventory, file string) {
	was, bundles := s.inUse(t, inv.Cluster), s.bundles(t, inv)
	s.ok(t, "rotate", "ca", "--pause-after=leaves", "--yes", file).says(t, "waits: …phase leaves")
	s.shows(t, inv, s.inUse(t, inv.Cluster))
	early := s.credentials(t, "early", file)
	s.received(t, "a client of the CA that is going to be taken back", early, inv, 2379, welcome)
	s.ok(t, "rotate", "ca", "--abort", "--yes", file).says(t,
		"client early: …client CA 2").saysNot(t, "waits")
	s.received(t, "a client of the CA that was taken back", early, inv, 2379, alert)
	s.standsWith(t, inv, was)
	if now := s.bundles(t, inv); !maps.Equal(bundles, now) {
		t.Errorf("bundles were\n%v\nand are\n%v", bundles, now)
	}
	s.inSync(t, file, inv)
	s.run(t, "check", file).exits(t, 3).says(t, "client early: …client CA 2…[client]",
		"→ clusterup cert issue early ")
	s.ok(t, "cert", "list", "--json", file).says(t, `"name":"early"…"retired":true`)
	s.ok(t, "rotate", "ca", "--abort", "--yes", "--json", file).idle(t)
	s.ok(t, "cert", "revoke", "early", "--yes", file)
	s.ok(t, "check", file)
	s.ok(t, "history", file).says(t, "clusterup rotate ca --abort", "clusterup rotate ca --pause-after=leaves")
}

// clientsOfOld has the end of a rotation wait as long as the newest certificate of a client is of the old CA: one
// client gets another, and the other is given up. From there on there is only the way forwards.
func clientsOfOld(t *testing.T, s *site, inv inventory, file string) {
	old, web := s.credentials(t, "app", file), s.credentials(t, "web", file)
	before := s.inUse(t, inv.Cluster)
	s.ok(t, "rotate", "ca", "--client", "--yes", file).says(t, "issue-leaf/server",
		waitsFor("clients app and web")).saysNot(t, "retire-ca")
	s.received(t, "a client of the old CA, before that is dropped", old, inv, 2379, welcome)
	s.received(t, "a client of the old CA", old, inv, 2380, alert)

	next := s.credentials(t, "app", file)
	s.received(t, "a client of the new CA", next, inv, 2379, welcome)
	s.ok(t, "apply", "--yes", file).says(t, waitsFor("client web")).saysNot(t, "retire-ca", "clients app")
	const killed = -1
	s.disturbed(t, fmt.Sprintf("CLUSTERUP_FAULT=kill after retire-ca/client-%d", before["client"]),
		"rotate", "ca", "--client", "--accept=old-clients", "--yes", file).exits(t, killed)
	s.received(t, "a client of the old CA, which is trusted still", old, inv, 2379, welcome)
	s.untouched(t, inv.Cluster, func() {
		s.run(t, "rotate", "ca", "--client", "--abort", "--yes", file).exits(t, 13).says(t, "[too-late]",
			"rotate ca --client")
	})

	s.ok(t, "apply", "--yes", file).saysNot(t, "waits")
	s.inSync(t, file, inv)
	s.rotated(t, inv, before, "client")
	s.received(t, "a client of the old CA, after that was dropped", old, inv, 2379, alert)
	s.received(t, "a client that was given up", web, inv, 2379, alert)
	s.received(t, "a client of the new CA", next, inv, 2379, welcome)
	s.received(t, "a client of the new CA", next, inv, 2380, alert)
	s.puts(t, inv, next.dir)
}

func waitsFor(clients string) string {
	return "waits: …" + clients + "…client CA 1"
}

// bundles are what the hosts of a cluster trust, by host and file.
func (s *site) bundles(t *testing.T, inv inventory) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, m := range inv.Members {
		found[m.Name] = s.on(t, m.Name, "sha256sum /etc/etcd/"+inv.Cluster+"/trust-*.pem")
	}
	return found
}
