package etcd

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/version"
	"github.com/clusterup/clusterup/units"
)

// underWay refuses every change but the restore that was begun and has not ended.
func (v view) underWay() []plan.Refusal {
	mark, marked := markOf(v.want, v.seen)
	if !marked {
		return v.illegible()
	}
	return plan.OneRefusal(plan.Restoring, "", fmt.Sprintf("go on with it: %s", resume(mark)),
		"a restore of the snapshot of revision %d was begun%s, and has not ended: until it has, nothing else is done",
		mark.Revision, by(mark))
}

// illegible are marks that cannot be read: something is under way there that this clusterup does not know.
func (v view) illegible() []plan.Refusal {
	path := units.RestoringPath(ConfigDir(v.want.Cluster))
	var found []plan.Refusal
	v.Each(func(m inventory.Member, host facts.Host) {
		if file, there := host.Files[path]; there {
			if _, err := units.ParseRestoring(file.Content); err != nil {
				found = append(found, plan.Refuse(plan.Restoring, m.Name,
					"go on with the clusterup that began the restore, or a newer one; if there is none under way, remove that file",
					"its mark of a restore, %s, cannot be read", path))
			}
		}
	})
	return found
}

// resume is the command that goes on with a restore.
func resume(mark units.Restoring) string {
	if mark.Verb == VerbRecover {
		return "clusterup recover INVENTORY"
	}
	return fmt.Sprintf("clusterup snapshot restore FILE INVENTORY, where FILE is the snapshot whose sha256 is %s", mark.SHA256)
}

func by(mark units.Restoring) string {
	text := ""
	if mark.By != "" {
		text += " by " + mark.By
	}
	if !mark.Begun.IsZero() {
		text += " at " + mark.Begun.UTC().Format(time.DateTime+" UTC")
	}
	return text
}

// refusals are the reasons not to restore as it stands. What members of the cluster before say decides nothing.
func (r restoring) refusals() []plan.Refusal {
	dark := r.unseen()
	if older := r.was.allOlder(); len(older) > 0 {
		return append(dark, older...)
	}
	found := slices.Concat(r.snapshotRefusals(), r.marks(), r.altered(), r.twins(), r.strangers())
	r.was.Each(func(m inventory.Member, host facts.Host) {
		if foreign := r.was.foreignUnit(m, host); len(foreign) > 0 {
			found = append(found, foreign...)
			return
		}
		if !r.was.want.accepts(plan.ForeignCluster) {
			found = append(found, r.was.trusted(m, host)...)
		}
		found = slices.Concat(found, r.foreignData(m, host), r.elsewhere(m, host))
		if m.Absent {
			return
		}
		for _, check := range []func(inventory.Member, facts.Host) []plan.Refusal{
			r.comes.suitable, r.was.ground, r.was.sealed, r.was.undiverted, r.lostSince, r.room,
		} {
			found = append(found, check(m, host)...)
		}
		if !isUp(host) {
			found = append(found, r.was.ports(m, host)...)
		}
	})
	if all := slices.Concat(r.comes.trust.Keyless(r.comes.clusterID), found); len(all) > 0 {
		return append(dark, all...)
	}
	return dark
}

// unseen are the hosts that are dark, and were not given up.
func (r restoring) unseen() []plan.Refusal {
	return slices.DeleteFunc(r.was.unreachables(), func(refusal plan.Refusal) bool {
		return r.was.want.accepts(plan.Gone(refusal.Host))
	})
}

// marks refuses marks that do not fit each other, or what is known here: those of one host alone decide nothing.
func (r restoring) marks() []plan.Refusal {
	live, newest := r.was.trust.Live("peer"), 0
	for _, ca := range live {
		newest = max(newest, ca.Generation)
	}
	var found []plan.Refusal
	r.was.Each(func(m inventory.Member, host facts.Host) {
		file, there := host.Files[r.markPath()]
		mark, err := units.ParseRestoring(file.Content)
		if !there || r.was.want.accepts(plan.Again) || r.was.want.accepts(plan.OtherSnapshot) {
			return
		}
		born, was := r.was.births[m.Name]
		if err != nil || mark.Token != r.under.Token || !slices.Equal(mark.Members, r.under.Members) ||
			mark.PeerCA > newest || was && born.Token == mark.Token && born.Snapshot == "" {
			found = append(found, plan.Refuse(plan.Restoring, m.Name,
				fmt.Sprintf("look at %s on all hosts; with --accept=%s the restore begins anew, with a mark of its own", r.markPath(),
					plan.Again),
				"its mark of a restore cannot be read, or is not that of the other hosts"))
		}
	})
	return found
}

