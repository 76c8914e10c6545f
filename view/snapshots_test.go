package view

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan/etcd"
)

var taken = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func aSnapshot(change func(*facts.SavedSnapshot)) facts.SavedSnapshot {
	keys := int64(71)
	d := facts.SavedSnapshot{
		Path: "/srv/.clusterup/prod/snapshots/a.db", Cluster: "prod", ClusterID: 7, Member: "etcd-2", Version: "3.6.16",
		Revision: 78, Keys: &keys, Size: 51 << 20, SHA256: strings.Repeat("0", 64), Taken: taken, By: "ops@laptop",
	}
	if change != nil {
		change(&d)
	}
	return d
}

func TestSnapshotViews(t *testing.T) {
	var out bytes.Buffer
	c := &Console{Out: &out, Err: &out}
	sealed := aSnapshot(func(d *facts.SavedSnapshot) {
		d.Path, d.SealedTo, d.Drilled = d.Path+".age", []string{"age1a", "age1b"}, taken.Add(time.Minute)
		d.Verified = d.Drilled
	})
	damaged := aSnapshot(func(d *facts.SavedSnapshot) { d.Damage = "cut short: 5 of its 9 bytes\x1b[2J" })
	before := facts.SavedSnapshot{
		Path: "/srv/b.db", ClusterID: 7, Version: "3.5.35", Revision: 3, Taken: taken.AddDate(0, 0, -9),
	}
	time.Local = time.UTC
	c.ShowSaved(sealed, taken)
	c.Saved(before)
	if err := c.ShowSnapshots([]facts.SavedSnapshot{sealed, damaged, before}, taken.Add(3*time.Hour)); err != nil {
		t.Fatal(err)
	}
	c.ShowVerified(VerifiedSnapshot{
		Path: "a.db", Sealed: true, Size: 51 << 20, Revision: 80, Etcd: "3.6.16", Snapshot: &sealed,
		Drill: &DrilledSnapshot{
			Etcd: "3.6.16", Revision: 80, Keys: 71, Compared: []string{"revision", "keys", "hash"}, Seconds: 2,
		},
	})
	c.ShowVerified(VerifiedSnapshot{
		Path: "b.db", Size: 512, Revision: 3, Etcd: "3.5", Note: "b.db: of another minor version",
		Members: []facts.Listed{{Name: "etcd-2"}, {Name: "etcd-1"}},
		Drill: &DrilledSnapshot{
			Etcd: "3.5.35", Revision: 3, Keys: 1, Compared: []string{"revision"}, Unmatched: "none was noted",
		},
	})
	c.JSON = true
	c.ShowSaved(sealed, taken.Add(time.Minute))
	golden(t, "snapshots.txt", out.Bytes())
}

// The age of the newest snapshot matters where the inventory says so; that it is damaged does everywhere. Those of a
// cluster that had the name before do not count.
func TestSnapshotDue(t *testing.T) {
	fresh, damaged := aSnapshot(nil), aSnapshot(func(d *facts.SavedSnapshot) { d.Damage = "altered" })
	other := aSnapshot(func(d *facts.SavedSnapshot) { d.ClusterID = 8 })
	for name, test := range map[string]struct {
		all    []facts.SavedSnapshot
		max    time.Duration
		after  time.Duration
		says   string
		newest bool
	}{
		"none, and nobody asks":    {nil, 0, 0, "", false},
		"none":                     {nil, time.Hour, 0, "there is no snapshot", false},
		"fresh":                    {[]facts.SavedSnapshot{fresh}, time.Hour, time.Hour, "", true},
		"old, and nobody asks":     {[]facts.SavedSnapshot{fresh}, 0, 1000 * time.Hour, "", true},
		"old":                      {[]facts.SavedSnapshot{fresh}, time.Hour, 49 * time.Hour, "is 2 days old, and snapshot { max_age } allows 1 hour", true},
		"damaged":                  {[]facts.SavedSnapshot{fresh, damaged}, 0, 0, "a.db, is damaged: altered", true},
		"damaged, and a newer one": {[]facts.SavedSnapshot{damaged, fresh}, 0, 0, "", true},
		"of another cluster":       {[]facts.SavedSnapshot{other}, time.Hour, 0, "there is no snapshot", false},
	} {
		l := Look{
			File: "prod.hcl", Want: etcd.Want{Cluster: &inventory.Cluster{
				Name: "prod", Snapshot: inventory.Snapshot{MaxAge: test.max}, Members: []inventory.Member{{Name: "etcd-1"}},
			}},
			Seen: facts.Snapshot{Taken: taken.Add(test.after), Cluster: 7, Operator: facts.Operator{Snapshots: test.all}},
		}
		found := l.snapshotDue()
		text := ""
		for _, f := range found {
			text += f.Text
			if f.Do != "clusterup snapshot save prod.hcl" || f.Kind != "snapshot" {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if (text == "") != (test.says == "") || !strings.Contains(text, test.says) {
			t.Errorf("%s: %q, want %q", name, text, test.says)
		}
		metrics := string(Checked{Cluster: "prod", Snapshot: l.newestSnapshot()}.Metrics())
		if strings.Contains(metrics, "clusterup_snapshot_taken_seconds{cluster=\"prod\"} 1.7952624e+09\n") != test.newest {
			t.Errorf("%s: %s", name, metrics)
		}
	}
}

// Progress is told once a second at most, also where nobody says how much there will be, without the URL's control
// characters.
func TestComing(t *testing.T) {
	for total, want := range map[int64]string{
		300 << 10: "── fetch the snapshot https://a\ufffd[2J\n   1.0 KiB of 300.0 KiB\n   300.0 KiB of 300.0 KiB\n",
		-1:        "── fetch the snapshot https://a\ufffd[2J\n   1.0 KiB of ?\n",
	} {
		var out bytes.Buffer
		tell := (&Console{Out: &out, Err: &out}).Fetching("https://a\x1b[2J")
		for done := int64(1); done <= 300; done++ {
			tell(done<<10, total)
		}
		if out.String() != want {
			t.Errorf("of %d bytes: %q, want %q", total, out.String(), want)
		}
	}
}
