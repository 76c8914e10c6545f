package etcd

import (
	"fmt"
	"path"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// ground refuses directories that the member's user may not enter on the way to its files, such as /srv above
// /srv/etcd.
func (v view) ground(m inventory.Member, host facts.Host) []plan.Refusal {
	var found []plan.Refusal
	told := map[string]bool{}
	for _, place := range Places(v.want.Cluster, m) {
		for dir := path.Dir(place); ; dir = path.Dir(dir) {
			if way, seen := host.Ways[dir]; seen && !told[dir] && !v.passes(way, host) && dir != ourParent {
				told[dir] = true
				found = append(found, plan.Refuse(plan.Unsuitable, m.Name, "on the host: chmod a+x "+dir,
					"the user %s may not enter %s (%s), above %s", v.want.Cluster.User, dir,
					fmt.Sprintf("%s:%s, mode %04o", way.Owner, way.Group, uint32(way.Mode)), place))
			}
			if dir == "/" {
				break
			}
		}
	}
	return found
}

// sealed refuses directories that nobody can write to, as long as the host has no unit of this cluster.
func (v view) sealed(m inventory.Member, host facts.Host) []plan.Refusal {
	if _, prepared := host.Files[UnitPath(v.want.Cluster)]; prepared {
		return nil
	}
	var found []plan.Refusal
	for _, dir := range host.Sealed {
		found = append(found, plan.Refuse(plan.Unsuitable, m.Name,
			fmt.Sprintf(
				"mount it writable (on the host, findmnt -T %s says what is mounted), or take the mark immutable off it (lsattr -d)", dir),
			"nobody can write to %s: it is read-only or immutable", dir))
	}
	return found
}

// ourParent is the parent of directories that only clusterup makes. So prepare opens it where the member's user may not
// enter it, and ground does not refuse it.
const ourParent = "/opt/clusterup"

// Places are the directories that a member's user has to get to: its configuration, the releases, its data, and its log
// where that lies apart.
func Places(c *inventory.Cluster, m inventory.Member) []string {
	places := []string{ConfigDir(c), facts.ReleaseDir, m.DataDir}
	if m.WALDir != "" {
		places = append(places, m.WALDir)
	}
	return places
}

// passes says whether the member's user may go through a directory. Where a group other than its own may, a user that
// exists is believed to: it may be in that group, or an access list may let it through.
func (v view) passes(way facts.File, host facts.Host) bool {
	user := v.want.Cluster.User
	switch {
	case way.Mode&0o001 != 0, user == "root":
		return true
	case way.Owner == user:
		return way.Mode&0o100 != 0
	case way.Group == user:
		return way.Mode&0o010 != 0
	}
	return host.EtcdUser && way.Mode&0o010 != 0
}
