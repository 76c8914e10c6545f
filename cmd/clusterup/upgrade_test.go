package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const pinned = `# the only place
variable "version" { default = "3.6.16" } # keep this
cluster "prod" {
  version = var.version
  member "etcd-1" { address = "10.0.0.11" }
}
`

func TestVersionChange(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "real.hcl"), filepath.Join(dir, "prod.hcl")
	if err := os.WriteFile(file, []byte(pinned), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.hcl", link); err != nil {
		t.Fatal(err)
	}
	change, err := versionChange(link, "", "3.7.3")
	if err != nil {
		t.Fatal(err)
	}
	if is, _ := os.ReadFile(file); string(is) != pinned {
		t.Error("the file is changed before anybody has agreed")
	}
	if err := change.write(); err != nil {
		t.Fatal(err)
	}
	is, err := os.ReadFile(file)
	if want := strings.Replace(pinned, "3.6.16", "3.7.3", 1); err != nil || string(is) != want {
		t.Errorf("%v, %s", err, is)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := change.write(); err == nil || !strings.Contains(err.Error(), "meanwhile") {
		t.Errorf("a file that is not as it was: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestVersionChangeMistakes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "prod.hcl")
	for text, want := range map[string]string{
		pinned: "", strings.Replace(pinned, "var.version", `"3.${6}.16"`, 1): "not written plainly", "": "choose cluster",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := versionChange(file, "", "3.7.3")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := versionChange(file, "", "three"); err == nil {
		t.Error("a version of letters is taken")
	}
	if err := (*edit)(nil).write(); err != nil {
		t.Errorf("no change: %v", err)
	}
}

// fmt writes through a symlink, and leaves mode and owner as they are.
func TestFormatKeepsTheFile(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "real.hcl"), filepath.Join(dir, "prod.hcl")
	if err := os.WriteFile(file, []byte("cluster   \"prod\" {\n}\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	owner := uint32(os.Getuid())
	if owner == 0 {
		owner = 12345
		if err := os.Chown(file, int(owner), int(owner)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("real.hcl", link); err != nil {
		t.Fatal(err)
	}
	if changed, err := new(console).format(link, false); err != nil || !changed {
		t.Fatalf("changed: %t, %v", changed, err)
	}
	if is, err := os.ReadFile(file); err != nil || string(is) != "cluster \"prod\" {\n}\n" {
		t.Errorf("%q, %v", is, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info.Mode(), err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if is := info.Sys().(*syscall.Stat_t); info.Mode().Perm() != 0o640 || is.Uid != owner {
		t.Errorf("mode %v, owner %d, want %d", info.Mode(), is.Uid, owner)
	}
}
