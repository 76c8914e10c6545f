package snapshot

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
)

// versions are those that testdata has a snapshot of. Each was given 20 keys, of which one was deleted, one large
// value, and one more; up to revision 10 they were compacted.
var versions = []string{"3.5.35", "3.6.16", "3.7.3"}

func sample(t testing.TB, version string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "etcd-"+version+".db.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// resealed puts the right digest at the end of what was changed.
func resealed(data []byte) []byte {
	sum := sha256.Sum256(data[:len(data)-sha256.Size])
	return append(slices.Clip(data[:len(data)-sha256.Size]), sum[:]...)
}

func put(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "prod.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// described puts a description of data beside path.
func described(t *testing.T, path string, data []byte) facts.SavedSnapshot {
	t.Helper()
	sum := sha256.Sum256(data)
	d := facts.SavedSnapshot{
		Path: path, Cluster: "prod", ClusterID: 7, Version: "3.6.16", Revision: 24, Size: int64(len(data)),
		SHA256: hex.EncodeToString(sum[:]), Taken: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
	}
	if err := Describe(d); err != nil {
		t.Fatal(err)
	}
	return d
}

func never(io.ReaderAt, int64) (io.ReaderAt, int64, error) { panic("nothing is sealed") }

// A snapshot that etcd itself wrote is whole, and says what it holds.
func TestCheck(t *testing.T) {
	for _, version := range versions {
		data := sample(t, version)
		path := put(t, data)
		c, err := Check(path, never)
		if err != nil {
			t.Fatalf("%s: %v", version, err)
		}
		minor := version[:3]
		if c.Revision != 24 || c.Compacted != 10 || c.Version != minor+".0" || c.Auth || c.Etcd() != minor ||
			len(c.Members) != 1 || c.Members[0].Name != "etcd-1" || c.Described != nil || c.Size != int64(len(data)) {
			t.Errorf("%s: %+v", version, c)
		}
		d := described(t, path, data)
		if c, err = Check(path, never); err != nil || c.Described.SHA256 != d.SHA256 || c.Etcd() != "3.6.16" {
			t.Errorf("%s, described: %+v, %v", version, c, err)
		}
	}
}

// Each way to be no snapshot has its own error and words.
func TestCheckDamaged(t *testing.T) {
	whole := sample(t, "3.6.16")
	body := len(whole) - sha256.Size
	other := resealed(flipped(whole, body-1))
	bolt := func(change func([]byte)) []byte {
		data := bytes.Clone(whole)
		change(data)
		return resealed(data)
	}
	for name, test := range map[string]struct {
		data []byte
		is   error
		says string
	}{
		"empty":                 {nil, ErrCut, "0 bytes"},
		"cut within a page":     {whole[:12000], ErrCut, "which is not a database and a digest"},
		"cut at a page":         {whole[:8192], ErrCut, "no digest at their end"},
		"cut by a byte":         {whole[:len(whole)-1], ErrCut, "which is not a database"},
		"cut, with 32 to spare": {whole[:8192+sha256.Size], ErrAltered, "do not fit the digest"},
		"a bit in a value":      {flipped(whole, 9000), ErrAltered, "do not fit the digest"},
		"a bit in the digest":   {flipped(whole, len(whole)-1), ErrAltered, "do not fit the digest"},
		"a bit in the first page": {
			flipped(whole, pageHead), ErrForeign, "does not begin as a database",
		},
		"a text": {[]byte(strings.Repeat("hello ", 10_000)), ErrForeign, "does not begin as a database"},
		"another bolt": {bolt(func(d []byte) {
			copy(d, bytes.ReplaceAll(d, []byte("members"), []byte("MEMBERS")))
		}), ErrForeign, "without etcd's members"},
		"pages of nothing": {bolt(func(d []byte) { clear(d[8192:body]) }), ErrAltered, "makes no sense"},
		"no sound head":    {bolt(func(d []byte) { clear(d[pageHead+8 : 8192]) }), ErrForeign, "no page in it says"},
	} {
		path := put(t, test.data)
		_, err := Check(path, never)
		if !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, test := range map[string]struct {
		data []byte
		is   error
		says string
	}{
		"cut at a page, described": {whole[:8192+sha256.Size], ErrCut, "of its "},
		"another, described":       {other, ErrMismatched, "was described"},
	} {
		path := put(t, test.data)
		described(t, path, whole)
		if _, err := Check(path, never); !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Check(t.TempDir(), never); !errors.Is(err, ErrForeign) {
		t.Errorf("a directory: %v", err)
	}
	if _, err := Check(filepath.Join(t.TempDir(), "none"), never); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
}

func flipped(data []byte, at int) []byte {
	data = bytes.Clone(data)
	data[at] ^= 1
	return data
}

// A description that is none is a reason to ask, and not to go on without it.
func TestCheckBadDescription(t *testing.T) {
	path := put(t, sample(t, "3.6.16"))
	if err := os.WriteFile(path+".json", []byte(`{"path":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Check(path, never); !errors.Is(err, ErrMismatched) || !strings.Contains(err.Error(), path+".json") {
		t.Errorf("got %v", err)
	}
}

// Clusterup once wrote X.json for X.db, and noting something goes on there.
func TestDescriptionOfBefore(t *testing.T) {
	data := sample(t, "3.6.16")
	path := put(t, data)
	d := described(t, path, data)
	before := strings.TrimSuffix(path, ".db") + ".json"
	if err := os.Rename(path+".json", before); err != nil {
		t.Fatal(err)
	}
	got, err := Described(path)
	if err != nil || got == nil || got.Path != path || got.SHA256 != d.SHA256 {
		t.Fatalf("got %+v, %v", got, err)
	}
	got.Drilled = got.Taken
	if err := Describe(*got); err != nil {
		t.Fatal(err)
	}
	if again, err := ReadDescription(before); err != nil || again.Drilled.IsZero() {
		t.Errorf("got %+v, %v", again, err)
	}
	if _, err := os.Stat(path + ".json"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a second description: %v", err)
	}
}

func TestFits(t *testing.T) {
	bare := Checked{Contents: Contents{Version: "3.6.0", Members: []facts.Listed{{Name: "etcd-1"}}}}
	of := func(cluster, version string) Checked {
		c := bare
		c.Described = &facts.SavedSnapshot{Cluster: cluster, Version: version}
		return c
	}
	for name, test := range map[string]struct {
		c       Checked
		members string
		is      error
	}{
		"the same":                  {of("prod", "3.6.1"), "etcd-1", nil},
		"other members of the same": {of("prod", "3.6.1"), "a b", nil},
		"another":                   {of("test", "3.6.1"), "etcd-1", ErrOther},
		"an older minor":            {of("prod", "3.5.35"), "etcd-1", ErrMinor},
		"a newer minor":             {of("prod", "3.7.3"), "etcd-1", ErrMinor},
		"not described":             {bare, "etcd-1 etcd-2", nil},
		"not described, another":    {bare, "a b", ErrOther},
		"not described, older minor": {
			Checked{Contents: Contents{Version: "3.5.0", Members: bare.Members}}, "etcd-1", ErrMinor,
		},
		"described by a version of before, another": {of("", "3.6.1"), "a b", ErrOther},
		"described without its version":             {of("prod", ""), "etcd-1", nil},
	} {
		if err := test.c.Fits("prod", strings.Fields(test.members), "3.6.16"); !errors.Is(err, test.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// No damage whatever makes the reader panic, or read on for ever.
func FuzzContents(f *testing.F) {
	whole := sample(f, "3.6.16")
	f.Add(uint16(pageHead), []byte{1}, uint16(8192), []byte{2, 0, 255, 255})
	f.Fuzz(func(_ *testing.T, at uint16, patch []byte, also uint16, more []byte) {
		data := bytes.Clone(whole)
		copy(data[min(int(at), len(data)):], patch)
		copy(data[min(int(also), len(data)):], more)
		_, _ = readContents(bytes.NewReader(data), int64(len(data)))
	})
}

// A store of which everything was compacted away has come as far as that, as a member finds when it starts.
func TestRevisionOfTheCompacted(t *testing.T) {
	name := []byte("scheduledCompactRev")
	data := sample(t, "3.6.16")
	for at := 0; ; {
		next := bytes.Index(data[at:], name)
		if next < 0 {
			break
		}
		at += next + len(name)
		copy(data[at:], []byte{0, 0, 0, 0, 0, 0, 0, 30})
	}
	c, err := Check(put(t, resealed(data)), never)
	if err != nil || c.Revision != 30 || c.Compacted != 30 {
		t.Errorf("%+v, %v", c, err)
	}
}
