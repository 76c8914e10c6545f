package operator

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/snapshot"
)

// Each way in which a restored member may differ from what was described has its words.
func TestCompare(t *testing.T) {
	keys := int64(5)
	described := func(change func(*facts.SavedSnapshot)) *facts.SavedSnapshot {
		d := facts.SavedSnapshot{Revision: 9, Keys: &keys, Hash: &facts.KeyHash{Sum: 1, Compacted: 2}}
		if change != nil {
			change(&d)
		}
		return &d
	}
	same := Drilled{Keys: 5, Hash: facts.KeyHash{Sum: 1, Compacted: 2}}
	for name, test := range map[string]struct {
		described *facts.SavedSnapshot
		found     Drilled
		is        error
		compared  string
		unmatched string
	}{
		"all":                 {described(nil), same, nil, "revision keys hash", ""},
		"nothing described":   {nil, same, nil, "", ""},
		"a key less":          {described(nil), Drilled{Keys: 4, Hash: same.Hash}, snapshot.ErrMismatched, "revision", ""},
		"another hash":        {described(nil), Drilled{Keys: 5, Hash: facts.KeyHash{Sum: 3, Compacted: 2}}, snapshot.ErrMismatched, "revision keys", ""},
		"compacted meanwhile": {described(nil), Drilled{Keys: 5, Hash: facts.KeyHash{Sum: 3, Compacted: 4}}, nil, "revision keys", "was dropped"},
		"no hash": {
			described(func(d *facts.SavedSnapshot) { d.Hash = nil }), same, nil, "revision keys", "none was noted",
		},
		"of a version of before": {
			described(func(d *facts.SavedSnapshot) { d.Hash, d.Keys = nil, nil }), same, nil, "revision", "none was noted",
		},
	} {
		d := &drill{snapshot: snapshot.Checked{Described: test.described}}
		found := test.found
		err := d.compare(&found)
		if !errors.Is(err, test.is) || strings.Join(found.Compared, " ") != test.compared ||
			!strings.Contains(found.Unmatched, test.unmatched) || (found.Unmatched == "") != (test.unmatched == "") {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
	}
}

// besideKilled gives a drill a file, and the folder of one that was killed beside it.
func besideKilled(t *testing.T, one *scratch) (killed string) {
	t.Helper()
	killed = filepath.Join(filepath.Dir(one.dir), "drill-1")
	if err := errors.Join(os.MkdirAll(filepath.Join(killed, "data"), 0o700), os.WriteFile(killed+".lock", nil, 0o600),
		os.WriteFile(one.path("plain"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	return killed
}

// The next session of any kind removes what a drill has left whose guard was killed as well.
func TestSweptDrills(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	s := snapshotSession(t)
	one, err := s.newScratch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	killed := besideKilled(t, one)
	next, err := Open(s.Cluster, s.options)
	if err != nil {
		t.Fatal(err)
	}
	next.Close()
	if _, err := os.Stat(killed); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is left: %v", err)
	}
	if _, err := os.Stat(one.path("plain")); err != nil {
		t.Errorf("one that goes on was taken: %v", err)
	}
	if err := one.end(); err != nil {
		t.Error(err)
	}
}

// The next drill removes what one that was killed has left, and nothing that another one holds.
func TestScratch(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	s := snapshotSession(t)
	one, err := s.newScratch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	besideKilled(t, one)
	other, err := s.newScratch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(one.path("plain")); err != nil {
		t.Errorf("one that goes on was taken: %v", err)
	}
	if info, err := os.Stat(other.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if err := errors.Join(one.end(), other.end()); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(filepath.Dir(one.dir))
	if err != nil || len(left) != 1 || left[0].Name() != "lock" {
		t.Errorf("left: %v, %v", left, err)
	}
}
