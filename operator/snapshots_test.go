package operator

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
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

// Snapshots are listed by age, whatever they are called; one that was cut short since is told without reading it.
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

// Members of a cluster that is gone by are no sources, however many they are and however far they have come.
func TestSources(t *testing.T) {
	const own, gone = 1, 2
	three := func() map[string]facts.Status {
		return map[string]facts.Status{
			"a": {ClusterID: own, MemberID: 1, Leader: 1, Applied: 10},
			"b": {ClusterID: gone, MemberID: 2, Leader: 3, Applied: 1000},
			"c": {ClusterID: gone, MemberID: 3, Leader: 3, Applied: 1000},
		}
	}
	told := func(id facts.ID, err error) func() (facts.ID, error) {
		return func() (facts.ID, error) { return id, err }
	}
	if got, err := sources(three(), told(own, nil)); err != nil || !slices.Equal(got, []string{"a"}) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := sources(three(), told(0, nil)); err == nil {
		t.Error("nobody knows which cluster it is")
	}
	if _, err := sources(three(), told(own, errors.New("no host answers"))); err == nil {
		t.Error("nobody could look")
	}
	one := three()
	delete(one, "a")
	if got, err := sources(one, nil); err != nil || !slices.Equal(got, []string{"b", "c"}) { // nobody has to look
		t.Errorf("%v, %v", got, err)
	}
}

// A member says its version, and that becomes a part of a file's name.
func TestIsVersion(t *testing.T) {
	for version, want := range map[string]bool{
		"3.6.16": true, "3.7.0-rc.1": true, "": false, "3.6": false, "/../../home/ops/x": false, "3.6.16/../x": false,
		"3.6.16\n": false,
	} {
		if isVersion.MatchString(version) != want {
			t.Errorf("%q: want %v", version, want)
		}
	}
}
