package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/clusterup/clusterup/durable"
	"github.com/clusterup/clusterup/facts"
)

// inverted stands for sealing: each byte is turned round, behind a head as age writes it.
type inverted struct{ w io.Writer }

func (i inverted) Write(p []byte) (int, error) { return i.w.Write(turned(p)) }
func (i inverted) Close() error                { _, err := i.w.Write([]byte("end")); return err }

func turned(p []byte) []byte {
	out := make([]byte, len(p))
	for i := range p {
		out[i] = ^p[i]
	}
	return out
}

func invert(w io.Writer) (io.WriteCloser, error) {
	_, err := io.WriteString(w, sealedHead)
	return inverted{w}, err
}

func unseal(at io.ReaderAt, size int64) (io.ReaderAt, int64, error) {
	raw := make([]byte, size)
	if _, err := at.ReadAt(raw, 0); err != nil {
		return nil, 0, err
	}
	plain := turned(raw[len(sealedHead) : len(raw)-len("end")])
	return bytes.NewReader(plain), int64(len(plain)), nil
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

// filling is a Fill of data, which first looks at the file as it lies.
func filling(t *testing.T, dir string, data []byte) Fill {
	t.Helper()
	return func(w io.Writer) (facts.SavedSnapshot, error) {
		if got := names(t, dir); got != ".prod.db.snapshot-part" {
			t.Errorf("meanwhile there are %s", got)
		}
		if info, err := os.Stat(filepath.Join(dir, ".prod.db.snapshot-part")); err != nil || info.Mode() != 0o600 {
			t.Errorf("meanwhile: %v, %v", info, err)
		}
		sum := sha256.Sum256(data)
		_, err := w.Write(data)
		return facts.SavedSnapshot{
			Cluster: "prod", Version: "3.6.16", Revision: 24, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:]),
		}, err
	}
}

func TestSave(t *testing.T) {
	data := sample(t, "3.6.16")
	for name, seal := range map[string]Seal{"plain": nil, "sealed": invert} {
		dir := t.TempDir()
		path := filepath.Join(dir, "prod.db")
		d, err := Save(path, seal, filling(t, dir, data))
		if err != nil || d.Path != path || (d.FileSHA256 != "") != (seal != nil) {
			t.Fatalf("%s: %+v, %v", name, d, err)
		}
		if got := names(t, dir); got != "prod.db prod.db.json" {
			t.Errorf("%s: there are %s", name, got)
		}
		c, err := Check(path, unseal)
		if err != nil || c.Revision != 24 || c.Sealed != (seal != nil) || c.SHA256 != d.SHA256 {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
		raw, err := os.ReadFile(path)
		if err != nil || bytes.Contains(raw, []byte("value-7")) == (seal != nil) {
			t.Errorf("%s: the file holds values, or not: %v", name, err)
		}
		_, err = Save(path, seal, filling(t, dir, data))
		if err == nil || !strings.Contains(err.Error(), "is there already") {
			t.Errorf("%s, over another: %v", name, err)
		}
	}
}

// A sealed file is held against its own digest first, which needs no key.
func TestSealedDamaged(t *testing.T) {
	data := sample(t, "3.6.16")
	for name, test := range map[string]struct {
		damage func([]byte) []byte
		is     error
	}{
		"cut":     {func(raw []byte) []byte { return raw[:len(raw)/2] }, ErrCut},
		"altered": {func(raw []byte) []byte { return flipped(raw, len(raw)/2) }, ErrAltered},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "prod.db")
		if _, err := Save(path, invert, filling(t, dir, data)); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, test.damage(raw), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Check(path, never); !errors.Is(err, test.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "prod.db")
	if _, err := Save(path, invert, filling(t, dir, data)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path + ".json"); err != nil {
		t.Fatal(err)
	}
	broken := func(io.ReaderAt, int64) (io.ReaderAt, int64, error) {
		return failing{}, int64(len(data)), nil
	}
	if _, err := Check(path, broken); !errors.Is(err, ErrAltered) {
		t.Errorf("its seal does not hold: %v", err)
	}
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) {
	return 0, errors.New("chunk does not authenticate")
}

// Nothing is left of a snapshot that did not come whole, and another's is left alone.
func TestSaveFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "prod.db")
	_, err := Save(path, nil, func(w io.Writer) (facts.SavedSnapshot, error) {
		_, _ = w.Write(make([]byte, 2*maxRead))
		return facts.SavedSnapshot{}, syscall.ENOSPC
	})
	if got := names(t, dir); !errors.Is(err, syscall.ENOSPC) || got != "" {
		t.Errorf("%v; there are %q", err, got)
	}
	killed := filepath.Join(dir, ".old.db"+partSuffix)
	if err := os.WriteFile(killed, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	running, err := durable.Create(filepath.Join(dir, ".other.db"+partSuffix))
	if err != nil {
		t.Fatal(err)
	}
	defer running.Unlock()
	data := sample(t, "3.6.16")
	_, err = Save(path, nil, func(w io.Writer) (facts.SavedSnapshot, error) {
		_, err := w.Write(data)
		return facts.SavedSnapshot{SHA256: strings.Repeat("0", 64)}, err
	})
	if got := names(t, dir); err != nil || got != ".other.db"+partSuffix+" prod.db prod.db.json" {
		t.Errorf("%v; there are %q", err, got)
	}
}

// Two runs that write one name do not mix.
func TestSaveTwice(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "prod.db")
	_, err := Save(path, nil, func(w io.Writer) (facts.SavedSnapshot, error) {
		_, err := Save(path, nil, func(io.Writer) (facts.SavedSnapshot, error) { panic("it must not come to this") })
		if err == nil || !strings.Contains(err.Error(), "another run is writing") {
			t.Errorf("the second: %v", err)
		}
		_, err = w.Write([]byte("first"))
		return facts.SavedSnapshot{SHA256: strings.Repeat("0", 64)}, err
	})
	if got := names(t, dir); err != nil || got != "prod.db prod.db.json" {
		t.Errorf("%v; there are %q", err, got)
	}
}

// A file that is no description is not taken for one, and stays.
func TestSaveKeepsOthers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "prod.db")
	if err := os.WriteFile(path+".json", []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Save(path, nil, filling(t, dir, sample(t, "3.6.16")))
	if err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("saved beside another's file: %v", err)
	}
	if raw, err := os.ReadFile(path + ".json"); err != nil || string(raw) != "{}" {
		t.Errorf("it is %q now, %v", raw, err)
	}
}
