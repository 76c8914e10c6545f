package plan

import (
	"path"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
)

// version refuses what this version does not know how to do safely: to take a cluster from one minor version of etcd to another. Another
// patch version is a roll like any other.
func (v view) version(m inventory.Member, host facts.Host) []Refusal {
	wanted := v.want.Cluster.Version
	has := v.lastVersion(host)
	if has == "" || !host.Data.WAL || minor(has) == minor(wanted) {
		return nil
	}
	return []Refusal{refuse(VersionChange, m.Name, "set the version back to "+has+", or to a later patch version of "+minor(has),
		"its member is of etcd %s, and the inventory wants %s: changing the minor version is not something this version does", has, wanted)}
}

// lastVersion is the version that a member runs, or last ran: as it says itself, else as its unit's binary is named.
func (v view) lastVersion(host facts.Host) string {
	if host.Etcd != nil {
		return host.Etcd.Version
	}
	for _, word := range words(host.Files[UnitPath(v.want.Cluster)].Content) {
		_, program, _ := strings.Cut(word, "=")
		if binary := strings.Trim(program, `"`); strings.HasPrefix(binary, facts.ReleaseDir+"/") && path.Base(binary) == "etcd" {
			version, _, _ := strings.Cut(path.Base(path.Dir(binary)), "-")
			return version
		}
	}
	return ""
}

// minor is the first two numbers of a version: "3.6" of "3.6.16".
func minor(version string) string {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return version
	}
	return parts[0] + "." + parts[1]
}
