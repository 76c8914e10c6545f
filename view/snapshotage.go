package view

import (
	"fmt"
	"time"

	"github.com/clusterup/clusterup/facts"
)

// snapshotStatus is the newest snapshot of the cluster in the operator directory.
type snapshotStatus struct {
	File     string    `json:"file"`
	Taken    time.Time `json:"taken"`
	Version  string    `json:"version"`
	Revision int64     `json:"revision"`
	Size     int64     `json:"size,omitempty"`
	Sealed   bool      `json:"sealed,omitempty"`
	Verified time.Time `json:"verified"`         // when its bytes were last seen to be right
	Drilled  time.Time `json:"drilled,omitzero"` // when it was last restored on trial
	Damage   string    `json:"damage,omitempty"`
}

// newestSnapshot is that of this cluster; nil: there is none. A cluster that was made anew under the same name has none
// of the one before.
func (l Look) newestSnapshot() *snapshotStatus {
	var newest *facts.SavedSnapshot
	for i, d := range l.Seen.Operator.Snapshots {
		if l.Seen.Cluster == 0 || d.ClusterID == l.Seen.Cluster {
			newest = &l.Seen.Operator.Snapshots[i]
		}
	}
	if newest == nil {
		return nil
	}
	return &snapshotStatus{
		newest.File(), newest.Taken.UTC(), newest.Version, newest.Revision, newest.Size, newest.Sealed(),
		newest.Checked().UTC(), newest.Drilled, newest.Damage,
	}
}

// snapshotDue is a finding about the newest snapshot, if there is one. Its age is of no concern unless the inventory
// says so.
func (l Look) snapshotDue() []Finding {
	newest, most := l.newestSnapshot(), l.Want.Cluster.Snapshot.MaxAge
	f := Finding{Kind: "snapshot", Do: "clusterup snapshot save " + l.File}
	switch {
	case newest != nil && newest.Damage != "":
		f.Text = fmt.Sprintf("the newest snapshot, %s, is damaged: %s", newest.File, newest.Damage)
	case most == 0 || l.unborn():
		return nil
	case newest == nil:
		f.Text = "there is no snapshot in the operator directory, and snapshot { max_age } wants one"
	case l.Seen.Taken.Sub(newest.Taken) > most:
		f.Text = fmt.Sprintf("the newest snapshot is %s old, and snapshot { max_age } allows %s",
			age(newest.Taken, l.Seen.Taken), age(l.Seen.Taken.Add(-most), l.Seen.Taken))
	default:
		return nil
	}
	return []Finding{f}
}

// line is the newest snapshot in the text of status.
func (s *snapshotStatus) line(now time.Time) string {
	if s.Damage != "" {
		return fmt.Sprintf("The newest snapshot, %s, is DAMAGED: %s", s.File, s.Damage)
	}
	text := fmt.Sprintf("The newest snapshot is %s old: revision %d, verified %s ago", age(s.Taken, now), s.Revision,
		age(s.Verified, now))
	if !s.Drilled.IsZero() {
		text += ", restored on trial " + age(s.Drilled, now) + " ago"
	}
	return text + "."
}
