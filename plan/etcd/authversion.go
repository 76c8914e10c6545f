package etcd

import (
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/version"
)

// Permissions are not switched on with a version that lets its users around them. Where they are on already they are
// better than none, so nothing is refused, and it is only said.

const goesAround = "whoever may read one key can watch all that come after it"

// boundless refuses to switch permissions on with the version that the inventory wants.
func (v view) boundless() []plan.Refusal {
	is := v.want.Cluster.Version
	if version.Bounds(is) {
		return nil
	}
	return plan.OneRefusal(plan.Permissions, "",
		fmt.Sprintf("set version = %q, or a newer one; or enabled = false in the block auth until then", version.BoundsFrom(is)),
		"the permissions of etcd %s do not hold: %s", is, goesAround)
}

// gaps says which members do not hold their users to the permissions that are on; "": all do, or none are on.
func (v view) gaps() string {
	if v.seen.Auth == nil || !v.seen.Auth.Enabled {
		return ""
	}
	return v.unbounded()
}

// unbounded says which members do not hold users to permissions, or would not if these were on; "": none is seen to.
func (v view) unbounded() string {
	var old []string
	newest := ""
	v.Everyone(func(m inventory.Member, host facts.Host) {
		if host.Etcd == nil || version.Bounds(host.Etcd.Version) {
			return
		}
		old = append(old, fmt.Sprintf("%s (%s)", m.Name, host.Etcd.Version))
		newest = slices.MaxFunc([]string{newest, host.Etcd.Version}, version.Compare)
	})
	if len(old) == 0 {
		return ""
	}
	return fmt.Sprintf("the permissions of members before etcd %s do not hold, and %s: %s", version.BoundsFrom(newest),
		goesAround, plan.Enumerate(old))
}
