package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
)

// snapshotObject is one snapshot with --json.
type snapshotObject struct {
	Type string `json:"type"` // "snapshot"
	facts.SavedSnapshot
	Age float64 `json:"age"` // seconds
}

func objectOf(d facts.SavedSnapshot, now time.Time) snapshotObject {
	return snapshotObject{"snapshot", d, now.Sub(d.Taken).Seconds()}
}

// Saved says on stderr that a run has saved a snapshot.
func (c *Console) Saved(d facts.SavedSnapshot) { c.Say("The snapshot is %s.", savedText(d)) }

// ShowSaved shows a snapshot as the result of a command.
func (c *Console) ShowSaved(d facts.SavedSnapshot, now time.Time) {
	if c.JSON {
		c.Object(objectOf(d, now))
		return
	}
	c.Print("%s\n", savedText(d))
}

func savedText(d facts.SavedSnapshot) safe {
	is := []string{Size(d.Size)}
	if d.Member != "" {
		is = append(is, "of "+d.Member)
	}
	is = append(is, "etcd "+d.Version, fmt.Sprintf("revision %d", d.Revision))
	if d.Keys != nil {
		is = append(is, Plural(int(*d.Keys), "key"))
	}
	if d.Sealed() {
		is = append(is, "sealed to "+Plural(len(d.SealedTo), "recipient"))
	}
	return sprintf("%s (%s, verified)", d.Path, safe(strings.Join(is, ", ")))
}

// ShowSnapshots shows snapshots, newest first, in the order in which they are given.
func (c *Console) ShowSnapshots(all []facts.SavedSnapshot, now time.Time) error {
	if c.JSON {
		for _, d := range all {
			c.Object(objectOf(d, now))
		}
		return nil
	}
	if len(all) == 0 {
		c.Say("There is no snapshot in the operator directory: clusterup snapshot save makes one.")
		return nil
	}
	table := c.Table("TAKEN", "AGE", "ETCD", "REVISION", "KEYS", "SIZE", "SEALED", "VERIFIED", "FILE")
	for _, d := range all {
		keys, sealed, verified := "-", "no", age(d.Checked(), now)+" ago"
		if d.Keys != nil {
			keys = fmt.Sprint(*d.Keys)
		}
		if d.Sealed() {
			sealed = "yes"
		}
		if !d.Drilled.IsZero() {
			verified += ", drilled " + age(d.Drilled, now) + " ago"
		}
		if d.Damage != "" {
			verified = "DAMAGED"
		}
		table.Row(d.Taken.Local().Format(time.DateTime), age(d.Taken, now), cmp.Or(d.Version, "-"), fmt.Sprint(d.Revision),
			keys, size(d.Size), sealed, verified, d.File())
	}
	if err := table.End(); err != nil {
		return err
	}
	for _, d := range all {
		if d.Damage != "" {
			c.Print("%s: %s\n", d.File(), d.Damage)
		}
	}
	return nil
}

// age is how long ago something was, in the largest unit that fits.
func age(then, now time.Time) string {
	switch d := now.Sub(then); {
	case d < time.Minute:
		return Plural(max(int(d/time.Second), 0), "second")
	case d < time.Hour:
		return Plural(int(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return Plural(int(d/time.Hour), "hour")
	default:
		return Plural(int(d/(24*time.Hour)), "day")
	}
}

// VerifiedSnapshot is the result of a verification.
type VerifiedSnapshot struct {
	Type     string               `json:"type"` // "verified"
	Path     string               `json:"path"`
	Sealed   bool                 `json:"sealed,omitempty"`
	Size     int64                `json:"size"`   // of the snapshot itself, plain
	SHA256   string               `json:"sha256"` // of the same
	Revision int64                `json:"revision"`
	Members  []facts.Listed       `json:"members,omitempty"`
	Snapshot *facts.SavedSnapshot `json:"snapshot,omitempty"` // what lies beside it; nil: nothing does
	Note     string               `json:"note,omitempty"`     // in which way it does not fit the inventory
	Drill    *DrilledSnapshot     `json:"drill,omitempty"`    // nil: there was none

	Etcd string `json:"etcd"` // the version that it is of
}

// DrilledSnapshot is what a restore on trial has shown.
type DrilledSnapshot struct {
	Etcd      string        `json:"etcd"` // that it was restored with
	Revision  int64         `json:"revision"`
	Keys      int64         `json:"keys"`
	Hash      facts.KeyHash `json:"hash"`
	Compared  []string      `json:"compared,omitempty"`  // revision, keys, hash: found to be as described
	Unmatched string        `json:"unmatched,omitempty"` // why the hash was not compared
	Seconds   float64       `json:"seconds"`
}

// ShowVerified shows that a snapshot is whole.
func (c *Console) ShowVerified(v VerifiedSnapshot) {
	v.Type = "verified"
	if c.JSON {
		c.Object(v)
		return
	}
	c.Print("%s is whole: %s, etcd %s, revision %d", v.Path, Size(v.Size), v.Etcd, v.Revision)
	if v.Sealed {
		c.Print(", sealed")
	}
	c.Print("\n")
	if d := v.Snapshot; d == nil {
		var names []string
		for _, m := range v.Members {
			names = append(names, m.Name)
		}
		slices.Sort(names)
		c.Print("Nothing beside it says where it is from; its members are %s.\n", strings.Join(names, ", "))
	} else {
		c.Print("It is as described: of cluster %s, taken %s", cmp.Or(d.Cluster, d.ClusterID.String()),
			d.Taken.Local().Format(time.DateTime))
		if d.Member != "" {
			c.Print(" from %s by %s", d.Member, d.By)
		}
		c.Print(".\n")
	}
	if d := v.Drill; d != nil {
		c.Print("Restored on trial with etcd %s in %.1f s: it serves revision %d, %s", d.Etcd, d.Seconds, d.Revision,
			Plural(int(d.Keys), "key"))
		switch n := len(d.Compared); {
		case n > 1:
			c.Print("; %s and %s are as described", strings.Join(d.Compared[:n-1], ", "), d.Compared[n-1])
		case n == 1:
			c.Print("; the %s is as described", d.Compared[0])
		}
		c.Print(".\n")
		if d.Unmatched != "" {
			c.Print("note: the hash was not compared: %s\n", d.Unmatched)
		}
	}
	if v.Note != "" {
		c.Print("note: %s\n", v.Note)
	}
}
