package etcd

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/units"
)

// home is where a member keeps its data, and the user that it runs as. An empty field is not known.
type home struct {
	dataDir, walDir, user string
	guessed               bool // only a directory at the former default path says so
}

// homeOf is where a member's data was seen to be, and its user: as it runs, else as its unit says, else as its birth
// marker does. Older markers say neither. The clusters of that time had the user etcd and, by default, their data below
// /var/lib/etcd.
func (v view) homeOf(m inventory.Member, host facts.Host) home {
	unit := host.Files[UnitPath(v.want.Cluster)].Content
	born, isBorn := v.births[m.Name]
	if p := host.Process; p != nil {
		user := p.User
		// the kernel hides some processes' owners, and a user may have been removed
		if user == "root" || user == facts.NoName {
			user = settingOf(unit, "User")
		}
		return home{dataDir: units.Flag(p.Args, "data-dir"), walDir: units.Flag(p.Args, "wal-dir"), user: user}
	}
	if at := v.settled(m, host); v.rehomed(host) {
		return home{dataDir: at.DataDir, walDir: walDir(at), user: cmp.Or(settingOf(unit, "User"), born.User, formerUser)}
	}
	command := v.starts(host)
	if dir := units.Flag(command, "data-dir"); dir != "" {
		return home{dataDir: dir, walDir: units.Flag(command, "wal-dir"), user: settingOf(unit, "User")}
	}
	before := formerDataDir(v.want.Cluster)
	byDefault := m.DataDir == packageDir+"-"+v.want.Cluster.Name
	// /var/lib/etcd/default is the data directory of Debian's package, not of a cluster called default
	has := host.Files[formerMember(v.want.Cluster)].Kind == facts.Dir && v.want.Cluster.Name != "default"
	switch {
	case born.DataDir != "":
		return home{dataDir: born.DataDir, walDir: born.WALDir, user: born.User}
	case !host.Data.WAL && byDefault && (has || isBorn):
		return home{dataDir: before, walDir: walDir(m), user: formerUser, guessed: !isBorn}
	case isBorn:
		return home{dataDir: m.DataDir, walDir: walDir(m), user: formerUser}
	}
	return home{}
}

const noWALDir = "no wal_dir"

// homeLines is the remedy that keeps a member's home: the lines to write, and the block of the inventory for each. A
// member's block may name directories of its own.
func (v view) homeLines(m inventory.Member, lines []string) string {
	const cluster = "the cluster block of the inventory"
	where := cluster
	if m.DataDir != v.want.Cluster.DataDir || m.WALDir != v.want.Cluster.WALDir {
		where = fmt.Sprintf("the block of member %q", m.Name)
	}
	into := map[string][]string{}
	var does []string
	for _, line := range lines {
		switch {
		case line == noWALDir:
			does = append(does, "take wal_dir out of "+where)
		case strings.HasPrefix(line, "user "):
			into[cluster] = append(into[cluster], line)
		default:
			into[where] = append(into[where], line)
		}
	}
	for _, block := range slices.Sorted(maps.Keys(into)) {
		does = append(does, "put "+strings.Join(into[block], " and ")+" into "+block)
	}
	return strings.Join(does, ", and ")
}

// formerUser is the user of all clusters before each had one of its own.
const formerUser = "etcd"

// formerDataDir is where a cluster's data lay by default before clusterup left /var/lib/etcd to the packages of
// distributions.
func formerDataDir(c *inventory.Cluster) string { return path.Join(packageDir, c.Name) }

// formerMember exists as long as a member's data lies in formerDataDir.
func formerMember(c *inventory.Cluster) string { return path.Join(formerDataDir(c), "member") }

// settingOf is the value of a setting in a unit file; the last one counts.
func settingOf(unit []byte, name string) string {
	value := ""
	for line := range strings.Lines(string(unit)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
			value = v
		}
	}
	return value
}
