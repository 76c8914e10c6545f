package operator

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/remote"
	"github.com/clusterup/clusterup/snapshot"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func snapshotSession(t *testing.T) *Session {
	t.Helper()
	s := &Session{
		Cluster: &inventory.Cluster{Name: "prod", Version: "3.6.16"}, dir: t.TempDir(), Now: func() time.Time { return noon },
		options: Options{Dialer: &remote.Dialer{Home: t.TempDir()}}, releases: map[string]*resolved{},
	}
	if err := os.MkdirAll(s.snapshotDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

// place puts a file of n bytes, and its description, among the snapshots. The file is no snapshot.
func place(t *testing.T, s *Session, name string, n int, taken time.Time) facts.SavedSnapshot {
	t.Helper()
	path := filepath.Join(s.snapshotDir(), name)
	data := make([]byte, n)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	d := facts.SavedSnapshot{
		Path: path, Cluster: "prod", ClusterID: 7, Version: "3.6.16", Taken: taken, Size: int64(n), SHA256: hex.EncodeToString(sum[:]),
	}
	if err := snapshot.Describe(d); err != nil {
		t.Fatal(err)
	}
	return d
}

// What lies there is listed by age, whatever it is called; what is cut short since is told without reading it.
func TestSnapshots(t *testing.T) {
	s := snapshotSession(t)
	if all, err := s.Snapshots(); err != nil || len(all) != 0 {
		t.Fatalf("%v, %v", all, err)
	}
	place(t, s, "a.db", 1024, noon)
	place(t, s, "b.db.age", 1024, noon.Add(-time.Hour))
	gone, cut := place(t, s, "gone.db", 1, noon), place(t, s, "cut.db", 1024, noon.Add(-2*time.Hour))
	if err := errors.Join(os.Remove(gone.Path), os.Truncate(cut.Path, 512),
		os.WriteFile(filepath.Join(s.snapshotDir(), "theirs.json"), []byte("[]"), 0o600)); err != nil {
		t.Fatal(err)
	}
	all, err := s.Snapshots()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range all {
		got = append(got, strings.TrimSuffix(d.File()+" "+d.Damage, " "))
	}
	if want := "cut.db cut short: 512 of its 1024 bytes, b.db.age, a.db"; strings.Join(got, ", ") != want {
		t.Errorf("%v, want %s", got, want)
	}
	if latest, err := s.Latest(); err != nil || filepath.Base(latest) != "a.db" {
		t.Errorf("the latest is %s, %v", latest, err)
	}
}

// The outcome of a check is noted, but for one that says nothing about the snapshot; and a saved plan still counts.
func TestNoteChecked(t *testing.T) {
	s := snapshotSession(t)
	d := place(t, s, "a.db", 1024, noon.Add(-time.Hour))
	noted := func() facts.SavedSnapshot {
		t.Helper()
		all, err := s.Snapshots()
		if err != nil || len(all) != 1 {
			t.Fatalf("%v, %v", all, err)
		}
		return all[0]
	}
	if _, err := s.CheckSnapshot(d.Path); !errors.Is(err, snapshot.ErrForeign) || noted().Damage == "" {
		t.Errorf("%v; %+v", err, noted())
	}
	c := snapshot.Checked{Path: d.Path, Described: &d}
	for _, unknown := range []error{pki.ErrSealed, ErrNoDrill, os.ErrNotExist} {
		s.noteChecked(c, unknown, true)
	}
	if d := noted(); d.Damage == "" || !d.Drilled.IsZero() {
		t.Errorf("after what says nothing: %+v", d)
	}
	s.noteChecked(c, nil, false)
	if d := noted(); d.Damage != "" || !d.Verified.Equal(noon) || !d.Drilled.IsZero() {
		t.Errorf("after a check: %+v", d)
	}
	s.noteChecked(c, nil, true)
	if d := noted(); !d.Drilled.Equal(noon) {
		t.Errorf("after a drill: %+v", d)
	}
	s.noteChecked(c, snapshot.ErrMismatched, true)
	if d := noted(); d.Damage == "" {
		t.Errorf("after a drill that found something: %+v", d)
	}
	one, _ := factsDigest(facts.Snapshot{})
	other, _ := factsDigest(facts.Snapshot{Operator: facts.Operator{Snapshots: []facts.SavedSnapshot{d}}})
	if one != other {
		t.Error("a snapshot makes a saved plan stale")
	}
}

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

// What a drill that was killed has left goes with the next one; what one holds stays.
func TestScratch(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	s := snapshotSession(t)
	one, err := s.newScratch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	killed := filepath.Join(filepath.Dir(one.dir), "drill-1")
	if err := errors.Join(os.MkdirAll(filepath.Join(killed, "data"), 0o700), os.WriteFile(killed+".lock", nil, 0o600),
		os.WriteFile(one.path("plain"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
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
