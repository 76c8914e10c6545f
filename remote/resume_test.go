package remote

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPutResumes(t *testing.T) {
	for _, lane := range lanes {
		t.Run(lane.name, func(t *testing.T) {
			s, h, _ := putHost(t, lane.sudo, lane.sftp, lane.set)
			dir := t.TempDir()
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			f := bytesFile(filepath.Join(dir, "etcd"), 0o755, randomBytes(17<<20))
			s.mu.Lock()
			s.received, s.cutAfter = 0, 13<<20
			s.mu.Unlock()
			_, err := h.Put(t.Context(), []File{f, bytesFile(filepath.Join(dir, "small"), 0o600, []byte("x"))}, nil)
			if !errors.Is(err, ErrLost) {
				t.Fatalf("cut in the middle: %v, want %v", err, ErrLost)
			}
			part := f.Path + "." + f.SHA256[:8] + ".part"
			eventually(t, "the host cleans up but keeps the part", func() bool {
				found, _ := filepath.Glob(dir + "/*")
				return len(found) == 1 && found[0] == part
			})
			if info, err := os.Stat(part); err != nil || info.Mode() != 0o600 {
				t.Fatalf("the part: %v, %v", info.Mode(), err)
			}
			eventually(t, "sessions of the cut connection are over", func() bool { return s.open.Load() == 0 })
			s.input()
			if _, err := h.Put(t.Context(), []File{f}, nil); err != nil {
				t.Fatal(err)
			}
			matches(t, f)
			onlyThese(t, dir, []string{f.Path})
			if n := s.input(); n > 10<<20 {
				t.Errorf("%d MiB were sent again of %d", n>>20, f.Size>>20)
			}
		})
	}
}

// othersDir is the case in which the guessable name must not be touched at all.
const othersDir = "directory of others"

func TestPutDoesNotTrustWhatItFinds(t *testing.T) {
	content := randomBytes(9 << 20)
	tests := []struct {
		name  string
		plant func(t *testing.T, part, dir string)
	}{
		{"hole in the middle", func(t *testing.T, part, _ string) {
			holed := bytes.Clone(content)
			clear(holed[5<<20 : 6<<20])
			put(t, part, holed, 0o600)
		}},
		{"longer", func(t *testing.T, part, _ string) { put(t, part, append(bytes.Clone(content), 'x'), 0o600) }},
		{"readable by others", func(t *testing.T, part, _ string) { put(t, part, content, 0o644) }},
		{"symlink", func(t *testing.T, part, dir string) {
			put(t, filepath.Join(dir, "victim"), []byte("precious"), 0o600)
			if err := os.Symlink("victim", part); err != nil {
				t.Fatal(err)
			}
		}},
		{"hard link", func(t *testing.T, part, dir string) {
			put(t, filepath.Join(dir, "victim"), []byte("precious"), 0o600)
			if err := os.Link(filepath.Join(dir, "victim"), part); err != nil {
				t.Fatal(err)
			}
		}},
		{othersDir, func(t *testing.T, part, dir string) {
			put(t, part, []byte("bait"), 0o600)
			if err := os.Chmod(dir, 0o777); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, test := range tests {
		for _, withSFTP := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/sftp=%t", test.name, withSFTP), func(t *testing.T) {
				_, h, _ := putHost(t, false, withSFTP, nil)
				dir := t.TempDir()
				f := bytesFile(filepath.Join(dir, "etcd"), 0o755, content)
				part := f.Path + "." + f.SHA256[:8] + ".part"
				test.plant(t, part, dir)
				if _, err := h.Put(t.Context(), []File{f}, nil); err != nil {
					t.Fatal(err)
				}
				matches(t, f)
				if victim, err := os.ReadFile(filepath.Join(dir, "victim")); err == nil && string(victim) != "precious" {
					t.Error("wrote through the planted link")
				}
				bait, err := os.ReadFile(part)
				if (err == nil) != (test.name == othersDir) || err == nil && string(bait) != "bait" {
					t.Errorf("the part is now %.20q, %v", bait, err)
				}
			})
		}
	}
}

// Even who guesses the name of a temporary file gets nothing written through it.
func TestPutMakesItsTemporaryFiles(t *testing.T) {
	_, h, _ := putHost(t, false, false, nil)
	h.dialer.Rand = zeros{}
	dir := t.TempDir()
	f := bytesFile(filepath.Join(dir, "key"), 0o600, []byte("secret"))
	put(t, filepath.Join(dir, "victim"), []byte("precious"), 0o644)
	if err := os.Symlink("victim", f.Path+"."+strings.Repeat("0", 24)+".tmp"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Put(t.Context(), []File{f}, nil); !errors.Is(err, ErrFile) {
		t.Errorf("got %v", err)
	}
	if victim, err := os.ReadFile(filepath.Join(dir, "victim")); err != nil || string(victim) != "precious" {
		t.Errorf("the victim now holds %q, %v", victim, err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
