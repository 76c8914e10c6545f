package acceptance

import (
	"path/filepath"
	"testing"
)

// realHost has the command's own tests hold a host of the lab to what package apply relies on, as root and as a user
// that may sudo.
func realHost(t *testing.T, s *site, inv inventory) {
	tests := filepath.Join(t.TempDir(), "tests")
	must(t, goRun("test", "-c", "-o", tests, "./operator"))
	for _, user := range []string{"root", "ops"} {
		t.Run(user, func(t *testing.T) {
			inv.User = user
			file := s.write(t, "real-"+user+".hcl", inv)
			s.launch(t, "env", "CLUSTERUP_REAL_HOST="+file, tests, "-test.v", "-test.run=^TestRealHost$").wait(t).exits(t, 0).
				says(t, "--- PASS: TestRealHost").saysNot(t, "SKIP")
		})
	}
}
