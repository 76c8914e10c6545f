package etcd

import (
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/version"
)

// Observer is the user of etcd for which an observer's certificate is. Nobody has to make it: etcd lets a user that it
// does not know read and write nothing, and see what every user may.
const Observer = inventory.ObserverUser

// ObserverNotes say what an observer's certificate may do beyond looking, and where it may not even look. versions are
// those that members run, by name; empty: it is not known.
func ObserverNotes(rights facts.Rights, versions map[string]string) []string {
	var found []string
	switch {
	case !rights.Known:
		found = append(found, "it is not known whether etcd's permissions are on: only while they are on, an observer's certificate "+
			"can neither read nor write keys")
	case !rights.On:
		found = append(found, "etcd's permissions are off, so that an observer's certificate can read and write all keys, as any "+
			"client's can: switch them on before it leaves this machine")
	case rights.Reads:
		found = append(found, "etcd's permissions let the user "+Observer+" read keys: take its roles away")
	}
	var old []string
	for name, is := range versions {
		if is != "" && !version.ShowsToAll(is) {
			old = append(old, fmt.Sprintf("%s (%s)", name, is))
		}
	}
	if slices.Sort(old); len(old) > 0 {
		found = append(found, blind(old, rights))
	}
	return found
}

func blind(old []string, rights facts.Rights) string {
	while := "once etcd's permissions are on"
	if rights.On {
		while = "while etcd's permissions are on"
	}
	return fmt.Sprintf("%s: %s, members of these versions show root alone how they are: an observer sees them from %s on",
		plan.Enumerate(old), while, plan.Enumerate(version.ShowingToAll()))
}

// Hidden says why a member of a version does not show an observer how it is; "": the version is not known.
func Hidden(is string) string {
	if is == "" || version.ShowsToAll(is) {
		return "etcd's permissions refuse the observer"
	}
	return fmt.Sprintf("etcd %s shows root alone how it is while permissions are on: an observer sees it from %s on", is,
		plan.Enumerate(version.ShowingToAll()))
}

// Ported says how members stand by what their client ports alone have shown: those of the inventory in their order, but
// for those that are to leave, and then others that are listed.
func Ported(w Want, s facts.Snapshot) []Standing {
	v := glance(w, s)
	var found []Standing
	known := map[facts.ID]bool{}
	v.Everyone(func(m inventory.Member, host facts.Host) {
		entry, listed := v.entry(m)
		known[entry.ID] = known[entry.ID] || listed
		if m.Absent {
			return
		}
		one := Standing{
			Name: m.Name, ID: entry.ID, Class: ClassRunning, Listed: listed, Learner: entry.Learner, PeerURLs: entry.PeerURLs,
		}
		switch {
		case host.Dark():
			one.Class = ClassDark
		case host.Etcd.ClusterID != s.Cluster:
			one.Class = ClassForeign
		case !listed:
			one.Class = ClassRemoved
		}
		found = append(found, one)
	})
	for _, entry := range s.Members {
		if !known[entry.ID] {
			found = append(found, Standing{
				Name: entry.Name, ID: entry.ID, Class: ClassUnexpected, Listed: true, Learner: entry.Learner,
				PeerURLs: entry.PeerURLs,
			})
		}
	}
	return found
}
