package units

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	for name, c := range map[string]struct {
		born, wal bool
		dir       bool
		starts    bool
	}{
		"first start":         {dir: true, starts: true},
		"nothing at all":      {starts: true},
		"usual start":         {born: true, dir: true, wal: true, starts: true},
		"marker lost":         {dir: true, wal: true, starts: true},
		"data lost":           {born: true, dir: true},
		"data directory lost": {born: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), `a "b" $HOME *`)
			wal := filepath.Join(dir, "member", "wal")
			touch := func(want bool, path string) {
				if !want {
					return
				}
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			touch(c.born, filepath.Join(dir, "born.json"))
			touch(c.dir, filepath.Join(wal, "0.tmp"))
			touch(c.wal, filepath.Join(wal, "0000000000000000-0000000000000000.wal"))

			cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", guardScript, "guard", filepath.Join(dir, "born.json"), wal)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			err := cmd.Run()
			if starts := err == nil; starts != c.starts {
				t.Errorf("starts: %v (%v)", starts, err)
			}
			says := strings.Contains(stderr.String(), wal) && strings.Contains(stderr.String(), "do not start it empty")
			if says == c.starts {
				t.Errorf("it says: %q", stderr.String())
			}
		})
	}
}

// What the guard's unit line relies on: see guard.
func TestGuardScriptFitsAUnit(t *testing.T) {
	if strings.ContainsAny(guardScript, `\'#`) {
		t.Error("the script has a character that means something else in a unit")
	}
}

// The guard must look where etcd writes (etcd server/config/config.go, WALDir).
func TestWALDir(t *testing.T) {
	for want, m := range map[string]Member{
		"/var/lib/etcd-prod/member/wal": prod("3.6.16"),
		"/fast/etcd/six/wal":            ipv6(),
	} {
		if got := m.walDir(); got != want {
			t.Errorf("walDir is %s, want %s", got, want)
		}
		if !strings.Contains(string(Unit(m).Data), " "+want+"\nExecStart=") {
			t.Errorf("the unit's guard does not look in %s", want)
		}
	}
}
