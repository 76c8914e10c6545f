package acceptance

import (
	"path/filepath"
	"testing"
)

// TestDark looks after three members of which one cannot be looked at, and then two.
func TestDark(t *testing.T) {
	t.Parallel()
	s := newSite(t, "dark", hosts(3)...)
	inv := s.inventory(t, "prod")
	file := s.write(t, "prod.hcl", inv)
	t.Run("bootstrap", func(t *testing.T) { bootstrapDark(t, s, file) })
	s.ok(t, "apply", "--yes", file)
	t.Run("one of three", func(t *testing.T) { oneOfThree(t, s, inv, file) })
	t.Run("a saved plan", func(t *testing.T) { savedDark(t, s, inv, file) })
	t.Run("two of three", func(t *testing.T) { twoDark(t, s, inv, file) })
	t.Run("destroyed", func(t *testing.T) { destroyedDark(t, s, file) })
}

// bootstrapDark finds no cluster where one host may hold data that nobody sees.
func bootstrapDark(t *testing.T, s *site, file string) {
	dark := []string{"etcd-3"}
	s.cut(t, dark...)
	for _, args := range [][]string{{"plan", "--exit-code"}, {"apply", "--yes"}} {
		s.dark(t, dark, append(args, file)...).says(t,
			"bootstrap…waits for etcd-3").saysNot(t, "create-ca")
	}
	s.bare(t)
	s.heal(t, dark...)
}

// oneOfThree does what there is to do on two hosts while the third is cut off, and all the rest in one apply when it
// is back.
func oneOfThree(t *testing.T, s *site, inv inventory, file string) {
	app, web := s.credentials(t, "app", file), s.credentials(t, "web", file)
	s.ok(t, "rotate", "ca", "--peer", "--pause-after=leaves", "--yes", file)
	dark, seen := []string{"etcd-3"}, inv
	seen.Members = inv.Members[:2]
	s.cut(t, dark...)
	s.on(t, "etcd-1", faults["key readable by all"].harm+"\n"+faults["trust bundle deleted"].harm)
	s.on(t, "etcd-2", faults["unit edited by hand"].harm+"\n"+faults["member stopped"].harm)

	s.dark(t, dark, "plan", "--exit-code", file).says(t, "fix-modes", "write-trust", "write-unit", "start-member")
	s.run(t, "check", file).exits(t, 12).says(t, "etcd-3: connect: ", "[unreachable]", "[drift]", "etcd-2: stopped")
	s.dark(t, dark, "apply", "--yes", file).says(t,
		"fix-modes/etcd-1", "write-trust/etcd-1", "write-unit/etcd-2", "start-member/etcd-2",
		"4 steps").saysNot(t, "/etcd-3")
	s.still(t, func() { s.dark(t, dark, "apply", "--yes", file).saysNot(t, "Plan:") })
	before := s.pids(t, inv.Cluster)
	s.run(t, "status", "--json", file).exits(t, 12).hearsay(t, "etcd-3", false)
	s.heal(t, dark...)
	s.on(t, "etcd-3", offSSH)
	s.run(t, "status", "--json", file).exits(t, 12).hearsay(t, "etcd-3", true)
	s.run(t, "check", "--json", file).exits(t, 12).says(t, `"cluster_says":{…"serves":true`)
	s.heal(t, dark...)
	s.cut(t, dark...)

	r := s.dark(t, dark, "rotate", "certs", "--yes", file)
	r.says(t, "issue-leaf/peer/etcd-1", "issue-leaf/server/etcd-1", "issue-leaf/peer/etcd-2", "issue-leaf/server/etcd-2")
	r.saysNot(t, "issue-leaf/peer/etcd-3")
	s.dark(t, dark, "cert", "revoke", "app", "--yes", file).says(t, "write-trust/etcd-1", "write-trust/etcd-2",
		"run clusterup apply")
	s.received(t, "the revoked pair", app, seen, 2379, hangUp)
	s.received(t, "another pair", web, seen, 2379, welcome)
	s.credentials(t, "late", file)

	s.still(t, func() {
		for _, wanted := range []struct {
			change func(*inventory)
			args   []string
			waits  []string
		}{
			{
				etcdBlock(`flags = { "max-request-bytes" = "2097152" }`), nil,
				[]string{"restarting etcd-…waits for etcd-3", " and etcd-"},
			},
			{
				etcdBlock(`heartbeat_interval = "200ms"` + "\n    " + `election_timeout = "2s"`), nil,
				[]string{"heartbeat_interval…election_timeout…waits for etcd-3"},
			},
			{nil, []string{"rotate", "ca", "--client"}, []string{"client CA…waits for etcd-3"}},
			{
				nil,
				[]string{"rotate", "ca", "--peer"},
				[]string{"peer CA, 1 → 2…phase trust…waits for etcd-3"},
			},
		} {
			other := inv
			if wanted.change != nil {
				wanted.change(&other)
			}
			args := wanted.args
			if args == nil {
				args = []string{"apply"}
			}
			s.dark(t, dark, append(args, "--yes", s.write(t, "other.hcl", other))...).says(t, wanted.waits...)
		}
	})
	next := inv
	s.dark(t, dark, "upgrade", "--to="+releaseNext, "--yes", s.write(t, "next.hcl", next)).says(t,
		"install-release/etcd-1",
		"etcd "+releaseNext+"…waits for etcd-3")
	s.restarted(t, before)

	s.heal(t, dark...)
	s.ok(t, "apply", "--yes", file).says(t, "write-trust/etcd-3", "restart-member/etcd-3").saysNot(t, "waits")
	s.received(t, "the revoked pair, everywhere", app, inv, 2379, hangUp)
	s.inSync(t, file, inv)
}

