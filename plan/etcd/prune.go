package etcd

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/plan/version"
	"github.com/clusterup/clusterup/units"
)

// kept is how many releases stay on a host: the one that runs, and the one before it, to go back to.
const kept = 2

// prune removes releases that no unit of any cluster names, except the newest two, and trust bundles that no member
// runs with. It also removes pairs of certificate and key that a killed run left behind: it had switched to a new pair,
// and not yet removed the old one.
func (v view) prune() (*plan.Stage, error) {
	var steps []plan.Step
	v.Each(func(m inventory.Member, host facts.Host) {
		if paths := pathsOf(v.prunable(host)); len(paths) > 0 {
			steps = append(steps, plan.Step{
				Kind: plan.PruneReleases, Host: m.Name, Paths: paths,
				Why: "no unit uses them, and newer ones are there",
			})
		}
		if paths := pathsOf(v.untrusted(host)); len(paths) > 0 {
			steps = append(steps, plan.Step{
				Kind: plan.PruneTrust, Host: m.Name, Unit: v.want.Cluster.UnitName, Paths: paths,
				Why: "no member runs with them any more",
			})
		}
		if paths := pathsOf(v.staleTokenKeys(host)); len(paths) > 0 {
			steps = append(steps, plan.Step{
				Kind: plan.PruneTrust, Host: m.Name, Unit: v.want.Cluster.UnitName, Paths: paths,
				Why: "the member signs no tokens with it any more",
			})
		}
		if paths := pathsOf(v.unlinked(host)); len(paths) > 0 {
			steps = append(steps, plan.Step{
				Kind: plan.PruneTrust, Host: m.Name, Unit: v.want.Cluster.UnitName, Paths: paths,
				Why: "certificates and keys of before, which a run that was cut off has left",
			})
		}
	})
	return plan.SideBySide("remove what is not used any more", "all members run what is wanted", steps), nil
}

func pathsOf(names []string) []plan.Path {
	var paths []plan.Path
	for _, name := range names {
		paths = append(paths, plan.Path{Path: name})
	}
	return paths
}

// untrusted are bundles of clusterup's own that neither the running member nor its unit names, and that are not wanted.
func (v view) untrusted(host facts.Host) []string {
	used := slices.Concat(v.starts(host), v.command(host))
	for _, role := range trust.Roles {
		used = append(used, "="+v.trust.Bundle(role, host).Path)
	}
	var found []string
	for name, file := range host.Files {
		named := func(arg string) bool { return strings.HasSuffix(arg, "="+name) }
		if path.Dir(name) != ConfigDir(v.want.Cluster) || slices.ContainsFunc(used, named) {
			continue
		}
		if slices.ContainsFunc(trust.Roles, func(role string) bool { return v.trust.Written(name, role, file.Content) }) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// unlinked are directories of pairs that the link of their role does not point to. There are none while that link does
// not point to a whole pair.
func (v view) unlinked(host facts.Host) []string {
	var found []string
	for _, leaf := range host.Leaves {
		link := units.LeafLink(ConfigDir(v.want.Cluster), leaf.Role)
		if !leaf.Intact || path.Dir(leaf.Dir) != path.Dir(link) {
			continue
		}
		for name, file := range host.Files {
			if file.Kind == facts.Dir && name != leaf.Dir && units.IsLeafDir(link, name) {
				found = append(found, name)
			}
		}
	}
	slices.Sort(found)
	return found
}

// finished says whether a name is that of a whole release, VERSION-DIGEST, and not of one that was being unpacked.
func finished(name string) bool {
	_, digest, ok := strings.Cut(name, "-")
	return ok && !strings.Contains(digest, ".")
}

func (v view) prunable(host facts.Host) []string {
	var dirs []string
	for name, file := range host.Files {
		if path.Dir(name) == facts.ReleaseDir && file.Kind == facts.Dir && finished(path.Base(name)) {
			dirs = append(dirs, name)
		}
	}
	if len(dirs) <= kept || len(host.InUse) == 0 {
		return nil
	}
	of := func(dir string) string {
		name, _, _ := strings.Cut(path.Base(dir), "-")
		return name
	}
	slices.SortFunc(dirs, func(a, b string) int { return cmp.Or(version.Compare(of(b), of(a)), cmp.Compare(a, b)) })
	r, _ := v.release(host)
	return slices.DeleteFunc(dirs[kept:], func(dir string) bool {
		return slices.Contains(host.InUse, dir) || dir == BinDir(r) ||
			runs(host).dir == dir
	})
}
