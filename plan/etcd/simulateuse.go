package etcd

import (
	"path"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/units"
)

// simulateUse are the releases that units of a host name after a step, which may have changed the member's own unit. A
// look tells them only where more than two releases lie there. Those of other clusters' units are taken from the look
// before.
func simulateUse(w Want, before, now facts.Host) []string {
	releases := 0
	for name, file := range now.Files {
		if path.Dir(name) == facts.ReleaseDir && file.Kind == facts.Dir {
			releases++
		}
	}
	if releases <= kept {
		return nil
	}
	was, is := named(w, before), named(w, now)
	used := slices.DeleteFunc(slices.Clone(before.InUse), func(dir string) bool { return dir == was || dir == is })
	if is != "" {
		used = append(used, is)
	}
	slices.Sort(used)
	return used
}

// named is the release that the member's unit names.
func named(w Want, host facts.Host) string {
	return binOf(units.Command(host.Files[UnitPath(w.Cluster)].Content)).dir
}