// savedDark runs a plan that was saved with a host dark only while that host is dark.
func savedDark(t *testing.T, s *site, inv inventory, file string) {
	dark, out := []string{"etcd-3"}, filepath.Join(s.dir, "dark.plan")
	s.cut(t, dark...)
	s.on(t, "etcd-1", faults["key readable by all"].harm)
	s.dark(t, dark, "plan", "--out="+out, file).says(t, "fix-modes")
	s.heal(t, dark...)
	s.still(t, func() {
		s.run(t, "apply", out).exits(t, 13).says(t, "saved while etcd-3")
	})
	s.cut(t, dark...)
	s.dark(t, dark, "apply", out).says(t, "fix-modes/etcd-1", "1 step ")
	s.heal(t, dark...)
	s.ok(t, "apply", "--yes", file)
	s.inSync(t, file, inv)
}

// twoDark leaves a cluster without a majority of its hosts as it is. Steps that need no host go on.
func twoDark(t *testing.T, s *site, inv inventory, file string) {
	dark := []string{"etcd-2", "etcd-3"}
	web := s.credentials(t, "web", file)
	s.cut(t, dark...)
	s.on(t, "etcd-1", faults["key readable by all"].harm)
	etcdBlock(`flags = { "max-request-bytes" = "2097152" }`)(&inv)
	file = s.write(t, "prod.hcl", inv)
	const waits = "waits for etcd-2 and etcd-3"
	s.still(t, func() {
		s.dark(t, dark, "plan", "--exit-code", file).says(t, waits)
		s.dark(t, dark, "apply", "--yes", file).says(t, waits)
		s.dark(t, dark, "rotate", "certs", "--yes", file).says(t, waits)
		s.dark(t, dark, "cert", "revoke", "web", "--yes", file).says(t, "revoke-client", "list-revoked", waits)
		s.credentials(t, "late", file)
	})
	s.ok(t, "cert", "list", file).says(t, "revoked")
	s.heal(t, dark...)
	s.ok(t, "apply", "--yes", file).says(t, "fix-modes/etcd-1", "write-trust/etcd-3", "restart-member/etcd-2")
	s.received(t, "the revoked pair", web, inv, 2379, hangUp)
	s.inSync(t, file, inv)
}

// destroyedDark ends a cluster without one of its hosts, by its name, and what is left there when that is back.
func destroyedDark(t *testing.T, s *site, file string) {
	dark := []string{"etcd-2"}
	s.cut(t, dark...)
	s.still(t, func() {
		s.dark(t, dark, "destroy", "--confirm=prod", file).says(t, "--accept=gone:etcd-2")
		s.dark(t, dark, "destroy", "--confirm=prod", "--accept=gone:etcd-1", file)
	})
	s.run(t, "destroy", "--confirm=prod", "--accept=gone:etcd-2", file).exits(t, 12).says(t,
		"stop-member/etcd-1", "stop-member/etcd-3", "etcd-2: …/var/lib/etcd-prod…[unreachable]")
	if pid := s.pids(t, "prod")["etcd-2"]; pid == "" || pid == "0" {
		t.Error("the member of the host that was left out does not run any more")
	}
	s.heal(t, dark...)
	s.ok(t, "destroy", "--confirm=prod", file).says(t, "stop-member/etcd-2")
	s.ok(t, "destroy", "--confirm=prod", file).saysNot(t, "stop-member", "remove-files")
	s.run(t, "plan", "--exit-code", file).exits(t, 3).says(t, "bootstrap")
}

// TestDarkFive changes a flag of five members while the host of one is cut off, and then those of two.
func TestDarkFive(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "dark-five", hosts(5)...)
	inv := s.inventory(t, "prod")
	s.ok(t, "apply", "--yes", s.write(t, "prod.hcl", inv))
	before := s.pids(t, inv.Cluster)

	etcdBlock(`flags = { "max-request-bytes" = "2097152" }`)(&inv)
	file := s.write(t, "prod.hcl", inv)
	(&stand{site: s, inv: inv}).lead(t, inv.Members[4])
	s.cut(t, "etcd-5") // so that there is an election now
	s.dark(t, []string{"etcd-5"}, "apply", "--yes", file).says(t,
		"restart-member/etcd-1", "restart-member/etcd-4")
	before = s.restarted(t, before, "etcd-1", "etcd-2", "etcd-3", "etcd-4")

	s.cut(t, "etcd-4")
	dark := []string{"etcd-4", "etcd-5"}
	etcdBlock(`flags = { "max-request-bytes" = "1048576" }`)(&inv)
	s.write(t, "prod.hcl", inv)
	s.on(t, "etcd-1", faults["key readable by all"].harm)
	s.dark(t, dark, "apply", "--yes", file).says(t,
		"fix-modes/etcd-1", "waits for etcd-4 and etcd-5").saysNot(t, "restart-member/", "--accept=downtime")
	before = s.restarted(t, before)

	s.heal(t, dark...)
	s.ok(t, "apply", "--yes", file)
	s.restarted(t, before, s.names()...)
	s.inSync(t, file, inv)
}
