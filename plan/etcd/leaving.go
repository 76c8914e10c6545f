package etcd

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// departed refuses to clean a host that is not that of the member which has left.
func (v view) departed() []plan.Refusal {
	var found []plan.Refusal
	v.leaving.Each(func(m inventory.Member, host facts.Host) {
		marker, marked := host.Files[v.birthPath()]
		born, err := units.ParseBirth(marker.Content)
		if v.stillMember(m) {
			return
		}
		found = append(append(found, v.foreignUnit(m, host)...), v.astray(m, host)...)
		lists := func(id string) bool {
			return slices.ContainsFunc(v.seen.Members, func(l facts.Listed) bool { return l.ID.String() == id })
		}
		var whose string
		switch id := host.Data.MemberID.String(); {
		case host.Data.WAL && (host.Data.ClusterID != v.clusterID || lists(id)):
			whose = fmt.Sprintf("the data of member %s of cluster %s", id, host.Data.ClusterID)
		case err == nil && (born.ClusterID != v.clusterID.String() || born.Member != m.Name || lists(born.MemberID)):
			whose = fmt.Sprintf("the birth marker of %s, member %s of cluster %s", born.Member, born.MemberID, born.ClusterID)
		case err != nil && marked:
			whose = "a birth marker that cannot be read"
		case host.Process != nil && len(host.Process.Args) > 0 && // a process that is about to end shows none
			(units.Flag(host.Process.Args, "name") != m.Name ||
				units.Flag(host.Process.Args, "data-dir") != v.settled(m, host).DataDir):
			whose = "a running member of another name, or with another directory"
		default:
			return
		}
		found = append(found, plan.Refuse(plan.ForeignData, m.Name,
			"take its block out of the inventory, or give it the ssh_address of its own host",
			"it has left the cluster, and its host has %s, which is not its own", whose))
	})
	return found
}

// leaveWaits: nobody that serves is taken out before all are voters that are to come, and their hosts may be dark.
func (v view) leaveWaits() []plan.Wait {
	var found []plan.Wait
	come := slices.DeleteFunc(v.toCome(), func(name string) bool { return !slices.Contains(v.Dark(), name) })
	v.Each(func(m inventory.Member, host facts.Host) {
		if (m.Absent || v.relocates(m, host)) && v.formed && v.seen.Members != nil && len(come) > 0 {
			found = append(found, plan.Wait{
				What: "taking out " + m.Name, For: come, Why: "members that are to come get their votes before others leave",
			})
		}
	})
	return found
}

// leave removes a member that serves, and is to leave, or to be added anew with other directories: one at a time, and
// none as long as another one has yet to become a voter.
func (v view) leave() (*plan.Stage, error) {
	if !v.formed || len(v.toCome()) > 0 {
		return nil, nil
	}
	var first error
	for _, entry := range v.seen.Members {
		m, ok := v.ofEntry(entry)
		host, why := v.seen.Hosts[m.Name], "it is to leave"
		switch {
		case !ok || host.Dark():
			continue
		case m.Absent:
		case v.relocates(m, host):
			why = v.whyRelocates(m, host)
		default:
			continue
		}
		stage, err := v.removal(entry, why)
		if stage != nil {
			return stage, nil
		}
		first = cmp.Or(first, err)
	}
	return nil, first
}

// cleanWaits: hosts of members that have left, which cannot be looked at.
func (v view) cleanWaits() []plan.Wait {
	if v.seen.Members == nil {
		return nil
	}
	var found []plan.Wait
	v.leaving.Everyone(func(m inventory.Member, host facts.Host) {
		if host.Dark() && !v.stillMember(m) {
			found = append(found, plan.Wait{
				What: "cleaning up after " + m.Name, For: []string{m.Name},
				Why: "it has left the cluster; if its machine is gone for good, run again with --accept=" + string(plan.Remove(m.Name)),
			})
		}
	})
	return found
}

// clean takes away what a member that has left has had on its host. Its data is renamed.
func (v view) clean() (*plan.Stage, error) {
	var steps []plan.Step
	v.leaving.Each(func(m inventory.Member, host facts.Host) {
		if v.stillMember(m) || v.seen.Members == nil {
			return
		}
		steps = append(steps, v.aside(m, host, "it has left the cluster")...)
		steps = append(steps, v.removeFiles(m, host)...)
	})
	return plan.SideBySide("clean the hosts of members that have left", "the cluster does not list them", one(steps)), nil
}

// Left says which blocks of the inventory can be taken out, since their members have left.
func Left(w Want, s facts.Snapshot) []string { return newView(w, s).leftNotes() }

// memberNotes say what the inventory says for no reason any more, and that one member is left alone.
func (v view) memberNotes() []string {
	found := v.leftNotes()
	going := slices.ContainsFunc(v.List, func(m inventory.Member) bool { return m.Absent })
	if v.formed && going && len(v.want.Cluster.Present()) == 1 {
		found = append(found, "one member is left, so the cluster stops whenever that one does")
	}
	return found
}

func (v view) leftNotes() []string {
	if v.seen.Members == nil {
		return nil
	}
	var found []string
	v.leaving.Everyone(func(m inventory.Member, host facts.Host) {
		_, has := host.Files[ConfigDir(v.want.Cluster)]
		switch {
		case v.stillMember(m) || has:
		case host.Dark():
			found = append(found, m.Name+" has left the cluster, and its host cannot be looked at: its block can be taken out of "+
				"the inventory if the machine is gone for good; else an apply makes the host clean when it is back")
		default:
			found = append(found, m.Name+" has left the cluster, and its host is clean: its block can be taken out of the inventory")
		}
	})
	return found
}
