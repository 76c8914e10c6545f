package etcd

import (
	"fmt"
	"path"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
)

// Purging Debian's package etcd-server deletes packageDir and packageUser (its postrm, in Debian 11 to 13), and
// removing it stops packageUnits. Installing it closes packageDir to all but its owner; that is root where the
// directory existed before.
const packageDir, packageUser = "/var/lib/etcd", "etcd"

var packageUnits = map[string]bool{"etcd": true, "etcd2": true}

// Endangered says what the removal of a distribution's package would take from a member, and the way out; empty:
// nothing.
func Endangered(c *inventory.Cluster, m inventory.Member, host facts.Host) (found, do string) {
	if len(host.Packages) == 0 {
		return "", ""
	}
	name := host.Packages[0]
	var parts, attributes []string
	add := func(does, attribute string) {
		parts, attributes = append(parts, does), append(attributes, attribute)
	}
	for _, dir := range []struct{ path, attribute string }{{m.DataDir, "data_dir"}, {m.WALDir, "wal_dir"}} {
		if dir.path == packageDir || strings.HasPrefix(dir.path, packageDir+"/") {
			add("delete "+dir.path, dir.attribute)
		}
	}
	if c.User == packageUser {
		add("delete the user "+packageUser, "user")
	}
	if packageUnits[c.UnitName] {
		add("stop "+c.UnitName+".service", "unit_name")
	}
	if len(parts) == 0 {
		return "", ""
	}
	found = fmt.Sprintf("purging the package %s would %s", name, strings.Join(parts, " and "))
	if _, born := host.Files[path.Join(ConfigDir(c), "born.json")]; !born && host.Process == nil && !host.Data.WAL {
		return found, "leave " + strings.Join(attributes, " and ") +
			" out of the inventory: no package owns the default paths"
	}
	return found, fmt.Sprintf(
		"on the host: rm /var/lib/dpkg/info/%s.p*rm; chmod 755 %s; only then can the package be purged", name, packageDir)
}
