package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// holds makes sure that a directory has these files and no others, and returns what the first one holds.
func holds(t *testing.T, dir string, names ...string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		found = append(found, e.Name())
	}
	if !slices.Equal(found, names) {
		t.Errorf("there are %q, want %q", found, names)
	}
	if len(names) == 0 {
		return ""
	}
	raw, err := os.ReadFile(filepath.Join(dir, names[0]))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestWrite(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077))
	for name, write := range map[string]func(string, []byte, fs.FileMode) error{"any": Write, "alone": WriteAlone} {
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		for _, mode := range []fs.FileMode{0o600, 0o644} {
			text := fmt.Sprint(mode)
			if err := write(path, []byte(text), mode); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if got := holds(t, dir, "file"); err != nil || got != text || info.Mode() != mode {
				t.Errorf("%s: %q, %v, %v", name, got, info.Mode(), err)
			}
		}
		if err := write(filepath.Join(dir, "no", "file"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: into a directory that is not there: %v", name, err)
		}
		if err := os.Mkdir(filepath.Join(dir, "other"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := write(filepath.Join(dir, "other"), nil, 0o600); err == nil {
			t.Errorf("%s: over a directory", name)
		}
		holds(t, dir, "file", "other")
	}
}

func TestReplaceIsWholeOrNot(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	full := errors.New("no space left")
	err := Replace(path, func(f *os.File) error {
		if info, err := f.Stat(); err != nil || info.Mode() != 0o600 {
			t.Errorf("before its first byte: %v, %v", info.Mode(), err)
		}
		if _, err := f.WriteString("ne"); err != nil {
			t.Error(err)
		}
		return full
	})
	if got := holds(t, dir, "file"); got != "old" || !errors.Is(err, full) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestWriteSideBySide(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := Write(path, []byte(strings.Repeat(string(rune('a'+i)), 10_000)), 0o600); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := holds(t, dir, "file"); got != strings.Repeat(got[:1], 10_000) {
		t.Errorf("mixed: %.40q", got)
	}
}

// A file left by a run that was killed while it wrote a key does not stay.
func TestWriteAloneAfterBeingKilled(t *testing.T) {
	for name, do := range map[string]func(string) error{
		"write":  func(path string) error { return WriteAlone(path, []byte("new"), 0o600) },
		"remove": Remove,
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path+".new", []byte("ke"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := do(path); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == "remove" {
			holds(t, dir)
		} else if got := holds(t, dir, "file"); got != "new" {
			t.Errorf("%q", got)
		}
	}
}

func TestRename(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	if err := os.WriteFile(from, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Rename(from, to); err != nil || holds(t, dir, "to") != "x" {
		t.Error(err)
	}
	if err := Rename(from, to); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a second time: %v", err)
	}
}

func TestAppend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := Append(path, "first"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("first\nopen"), 0o600); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := Append(path, "line"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	raw, err := os.ReadFile(path)
	if want := "first\nopen\n" + strings.Repeat("line\n", 20); err != nil || string(raw) != want {
		t.Errorf("%q, %v", raw, err)
	}
}
