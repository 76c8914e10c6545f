package durable

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Room is what df says is available, but for what others write meanwhile.
func TestRoom(t *testing.T) {
	dir := t.TempDir()
	got, err := Room(dir)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "df", "-Pk", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	available, err := strconv.ParseInt(strings.Fields(lines[len(lines)-1])[3], 10, 64)
	if off := got>>10 - available; err != nil || off < -(1<<20) || off > 1<<20 {
		t.Errorf("%d KiB, and df says %d: %v", got>>10, available, err)
	}
	if _, err := Room(filepath.Join(dir, "no")); err == nil {
		t.Error("of a directory that is not there")
	}
}