// altered: the cluster's ID follows from its members and their addresses, and its data has been made with them.
func (r restoring) altered() []plan.Refusal {
	if !r.begun {
		return nil
	}
	var found []plan.Refusal
	own := clusterID(r.was.want.Cluster, r.was.want.Token).String()
	r.comes.Each(func(m inventory.Member, _ facts.Host) {
		if born, ok := r.comes.births[m.Name]; ok && born.ClusterID != own {
			found = append(found, plan.Refuse(plan.Restoring, m.Name,
				fmt.Sprintf("put the members, addresses, ports and tls of the inventory back as they were until the restore is over; or "+
					"begin it anew, with --accept=%s", plan.Again),
				"its data was made for other members or addresses than the inventory has now"))
		}
	})
	return found
}

// snapshotRefusals compare the snapshot with what is wanted, and with a restore that was begun.
func (r restoring) snapshotRefusals() []plan.Refusal {
	w := r.was.want
	snap := w.Restore.Snapshot
	switch is, wanted := snap.Version, w.Cluster.Version; {
	case r.begun && r.under.SHA256 != snap.SHA256 && r.under.SHA256 != "":
		return plan.OneRefusal(plan.Restoring, "",
			fmt.Sprintf("go on with that one: %s; or give it up for this one, with --accept=%s", resume(r.under),
				plan.OtherSnapshot),
			"a restore of another snapshot, of revision %d, was begun%s, and has not ended", r.under.Revision, by(r.under))
	case version.CompareMinor(is, wanted) < 0:
		return plan.OneRefusal(plan.SnapshotUnfit, "",
			fmt.Sprintf("set version in the inventory to %s, restore, and upgrade then", fitting(is)),
			"the snapshot is of etcd %s, and the inventory wants the newer %s: data is restored with the minor version that wrote "+
				"it, and upgraded afterwards", is, version.Minor(wanted))
	case version.CompareMinor(is, wanted) > 0:
		return plan.OneRefusal(plan.SnapshotUnfit, "", fmt.Sprintf("set version in the inventory to %s", fitting(is)),
			"the snapshot is of etcd %s, and the inventory wants the older %s, which does not start on such data", is,
			version.Minor(wanted))
	case version.Compare(wanted, is) < 0:
		return plan.OneRefusal(plan.SnapshotUnfit, "", fmt.Sprintf("set version in the inventory to %s", fitting(is)),
			"the snapshot is of etcd %s, and the inventory wants the older %s", is, wanted)
	case !r.begun && !w.accepts(plan.Again) && !r.over():
		return r.repeated()
	}
	return nil
}

// fitting are the versions that a snapshot of that version is restored with. One without a description tells its minor
// version alone.
func fitting(is string) string {
	if is == version.Minor(is) {
		return "a release of " + is
	}
	return is + " or a newer patch"
}

// repeated refuses to make a cluster again from the snapshot that it was made from: whoever runs a command once more
// that was cut short at its very end would lose what was written since.
func (r restoring) repeated() []plan.Refusal {
	for _, born := range r.was.births {
		if born.Snapshot == r.was.want.Restore.Snapshot.SHA256 && idOf(born) == r.was.clusterID {
			return plan.OneRefusal(plan.NeedsConsent, "",
				fmt.Sprintf("clusterup apply finishes what may be left to do; to lose all that was written since, run again with --accept=%s",
					plan.Again),
				"cluster %s was made from this snapshot already, at %s", r.was.clusterID,
				born.Created.UTC().Format(time.DateTime+" UTC"))
		}
	}
	return nil
}

// twins: a member that runs, and takes no part, is one of a cluster that goes on beside the restored one.
func (r restoring) twins() []plan.Refusal {
	var found []plan.Refusal
	for _, name := range r.was.want.Restore.apart {
		if isUp(r.was.seen.Hosts[name]) {
			found = append(found, plan.Refuse(plan.Restoring, name, fmt.Sprintf(
				"on the host: systemctl disable --now %s; when the restore is over, apply makes the member anew",
				r.was.want.Cluster.UnitName),
				"its member runs, and the restore was begun without it: there would be two clusters"))
		}
	}
	return found
}

