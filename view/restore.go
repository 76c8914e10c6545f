package view

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

// Loss is what a restore takes away: what was written after its snapshot was taken.
type Loss struct {
	Snapshot facts.SavedSnapshot
	At       time.Time // now
	Member   string    // that told the following; empty: none did, so it is not known
	Revision int64
	Keys     int64
}

// loss is a Loss with --json.
type loss struct {
	Type     string    `json:"type"` // "loss"
	Snapshot string    `json:"snapshot"`
	Taken    time.Time `json:"taken"`
	Revision int64     `json:"revision"` // of the snapshot
	Keys     *int64    `json:"keys,omitempty"`
	Member   string    `json:"member,omitempty"`
	Now      int64     `json:"revision_now,omitempty"`
	KeysNow  int64     `json:"keys_now,omitempty"`
}

// ShowLoss says what a restore takes away.
func (c *Console) ShowLoss(l Loss) {
	snap := l.Snapshot
	if c.JSON {
		c.Object(loss{
			"loss", snap.Path, snap.Taken, snap.Revision, snap.Keys, l.Member, l.Revision, l.Keys,
		})
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "The snapshot is of revision %d", snap.Revision)
	if !snap.Taken.IsZero() { // clusterup took it
		fmt.Fprintf(&b, ", taken at %s, %s ago", snap.Taken.UTC().Format(time.DateTime+" UTC"),
			l.At.Sub(snap.Taken).Round(time.Second))
	}
	if snap.Keys != nil {
		fmt.Fprintf(&b, ", with %s", plan.Count(int(*snap.Keys), "key"))
	}
	switch {
	case l.Member == "":
		b.WriteString(". No member tells how much was written since: all of that will be lost.")
	case l.Revision <= snap.Revision:
		fmt.Fprintf(&b, ". %s says that nothing was written since.", l.Member)
	default:
		fmt.Fprintf(&b, ". %s is at revision %d now, with %s: the last %s will be lost.", l.Member, l.Revision,
			plan.Count(int(l.Keys), "key"),
			Plural(int(l.Revision-snap.Revision), "write"))
	}
	c.Say("%s", b.String())
}

// ShowEvidence says what a cluster without a quorum has left, and what is lost with the rest.
func (c *Console) ShowEvidence(e etcd.Evidence) {
	if c.JSON {
		c.Object(struct {
			Type string `json:"type"` // "evidence"
			etcd.Evidence
		}{"evidence", e})
		return
	}
	var has []string
	up := true
	table := c.Table("MEMBER", "CLASS", "DATA", "RAFT TERM", "RAFT INDEX")
	for _, one := range e.Hosts {
		data, term, index := "no", "-", "-"
		if one.Data {
			data, has = "yes", append(has, one.Member)
			up = up && one.Class == etcd.ClassRunning
		}
		if one.Index > 0 {
			term, index = strconv.FormatUint(one.Term, 10), strconv.FormatUint(one.Index, 10)
		}
		table.Row(one.Member, string(one.Class), data, term, index)
	}
	_ = table.End()
	newest := "There is no snapshot of it"
	if e.Newest != nil {
		newest = fmt.Sprintf("Its newest snapshot is of %s, revision %d", e.Newest.Taken.UTC().Format(time.DateTime+" UTC"),
			e.Newest.Revision)
	}
	held := plan.Enumerate(has) + map[bool]string{true: " has", false: " have"}[len(has) == 1]
	switch {
	case len(has) > 0 && up:
		c.Print("%s. What is lost if the cluster is made from what %s: all that was acknowledged and had not reached there "+
			"as committed, which takes a heartbeat.\n\n", newest, held)
	case len(has) > 0:
		c.Print("%s. The cluster is made from what %s, or from that snapshot, whichever has come further; a member that was "+
			"down has nothing of what was written meanwhile.\n\n", newest, held)
	case e.Newest != nil:
		c.Print("%s, and no host that is seen has data: all that was written since will be lost.\n\n", newest)
	default:
		c.Print("%s, and no host that is seen has data.\n\n", newest)
	}
}
