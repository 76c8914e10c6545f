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
	"testing"
	"testing/iotest"

	"github.com/clusterup/clusterup/facts"
)

// elsewhere is the description of data as it lies on a server, sealed or not.
func elsewhere(data, file []byte) *facts.SavedSnapshot {
	digest := func(b []byte) string {
		sum := sha256.Sum256(b)
		return hex.EncodeToString(sum[:])
	}
	d := facts.SavedSnapshot{
		Path: "/srv/backups/old.db", Cluster: "prod", Version: "3.6.16", Size: int64(len(data)), SHA256: digest(data),
	}
	if !bytes.Equal(data, file) {
		d.SealedTo, d.FileSize, d.FileSHA256 = []string{"age1"}, int64(len(file)), digest(file)
	}
	return &d
}

func sealedSample(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := invert(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A file is kept as it came, its owner's alone, with what is known of it.
func TestKeep(t *testing.T) {
	data := sample(t, "3.6.16")
	sealed := sealedSample(t, data)
	for name, test := range map[string]struct {
		file      []byte
		described *facts.SavedSnapshot
		want      string
	}{
		"plain":                 {data, elsewhere(data, data), "prod.db prod.db.json"},
		"sealed":                {sealed, elsewhere(data, sealed), "prod.db prod.db.json"},
		"of etcdctl":            {data, nil, "prod.db"},
		"sealed, not described": {sealed, nil, "prod.db"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "prod.db")
			for range 2 { // the second one finds it there
				kept, err := Keep(path, test.described, bytes.NewReader(test.file))
				if err != nil || kept != path || names(t, dir) != test.want {
					t.Fatalf("%q, %v: there are %s", kept, err, names(t, dir))
				}
			}
			raw, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(raw, test.file) {
				t.Errorf("other bytes: %v", err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
				t.Errorf("%v, %v", info, err)
			}
			c, err := Check(path, unseal)
			if err != nil || (c.Described != nil) != (test.described != nil) || c.Described != nil && c.Described.Path != path {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
}

// Nothing is kept that is not whole, and nothing stays of it.
func TestKeepRefuses(t *testing.T) {
	data := sample(t, "3.6.16")
	sealed := sealedSample(t, data)
	lost := errors.New("connection lost")
	for name, test := range map[string]struct {
		body      io.Reader
		described *facts.SavedSnapshot
		is        error
	}{
		"cut":            {bytes.NewReader(data[:len(data)/2]), nil, ErrCut},
		"cut, described": {bytes.NewReader(data[:len(data)/2+7]), elsewhere(data, data), ErrCut},
		"altered":        {bytes.NewReader(flipped(data, len(data)/2)), nil, ErrAltered},
		"foreign":        {strings.NewReader(strings.Repeat("hello ", 1000)), nil, ErrForeign},
		"another one":    {bytes.NewReader(sample(t, "3.5.35")), elsewhere(data, data), ErrMismatched},
		"sealed, cut":    {bytes.NewReader(sealed[:len(sealed)/2]), elsewhere(data, sealed), ErrCut},
		"sealed, altered": {
			bytes.NewReader(flipped(sealed, len(sealed)/2)), elsewhere(data, sealed), ErrAltered,
		},
		"lost": {io.MultiReader(bytes.NewReader(data[:1000]), iotest.ErrReader(lost)), nil, lost},
	} {
		dir := t.TempDir()
		kept, err := Keep(filepath.Join(dir, "prod.db"), test.described, test.body)
		if !errors.Is(err, test.is) || kept != "" || names(t, dir) != "" {
			t.Errorf("%s: %q, %v; there are %s", name, kept, err, names(t, dir))
		}
	}
}

// Another snapshot of the same name stays as it is, and so does whatever else has a name that is needed.
func TestKeepBesideAnother(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "prod.db.age")
	older, newer := sample(t, "3.5.35"), sample(t, "3.6.16")
	if _, err := Keep(path, nil, bytes.NewReader(older)); err != nil {
		t.Fatal(err)
	}
	d := elsewhere(newer, newer)
	digested := filepath.Join(dir, "prod-"+d.SHA256[:8]+".db.age")
	for range 2 {
		if kept, err := Keep(path, d, bytes.NewReader(newer)); err != nil || kept != digested {
			t.Fatalf("%s, %v", kept, err)
		}
	}
	if got, ok := Find(path, d.SHA256); !ok || got != digested {
		t.Errorf("found %s, %v", got, ok)
	}
	if raw, err := os.ReadFile(path); err != nil || !bytes.Equal(raw, older) {
		t.Errorf("the other one: %v", err)
	}
	if err := os.WriteFile(digested, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, ok := Find(path, d.SHA256); ok {
		t.Errorf("found %s, which is damaged", got)
	}
	if kept, err := Keep(path, d, bytes.NewReader(newer)); err == nil || !strings.Contains(err.Error(), "move them away") {
		t.Errorf("%s, %v", kept, err)
	}
}

// The description of a snapshot that was moved away does not become that of another one, which has none.
func TestKeepBesideADescription(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "prod.db")
	older, newer := sample(t, "3.5.35"), sample(t, "3.6.16")
	if _, err := Keep(path, elsewhere(older, older), bytes.NewReader(older)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{newer, older} {
		kept, err := Keep(path, nil, bytes.NewReader(data))
		if err != nil || (kept == path) != bytes.Equal(data, older) {
			t.Fatalf("%s, %v", kept, err)
		}
		if _, err := Check(kept, unseal); err != nil {
			t.Errorf("%s: %v", kept, err)
		}
	}
}

// A description's digest becomes no path.
func TestFindStaysInside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "prod.db")
	for _, sum := range []string{"", "../../../../../../etc/passwd", "/../x", strings.Repeat("../", 21) + "x"} {
		if all := places(path, sum); len(all) != 1 || all[0] != path {
			t.Errorf("%q leads to %q", sum, all)
		}
		if got, ok := Find(path, sum); ok {
			t.Errorf("%q: found %s", sum, got)
		}
	}
}
