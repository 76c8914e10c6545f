package etcd

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/version"
)

// bin is a release as a host has it.
type bin struct{ dir, version string }

func (b bin) path(name string) string { return path.Join(b.dir, name) }

// route are the versions that all members reach in turn, the wanted one last.
func (v view) route() []string { return version.Route(v.low, v.high, v.want.Cluster.Version) }

// Versions are the releases that the hosts need on the way from what was seen to the wanted version, in the order in
// which the cluster runs them.
func Versions(c *inventory.Cluster, s facts.Snapshot) []string {
	return newView(Want{Cluster: c}, s).route()
}

// versions are the oldest and the newest version of the members that hold data, "" while there are none.
func (v view) versions() (low, high string) {
	v.Each(func(_ inventory.Member, host facts.Host) {
		has := v.lastVersion(host)
		if has == "" || !host.Data.WAL {
			return
		}
		if low == "" || version.Compare(has, low) < 0 {
			low = has
		}
		if high == "" || version.Compare(has, high) > 0 {
			high = has
		}
	})
	return low, high
}

// lastVersion is the version that a member runs, or last ran: as it says itself, else as its binary is named.
func (v view) lastVersion(host facts.Host) string {
	switch {
	case host.Etcd != nil:
		return host.Etcd.Version
	case host.Process != nil && len(host.Process.Args) > 0:
		return runs(host).version
	}
	return v.unitBin(host).version
}

// Misnamed says that a member reports another version than its release is named after; empty: it does not.
func Misnamed(host facts.Host) string {
	called := runs(host).version
	if called == "" || host.Etcd == nil || host.Etcd.Version == "" || called == host.Etcd.Version {
		return ""
	}
	return fmt.Sprintf(
		"runs a release called %s, and says that it is %s: the archive of %[1]s holds the programs of another version; "+
			"get the one that etcd published, and remove its line from release.lock.hcl", called, host.Etcd.Version)
}

// unitBin is what the unit of a host starts.
func (v view) unitBin(host facts.Host) bin {
	return binOf(v.starts(host))
}

// runs is the release that a member runs.
func runs(host facts.Host) bin {
	if host.Process == nil {
		return bin{}
	}
	return binOf(host.Process.Args)
}

// binOf is the release of a command line.
func binOf(command []string) bin {
	if len(command) == 0 {
		return bin{}
	}
	return binAt(command[0])
}

// binAt is the release that a path of its etcd belongs to; zero when it is none of clusterup's.
func binAt(file string) bin {
	if !strings.HasPrefix(file, facts.ReleaseDir+"/") || path.Base(file) != "etcd" {
		return bin{}
	}
	name, _, _ := strings.Cut(path.Base(path.Dir(file)), "-")
	return bin{path.Dir(file), name}
}

// bin is the release that a member is to run now. A stopped member that has not come along to another minor version is
// started with what it ran last, so that it is whole and has caught up before it follows.
func (v view) bin(host facts.Host) bin {
	if v.lingers(host) {
		return v.lingering(host)
	}
	if has := v.unitBin(host); v.keeps(host, has) {
		return has
	}
	if v.flushes(host) {
		return runs(host)
	}
	r, _ := v.release(host)
	return bin{BinDir(r), r.Version}
}

// lingers says that a member stays at its minor version although another one is wanted: a change takes all members, and
// one is dark. If nobody knows what the member ran last, it counts as one of the oldest version.
func (v view) lingers(host facts.Host) bool {
	last := cmp.Or(v.lastVersion(host), v.low)
	return len(v.Dark()) > 0 && host.Data.WAL && last != "" && !version.SameMinor(last, v.target)
}

// lingering is the release that a member stays with: what it runs, else what its unit starts, else the newest of its
// minor version on its host; zero: there is none of clusterup's.
func (v view) lingering(host facts.Host) bin {
	if host.Process != nil && len(host.Process.Args) > 0 {
		return runs(host)
	}
	has := v.unitBin(host)
	if _, there := host.Binaries[has.path("etcd")]; there {
		return has
	}
	best, last := bin{}, version.Minor(cmp.Or(v.lastVersion(host), v.low))
	for file := range host.Binaries {
		if b := binAt(file); b.dir != "" && version.Minor(b.version) == last && version.Compare(b.version, best.version) > 0 {
			best = b
		}
	}
	return best
}

// lost says that a member has to stay at its minor version, and that no release of it is there to start it with.
func (v view) lost(host facts.Host) bool { return v.lingers(host) && v.bin(host).dir == "" }

func (v view) keeps(host facts.Host, has bin) bool {
	_, there := host.Binaries[has.path("etcd")]
	if host.Process != nil || !host.Data.WAL || !there || version.SameMinor(has.version, v.target) {
		return false
	}
	if version.CompareMinor(has.version, v.target) < 0 {
		return !v.passed(plan.Step{From: has.version}) // else it would not start any more
	}
	// Down again: once a member runs the lower version, the data of all is fit for it.
	return !v.Known(func(_ inventory.Member, other facts.Host) bool {
		return other.Process != nil && version.SameMinor(v.lastVersion(other), v.target)
	})
}

// flushes says whether a member has to take a raft snapshot before it goes from 3.6 to 3.7, which cannot replay what
// 3.5 has left in its log. It does so as soon as it restarts with a snapshot-count that its log exceeds; etcd itself
// offers no other way.
func (v view) flushes(host facts.Host) bool {
	return !v.lingers(host) && version.Minor(v.target) == "3.7" && version.Minor(v.lastVersion(host)) == "3.6" &&
		runs(host).dir != "" && host.V2Store != nil && !host.V2Store.Clean
}

// releases are those that a host needs for the whole way.
func (v view) releases(host facts.Host) []plan.Release {
	var found []plan.Release
	for _, name := range v.route() {
		if r, ok := v.want.Releases[name+"/"+host.Arch]; ok {
			found = append(found, r)
		}
	}
	return found
}
