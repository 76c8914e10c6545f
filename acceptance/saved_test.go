package acceptance

import (
	"os"
	"testing"
)

// savedPlan proves that a saved plan is run as it was shown, or not at all.
func savedPlan(t *testing.T, s *site, file string, inv inventory) {
	out := s.dir + "/saved.plan"
	s.on(t, "etcd-3", faults["unit edited by hand"].harm)
	s.ok(t, "plan", "--out="+out, file).says(t, "write-unit")
	if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the saved plan: %v, %v", info, err)
	}

	s.on(t, "etcd-1", faults["unit edited by hand"].harm)
	s.untouched(t, inv.Cluster, func() {
		s.run(t, "apply", out).exits(t, 13).says(t, "has moved")
	})

	s.ok(t, "plan", "--out="+out, file)
	s.ok(t, "apply", out).says(t, "write-unit/etcd-1", "write-unit/etcd-3") // whoever saved it has seen it
	s.run(t, "apply", out).exits(t, 13)                                     // a second time it is a plan for another world
	s.inSync(t, file, inv)

	if s.run(t, "plan", "--out="+file, file).code == 0 {
		t.Error("a plan was saved over an inventory")
	}
}
