package balancer

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// TestSystemdAgrees asks the systemd of this machine what it thinks of the units.
func TestSystemdAgrees(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	for name, n := range nodes {
		t.Run(name, func(t *testing.T) {
			unit := filepath.Join(t.TempDir(), filepath.Base(Unit(n).Path))
			// verify wants it to exist
			real := regexp.MustCompile(`(?m)^ExecStart=\S+`).ReplaceAll(Unit(n).Data, []byte("ExecStart=/bin/true"))
			if err := os.WriteFile(unit, real, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", unit).CombinedOutput(); err != nil ||
				len(out) > 0 {
				t.Errorf("verify: %v\n%s", err, out)
			}
			out, err := exec.CommandContext(t.Context(), analyze, "security", "--no-pager", "--offline=yes",
				unit).CombinedOutput()
			level := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindSubmatch(out)
			if level == nil {
				t.Fatalf("security: %v\n%s", err, out)
			}
			if exposure, err := strconv.ParseFloat(string(level[1]), 64); err != nil || exposure > 2.0 {
				t.Errorf("exposure is %s, more than 2.0\n%s", level[1], out)
			}
		})
	}
}