// strangers: a member of the cluster before that the inventory does not have cannot be stopped here, and goes on.
func (r restoring) strangers() []plan.Refusal {
	if r.begun {
		return nil
	}
	var found []plan.Refusal
	for _, entry := range r.was.seen.Members {
		name := cmp.Or(entry.Name, entry.ID.String())
		if _, known := r.was.ofEntry(entry); known || r.was.want.accepts(plan.Gone(name)) {
			continue
		}
		found = append(found, plan.Refuse(plan.Membership, name, fmt.Sprintf(
			"put its block back with state = \"absent\", and it is stopped and its host made clean; or, if its machine is switched "+
				"off for good, run again with --accept=%s", plan.Gone(name)),
			"it is a member of the cluster before, at %s, and not in the inventory: if it runs on, there will be two clusters",
			strings.Join(entry.PeerURLs, " ")))
	}
	return found
}

// foreignData: what is put aside is of this cluster, or of the one that the snapshot was taken of.
func (r restoring) foreignData(m inventory.Member, host facts.Host) []plan.Refusal {
	id := host.Data.ClusterID
	known := append(r.ends(), r.comes.clusterID.String())
	known = append(known, r.under.Ended...)
	if of := r.was.want.Restore.Snapshot.ClusterID; of != 0 {
		known = append(known, of.String())
	}
	switch {
	case !host.Data.WAL && slices.ContainsFunc(host.Data.Entries, r.was.precious(host)) && len(r.under.Members) == 0:
		return plan.OneRefusal(plan.ForeignData, m.Name, "move it away by hand first",
			"%s holds what etcd did not put there", m.DataDir)
	case !host.Data.WAL, slices.Contains(known, id.String()):
		return nil
	case id == 0 && slices.Contains(known, r.was.births[m.Name].ClusterID): // its log cannot be read any more
		return nil
	}
	return plan.OneRefusal(plan.ForeignData, m.Name,
		"move it away by hand if nobody needs it, or take the host out of the inventory",
		"%s holds the data of another cluster, %s", m.DataDir, id)
}

// elsewhere: data is put aside where it lies, and that has to be known.
func (r restoring) elsewhere(m inventory.Member, host facts.Host) []plan.Refusal {
	if r.has(host) {
		return nil
	}
	return r.was.astray(m, host)
}

// lostSince: a member that was started on restored data may have voted, so it must not begin again from the snapshot.
func (r restoring) lostSince(m inventory.Member, host facts.Host) []plan.Refusal {
	born, ok := r.comes.births[m.Name]
	if !ok || r.has(host) {
		return nil
	}
	return plan.OneRefusal(plan.DataLost, m.Name,
		fmt.Sprintf("bring the disk back; if it is lost, begin anew, and lose what was written since: clusterup snapshot "+
			"restore FILE INVENTORY --accept=%s, where FILE is the snapshot whose sha256 is %s", plan.Again, born.Snapshot),
		"the data directory %s is lost: restored member %s lived there", m.DataDir, born.MemberID)
}

// room: the snapshot and the data that is made from it lie beside each other for a while, and beside the data before.
func (r restoring) room(m inventory.Member, host facts.Host) []plan.Refusal {
	const log = 128 << 20 // two files of a write-ahead log, which etcd allocates whole
	if r.has(host) {
		return nil
	}
	// The log begins in the data directory, so the one is always counted with the other.
	needs := map[string]int64{"data": 2*r.was.want.Restore.Size + log, "wal": log}
	data, wal := host.Rooms["data"], host.Rooms["wal"]
	if wal.Size == data.Size && wal.Inodes == data.Inodes && wal.Free == data.Free { // one file system
		delete(needs, "wal")
	}
	var found []plan.Refusal
	for _, what := range slices.Sorted(maps.Keys(needs)) {
		room, known := host.Rooms[what]
		need := needs[what]
		if !known || room.Size == 0 || room.Free >= need {
			continue
		}
		found = append(found, plan.Refuse(plan.Unsuitable, m.Name,
			"free space there: data that an earlier run has put aside may be moved away",
			"%d MB are free at %s, and a restore takes %d MB", room.Free>>20, room.Dir, need>>20))
	}
	return found
}
