package acceptance

import "testing"

// TestCluster is the life of one cluster: three Debian releases with their three versions of systemd, IPv6, and a user
// that may sudo.
func TestCluster(t *testing.T) {
	t.Parallel()
	s := newSite(t, "cluster", hosts(3, "bullseye", "bookworm", "trixie")...)
	inv := s.inventory(t, "prod")
	inv.User = "ops"
	for i, h := range s.lab.Hosts() {
		inv.Members[i].Address = h.IPv6.String()
	}
	file := s.write(t, "prod.hcl", inv)
	s.untouched(t, inv.Cluster, func() {
		s.run(t, "plan", "--exit-code", file).exits(t, 3)
		s.run(t, "check", file).exits(t, 3).says(t, "no cluster prod…[drift]", "1 finding")
	})

	watch := watchCommands(t)
	s.ok(t, "apply", "--yes", file)
	commands := watch.lines()
	s.inSync(t, file, inv)
	t.Run("clients", func(t *testing.T) { clients(t, s, inv) })
	t.Run("again", func(t *testing.T) { again(t, s, file, inv) })
	t.Run("systemd", func(t *testing.T) { systemd(t, s) })
	t.Run("saved plan", func(t *testing.T) { savedPlan(t, s, file, inv) })
	t.Run("hostile names", func(t *testing.T) { hostileNames(t, s, file, inv) })
	t.Run("check", func(t *testing.T) { check(t, s, file, inv) })
	t.Run("repair", func(t *testing.T) { repair(t, s, file, inv) })
	t.Run("next start", func(t *testing.T) { nextStart(t, s, file, inv) })
	t.Run("foreign unit", func(t *testing.T) { foreignUnit(t, s, inv) })
	t.Run("late", func(t *testing.T) { late(t, s, file, inv) })
	t.Run("certificates", func(t *testing.T) { certificates(t, s, file, inv) })
	t.Run("renewed", func(t *testing.T) { renewedThroughKills(t, s, inv) })
	t.Run("sealed", func(t *testing.T) { sealed(t, s, inv) })
	t.Run("guard", func(t *testing.T) { guard(t, s, file, inv) })
	t.Run("hygiene", func(t *testing.T) { hygiene(t, s, commands) })
}
