package etcd

import (
	"fmt"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// notes are findings that stop nothing, but that a careful operator would want to know. Nothing in them changes from
// one look to the next while hosts stay as they are.
func notes(w Want, s facts.Snapshot) []string {
	var found []string
	arches, systems := map[string]bool{}, map[string]bool{}
	v := newView(w, s)
	v.Each(func(m inventory.Member, host facts.Host) {
		arches[host.Arch], systems[host.OS] = true, true
		found = append(found, hostNotes(v, m, host)...)
	})
	for _, names := range Alike(w.Cluster.Members, func(name string) string { return s.Hosts[name].MachineID }) {
		found = append(found, plan.Enumerate(names)+" have the same machine-id: cloned hosts, or one host several times")
	}
	if len(arches) > 1 {
		found = append(found, "the hosts are of different architectures")
	}
	found = append(v.newerNotes(), found...)
	found = append(found, v.trust.Notes()...)
	if v.heartbeat != w.Cluster.Etcd.HeartbeatInterval || v.election != w.Cluster.Etcd.ElectionTimeout {
		found = append(found,
			"members restart twice: while they differ, no election timeout may be shorter than another's heartbeat interval allows")
	}
	if names := v.denied(); len(names) > 0 && w.Cluster.TLS.Clients {
		found = append(found,
			fmt.Sprintf("etcd's permissions are on, and without TLS clusterup has no user: until they speak https, "+
				"it sees of %s only that they serve, and the leader restarts without handing over first", plan.Enumerate(names)))
	}
	found = append(found, v.memberNotes()...)
	found = append(found, v.revokedNotes()...)
	found = append(found, v.authNotes()...)
	found = append(found, v.poolNotes()...)
	for _, alarm := range v.alarms() {
		found = append(found, alarm.note())
	}
	return found
}

func hostNotes(v view, m inventory.Member, host facts.Host) []string {
	var found []string
	note := func(format string, args ...any) { found = append(found, m.Name+": "+fmt.Sprintf(format, args...)) }
	if off := host.ClockOffset; off.Abs() > time.Second {
		note("its clock is more than a second %s this machine's; etcd asks for less", plan.AheadOrBehind(off))
	}
	if v.tight(host) != "" { // without its figures, which change from look to look
		note("its disk may be full before its database reaches quota_backend_bytes")
	}
	if text := v.refusedByPeers(m, host); text != "" && host.Process != nil {
		note("%s", text)
	}
	if misnamed := Misnamed(host); misnamed != "" {
		note("%s", misnamed)
	}
	for _, unread := range host.Unread {
		note("a part of its answer cannot be read: %s", unread)
	}
	if taken, do := Endangered(v.want.Cluster, m, host); taken != "" {
		note("%s; %s", taken, do)
	}
	if len(host.Unit.DropIns) > 0 {
		note("the unit has drop-ins: %s", strings.Join(host.Unit.DropIns, " "))
	}
	if has := missing(toldBesides(host), unwantedIn(host)); len(has) > 0 {
		note("its process has %s in its environment, which its next start will not have", some(has, " "))
	}
	return found
}
