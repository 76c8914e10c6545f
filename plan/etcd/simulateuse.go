package etcd

import (
	"path"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/units"
)

// simulateUse is which releases units of a host name, after its unit file was one thing and is another: a look tells
// them where there are more than two. Releases of other clusters' units count only where a look has told them.
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
